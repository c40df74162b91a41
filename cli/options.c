#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const char help[] =
    "usage: sennit run [options] [--] command [words] [::: inputs]\n"
    "\n"
    "Runs the command once per input, several at a time. Inputs are the lines of standard input, or of -a FILE, or the\n"
    "words after ':::'. No shell is involved: an input reaches the command as it is.\n"
    "\n"
    "In the command's words (not with --shell) these stand for the input; without any it is added as the last word:\n"
    "  {}    the input                  {//}  its directory\n"
    "  {.}   without its extension      {/.}  its last part without extension\n"
    "  {/}   its last part              {#} {%}  the job's number, the slot it runs in\n"
    "\n"
    "  -j, --jobs N|N%     so many at a time; N% of the CPUs; 0: as many as the machine allows\n"
    "                      (default: the CPUs that sennit may use)\n"
    "  -k, --keep-order    print outputs in the order of the inputs; at most 512 jobs run ahead\n"
    "  -a, --arg-file F    take inputs from F\n"
    "  -0, --null          inputs end with a NUL byte instead of a newline\n"
    "      --shell         run the words as a shell script, with the input as \"$1\"\n"
    "      --timeout T     end a job after T (10, 1.5s, 200ms, 2m, 1h): TERM to its process group, a second later KILL\n"
    "      --halt WHEN     soon,fail=N  soon,fail=N%  soon,success=N: start no more jobs once so many have failed or\n"
    "                      succeeded; now,...: end the running ones too\n"
    "      --summary       print jobs, failures, rate and durations at the end, on standard error\n"
    "      --dry-run       print the commands instead of running them\n"
    "  -h, --help          print this\n"
    "\n"
    "A job's output appears whole when the job is over; its standard input is /dev/null. Ctrl-C: no new jobs, the running\n"
    "ones end; again: TERM to them; a third time: KILL.\n"
    "\n"
    "Exit code: 0, all succeeded; 1 to 100, so many failed; 101, more; 130, interrupted; 255, usage or an own error.\n";

enum { OPT_SHELL = 256, OPT_TIMEOUT, OPT_HALT, OPT_SUMMARY, OPT_DRY_RUN };

static const struct {
    const char *name;
    int letter;
    bool value;
} table[] = {
    { "jobs", 'j', true },         { "keep-order", 'k', false },      { "arg-file", 'a', true },
    { "null", '0', false },        { "shell", OPT_SHELL, false },     { "timeout", OPT_TIMEOUT, true },
    { "halt", OPT_HALT, true },    { "summary", OPT_SUMMARY, false }, { "dry-run", OPT_DRY_RUN, false },
    { "help", 'h', false },
};

enum { OPTIONS = sizeof table / sizeof *table };

/* --- values --- */

static int cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

/* Each job takes two pipes and a pidfd here, and a process. */
static long most_jobs(void)
{
    struct rlimit files, processes;
    long most = 4000;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY && (long)files.rlim_cur < most * 6 + 20)
        most = ((long)files.rlim_cur - 20) / 6;
    if (getrlimit(RLIMIT_NPROC, &processes) == 0 && processes.rlim_cur != RLIM_INFINITY &&
        (long)processes.rlim_cur / 2 < most)
        most = (long)processes.rlim_cur / 2;
    return most > 1 ? most : 1;
}

static int parse_jobs(int *out, const char *text)
{
    char *end;

    errno = 0;
    long n = strtol(text, &end, 10);
    bool percent = strcmp(end, "%") == 0;
    if (end == text || !isdigit((unsigned char)*text) || errno || (*end && !percent) || n > 1000000) {
        cli_error("--jobs takes a number such as 8 or 50%%, not '%s'", text);
        return SN_EINVAL;
    }
    long most = most_jobs();
    if (percent)
        n = n * cpus() / 100 > 0 ? n * cpus() / 100 : 1;
    else if (n == 0)
        n = most;
    if (n > most)
        cli_error("only %ld jobs at a time: the limits on open files and processes (ulimit -n, -u) allow no more", most);
    *out = (int)(n < most ? n : most);
    return 0;
}

static int parse_duration(int64_t *out, const char *text)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = { { "", 1e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "m", 60e9 }, { "h", 3600e9 } };
    char *end;
    double n = strtod(text, &end);

    if (end != text && isdigit((unsigned char)*text) && n > 0)
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcmp(end, units[i].unit) == 0 && n * units[i].ns >= 1 && n * units[i].ns < 9e18) {
                *out = (int64_t)(n * units[i].ns);
                return 0;
            }
    cli_error("'%s' is no duration; write for instance 10, 1.5s, 200ms, 2m or 1h", text);
    return SN_EINVAL;
}

static int parse_halt(struct options *o, const char *text)
{
    const char *what = NULL;
    bool success = false;
    char *end;

    if (strncmp(text, "soon,", 5) == 0)
        o->halt = HALT_SOON, what = text + 5;
    else if (strncmp(text, "now,", 4) == 0)
        o->halt = HALT_NOW, what = text + 4;
    if (what && strncmp(what, "fail=", 5) == 0)
        what += 5;
    else if (what && strncmp(what, "success=", 8) == 0)
        success = true, what += 8;
    else
        what = NULL;
    if (what && isdigit((unsigned char)*what)) {
        o->halt_count = strtol(what, &end, 10);
        o->halt_percent = *end == '%';
        o->halt_on_success = success;
        if (o->halt_count > 0 && end[o->halt_percent] == '\0' &&
            !(o->halt_percent && (success || o->halt_count > 100)))
            return 0;
    }
    cli_error("--halt takes soon or now, a comma, and fail=N, fail=N%% or success=N, not '%s'", text);
    return SN_EINVAL;
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

static int apply(struct options *o, int letter, const char *value)
{
    switch (letter) {
    case 'j':
        return parse_jobs(&o->jobs, value);
    case 'k':
        o->ordered = true;
        return 0;
    case 'a':
        o->file = value;
        return 0;
    case '0':
        o->nul = true;
        return 0;
    case OPT_SHELL:
        o->shell = true;
        return 0;
    case OPT_TIMEOUT:
        return parse_duration(&o->timeout, value);
    case OPT_HALT:
        return parse_halt(o, value);
    case OPT_SUMMARY:
        o->summary = true;
        return 0;
    case OPT_DRY_RUN:
        o->dry_run = true;
        return 0;
    default:
        (void)fputs(help, stdout);
        return 1;
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

int options_parse(struct options *o, int argc, char **argv)
{
    int i = 1, r;

    memset(o, 0, sizeof *o);
    o->jobs = cpus();
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
    if (o->ncommand == 0) {
        cli_error("no command given; 'sennit run --help' shows how");
        return SN_EINVAL;
    }
    if (o->inputs && o->file) {
        cli_error("inputs come from --arg-file or from ':::', not from both");
        return SN_EINVAL;
    }
    return 0;
}
