#include "options.h"

#include "values.h"

#include <stdio.h>
#include <string.h>

enum {
    OPT_SHELL = 256,
    OPT_TIMEOUT,
    OPT_DEADLINE,
    OPT_RETRIES,
    OPT_BACKOFF,
    OPT_HALT,
    OPT_LINE_BUFFER,
    OPT_TAG,
    OPT_JSON,
    OPT_JOBLOG,
    OPT_RESUME,
    OPT_RESUME_FAILED,
    OPT_RESULTS,
    OPT_PROGRESS,
    OPT_NO_PROGRESS,
    OPT_SUMMARY,
    OPT_DRY_RUN,
};

/* The one list of options: what is parsed, what --help prints. The manual page and the completions in cli/man and
 * cli/completions are written by hand, and a test compares them with it. */
static const struct option {
    const char *name;
    int letter;        /* below 256: also as -X */
    const char *value; /* what stands for its value; NULL: it takes none */
    const char *help;
} table[] = {
    { "jobs", 'j', "N|N%", "so many at a time; N% of the CPUs; 0: as many as the machine allows\n"
                           "(default: the CPUs that sennit may use)" },
    { "arg-file", 'a', "FILE", "take inputs from FILE" },
    { "null", '0', NULL, "inputs end with a NUL byte instead of a newline" },
    { "max-args", 'N', "N", "N inputs for each job: {1} to {N}" },
    { "colsep", 'C', "REGEX", "split each input into columns, {1}, {2}, ...; an extended regular expression; \\t is a tab" },
    { "shell", OPT_SHELL, NULL, "run the words as a shell script, with the inputs as \"$1\", \"$2\", ..." },
    { "keep-order", 'k', NULL, "print outputs in the order of the inputs; at most 512 jobs run ahead" },
    { "line-buffer", OPT_LINE_BUFFER, NULL, "print each line as it comes; with -k those of the first unfinished job" },
    { "ungroup", 'u', NULL, "let the jobs write to standard output and error themselves" },
    { "tag", OPT_TAG, NULL, "print the input and a tab before each line" },
    { "json", OPT_JSON, NULL, "print events, one JSON object per line, that carry the outputs" },
    { "results", OPT_RESULTS, "DIR", "also keep what each job printed, and how it ended, in DIR/NUMBER/" },
    { "joblog", OPT_JOBLOG, "FILE", "write a line to FILE for each job that is over; what FILE held is lost" },
    { "resume", OPT_RESUME, NULL, "go on with the job log: jobs that it has are not run again" },
    { "resume-failed", OPT_RESUME_FAILED, NULL, "the same, but run again those that failed" },
    { "retries", OPT_RETRIES, "N", "try a job N times in all until it succeeds, always in its slot; the last try counts" },
    { "backoff", OPT_BACKOFF, "T|T..T", "wait between tries: T, or doubled each time from the first T to the second, and\n"
                                        "up to half less by chance (default: 0)" },
    { "timeout", OPT_TIMEOUT, "T", "end a try after T (10, 1.5s, 200ms, 2m, 1h): TERM to its process group, a second\n"
                                   "later KILL" },
    { "deadline", OPT_DEADLINE, "T", "end the run after T: no more jobs; TERM to the running ones, a second later KILL" },
    { "halt", OPT_HALT, "WHEN", "soon,fail=N  soon,fail=N%  soon,success=N: start no more jobs once so many have\n"
                                "failed or succeeded; now,...: end the running ones too" },
    { "progress", OPT_PROGRESS, NULL, "a status line on standard error; the default if that is a terminal" },
    { "no-progress", OPT_NO_PROGRESS, NULL, "no status line" },
    { "summary", OPT_SUMMARY, NULL, "print jobs, failures, rate and durations at the end, on standard error" },
    { "dry-run", OPT_DRY_RUN, NULL, "print the commands instead of running them" },
    { "help", 'h', NULL, "print this" },
};

enum { OPTIONS = sizeof table / sizeof *table };

/* --- help --- */

static const char help_before[] =
    "usage: sennit run [options] [--] command [words] [::: inputs]\n"
    "\n"
    "Runs the command once per input, several at a time. Inputs are the lines of standard input, or of -a FILE, or the\n"
    "words after ':::'. No shell is involved: an input reaches the command as it is.\n"
    "\n"
    "In the command's words (not with --shell) these stand for the input; without any it is added as the last word:\n"
    "  {}    the input                  {//}  its directory\n"
    "  {.}   without its extension      {/.}  its last part without extension\n"
    "  {/}   its last part              {#} {%}  the job's number, the slot it runs in\n"
    "With -N or --colsep: {1} {1.} {1/} {1//} {1/.} the first, {-1} the last; {} alone in a word: each as a word.\n"
    "\n";

static const char help_after[] =
    "\n"
    "A job's output appears whole when the job is over, that of its last try; its standard input is /dev/null. Ctrl-C: no\n"
    "new jobs, the running ones end; again: TERM to them; a third time: KILL; a fourth: their outputs are given up.\n"
    "\n"
    "Exit code: 0, all succeeded; 1 to 100, so many failed; 101, more; 124, the deadline passed; 130, interrupted;\n"
    "255, usage or an own error. 'man sennit' has it all.\n";

static void print_help(void)
{
    (void)fputs(help_before, stdout);
    for (int i = 0; i < OPTIONS; i++) {
        const struct option *o = &table[i];
        char left[40];
        int indent = o->letter < 256 ? sprintf(left, "  -%c, ", o->letter) : sprintf(left, "%6s", "");
        (void)snprintf(left + indent, sizeof left - (size_t)indent, "--%s %s", o->name, o->value ? o->value : "");
        const char *line = o->help;
        for (const char *label = left; *line; label = "") {
            int n = (int)strcspn(line, "\n");
            (void)printf("%-25s %.*s\n", label, n, line);
            line += n + (line[n] == '\n');
        }
    }
    (void)fputs(help_after, stdout);
}

/* --- the command line --- */

/* How many letters differ, roughly: enough to find what a typing error meant. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], la = strlen(a), lb = strlen(b);

    if (la > 30 || lb > 30)
        return 99;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[lb];
}

static int unknown(const char *word)
{
    const char *name = word + strspn(word, "-");
    const char *best = NULL;
    size_t length = strlen(name), least = length / 3 + 1;

    for (int i = 0; i < OPTIONS && length > 1; i++) {
        size_t d = strncmp(name, table[i].name, length) == 0 ? 0 : distance(name, table[i].name);
        if (d < least) {
            least = d;
            best = table[i].name;
        }
    }
    if (best)
        cli_error("unknown option '%s'; did you mean '--%s'?", word, best);
    else
        cli_error("unknown option '%s'; 'sennit run --help' lists them", word);
    return SN_EINVAL;
}

static int apply_output(struct options *o, int letter, const char *value)
{
    switch (letter) {
    case 'k':
        o->ordered = true;
        return 0;
    case 'u':
        o->grouping = GROUP_NONE;
        return 0;
    case OPT_LINE_BUFFER:
        o->grouping = GROUP_LINES;
        return 0;
    case OPT_TAG:
        o->tag = true;
        return 0;
    case OPT_JSON:
        o->json = true;
        return 0;
    case OPT_RESULTS:
        o->results = value;
        return 0;
    case OPT_PROGRESS:
        o->progress = true;
        return 0;
    case OPT_NO_PROGRESS:
        o->progress = false;
        return 0;
    case OPT_SUMMARY:
        o->summary = true;
        return 0;
    case OPT_DRY_RUN:
        o->dry_run = true;
        return 0;
    default:
        print_help();
        return 1;
    }
}

static int apply(struct options *o, int letter, const char *value)
{
    switch (letter) {
    case 'j':
        return value_jobs(&o->jobs, value);
    case 'a':
        o->file = value;
        return 0;
    case '0':
        o->nul = true;
        return 0;
    case 'N':
        o->positional = true;
        return value_count(&o->per_job, "--max-args", value);
    case 'C':
        o->positional = true;
        return columns_parse(&o->colsep, value);
    case OPT_SHELL:
        o->shell = true;
        return 0;
    case OPT_JOBLOG:
        o->joblog = value;
        return 0;
    case OPT_RESUME_FAILED:
        o->resume_failed = true; /* fall through */
    case OPT_RESUME:
        o->resume = true;
        return 0;
    case OPT_RETRIES:
        return value_count(&o->tries, "--retries", value);
    case OPT_BACKOFF:
        return value_backoff(o, value);
    case OPT_TIMEOUT:
        return value_duration(&o->timeout, value);
    case OPT_DEADLINE:
        return value_duration(&o->deadline, value);
    case OPT_HALT:
        return value_halt(o, value);
    default:
        return apply_output(o, letter, value);
    }
}

/* One word that begins with a dash, and perhaps the next as its value. */
static int parse_word(struct options *o, int argc, char **argv, int *i)
{
    char *word = argv[*i], *value = NULL;

    if (word[1] == '-') { /* --name, --name=value, --name value */
        size_t n = strcspn(word + 2, "=");
        for (int k = 0; k < OPTIONS; k++) {
            if (strlen(table[k].name) != n || strncmp(table[k].name, word + 2, n) != 0)
                continue;
            if (word[2 + n] == '=')
                value = word + 3 + n;
            if (!table[k].value && value) {
                cli_error("--%s takes no value", table[k].name);
                return SN_EINVAL;
            }
            if (table[k].value && !value && !(value = ++*i < argc ? argv[*i] : NULL)) {
                cli_error("--%s needs a value", table[k].name);
                return SN_EINVAL;
            }
            return apply(o, table[k].letter, value);
        }
        return unknown(word);
    }
    for (char *c = word + 1; *c; c++) { /* -k0j8, -j 8 */
        int k = 0, r;
        while (k < OPTIONS && table[k].letter != *c)
            k++;
        if (k == OPTIONS)
            return unknown(word);
        if (table[k].value && !(value = c[1] ? c + 1 : ++*i < argc ? argv[*i] : NULL)) {
            cli_error("-%c needs a value", *c);
            return SN_EINVAL;
        }
        if ((r = apply(o, *c, value)) != 0 || table[k].value)
            return r;
    }
    return 0;
}

/* What cannot be had together, in one line each. */
static int check(const struct options *o)
{
    const struct {
        bool wrong;
        const char *why;
    } rules[] = {
        { o->ncommand == 0, "no command given; 'sennit run --help' shows how" },
        { o->inputs && o->file, "inputs come from --arg-file or from ':::', not from both" },
        { o->resume && !o->joblog, "--resume needs --joblog, which says what is done already" },
        { o->joblog && !*o->joblog, "--joblog needs the name of a file" },
        { o->results && !*o->results, "--results needs the name of a directory" },
        { o->grouping == GROUP_NONE && o->ordered, "--ungroup cannot keep the order of outputs (--keep-order)" },
        { o->grouping == GROUP_NONE && o->tag, "--ungroup cannot --tag lines, which it does not see" },
        { o->grouping == GROUP_NONE && o->results, "--ungroup cannot keep --results, since it does not see the outputs" },
        { o->grouping != GROUP_JOBS && o->json, "--json has outputs in its events: no --ungroup or --line-buffer" },
        { o->json && o->tag, "--json has the input in each event: no --tag" },
        { o->json && o->dry_run, "--dry-run prints commands, not events: no --json" },
    };

    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].wrong) {
            cli_error("%s", rules[i].why);
            return SN_EINVAL;
        }
    return 0;
}

int options_parse(struct options *o, int argc, char **argv)
{
    int i = 1, r;

    *o = (struct options){ .jobs = value_jobs_default(), .per_job = 1, .tries = 1, .progress = true };
    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if ((r = parse_word(o, argc, argv, &i)) != 0)
            return r;
    }
    o->command = argv + i;
    while (i < argc && strcmp(argv[i], ":::") != 0)
        i++;
    o->ncommand = (int)(argv + i - o->command);
    if (i < argc) {
        argv[i] = NULL;
        o->inputs = argv + i + 1;
        o->ninputs = argc - i - 1;
    }
    return check(o);
}

void options_free(struct options *o)
{
    columns_free(&o->colsep);
}
