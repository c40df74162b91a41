#!/bin/bash
# The command, tested as a user types it. cli_test.sh SENNIT CASE runs the function case_CASE in an empty directory.
set -u
sennit=$1 self=$(realpath "$0")
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$dir"' EXIT # what a failed case has left
cd "$dir" || exit 1

fail() {
    echo "line ${BASH_LINENO[1]}: $*" >&2
    exit 1
}
same() { # same GOT WANT
    [ "$1" = "$2" ] || fail "got: $(printf %q "$1")
want: $(printf %q "$2")"
}
exits() { # exits CODE COMMAND...
    local want=$1 got=0
    shift
    "$@" > out 2> err || got=$?
    [ "$got" -eq "$want" ] || fail "exit code $got, not $want: $* ($(cat err))"
}

case_inputs() {
    same "$(printf 'a\nb c\n\nlast' | "$sennit" run -k printf '[%s]')" '[a][b c][][last]'
    same "$(printf 'a\nx\0b\0' | "$sennit" run -k -0 printf '[%s]')" "$(printf '[a\nx][b]')"
    printf '1\n2\n' > list
    same "$("$sennit" run -k -a list echo n{})" $'n1\nn2'
    same "$("$sennit" run -k --arg-file=list echo)" $'1\n2'
    same "$("$sennit" run -k echo {} ::: a ::: b)" $'a\n:::\nb'
    same "$("$sennit" run echo x :::)" ''
    same "$("$sennit" run echo x < /dev/null)" ''
    same "$(seq 3 | "$sennit" run -kj8 echo)" $'1\n2\n3'
    same "$("$sennit" run -k -- echo -n {} ::: a b)" 'ab'
}

case_replacements() {
    same "$("$sennit" run echo '{} {.} {/} {//} {/.} {#}' ::: d.x/e.tar.gz)" 'd.x/e.tar.gz d.x/e.tar e.tar.gz d.x e.tar 1'
    same "$("$sennit" run echo '{.}|{//}|{/.}' ::: .profile)" '.profile|.|.profile'
    same "$("$sennit" run echo '{.} {/} {//}' ::: /a.b/c)" '/a.b/c c /a.b'
    same "$("$sennit" run echo '{//}' ::: /x)" '/'
    same "$("$sennit" run echo '{}{}-{x}{' ::: a)" 'aa-{x}{'
    same "$("$sennit" run -j1 echo '{#}:{%}' ::: a b)" $'1:1\n2:1'
    seq 40 | "$sennit" run -j 3 echo '{%}' | sort -u | while read -r n; do [ "$n" -ge 1 ] && [ "$n" -le 3 ] || exit 1; done ||
        fail "a slot outside 1..3"
}

case_hostile_names() {
    local names=('with space' "quo'te" 'dou"ble' $'new\nline' '-rf' '$(touch pwned)' '; touch pwned' '*' $'\xff\xfe' '`id`' '\')
    for n in "${names[@]}"; do : > "./$n"; done
    same "$(printf '%s\0' "${names[@]}" | "$sennit" run -0 -k printf '%s\0' | tr '\0' '|')" \
        "$(printf '%s\0' "${names[@]}" | tr '\0' '|')"
    same "$(printf '%s\0' "${names[@]}" | "$sennit" run -0 -k --shell 'printf "%s\0" "$1"' | tr '\0' '|')" \
        "$(printf '%s\0' "${names[@]}" | tr '\0' '|')"
    printf '%s\0' "${names[@]}" | "$sennit" run -0 rm -- || fail "rm"
    same "$(ls | grep -v '^err$\|^out$')" ''
    # what a dry run prints, a shell reads back
    for n in "${names[@]}"; do printf '%s\0' "$n" | "$sennit" run -0 --dry-run printf %s > line; same "$(sh ./line)" "$n"; done
    [ ! -e pwned ] || fail "an input was run"
}

case_big_input() {
    head -c 1000000 /dev/zero | tr '\0' x > big
    same "$("$sennit" run -k echo ok ::: 1 < /dev/null)" 'ok 1'
    { echo first; cat big; echo; echo last; } > list
    exits 1 "$sennit" run -k -a list echo # too long for exec: that job alone fails
    same "$(cat out)" $'first\nlast'
    grep -q 'job 2.*argument list too long' err || fail "$(cat err)"
    same "$("$sennit" run --dry-run -a list : | wc -c)" "$((2 + 5 + 1 + 2 + 1000000 + 1 + 2 + 4 + 1))"
}

case_output_is_whole() {
    # Each job prints in pieces; pieces of different jobs never mix.
    seq 30 | "$sennit" run -j 8 --shell 'for i in 1 2 3 4; do echo "$1 $i"; sleep 0.005; done' > out
    same "$(wc -l < out)" 120
    same "$(awk '{ if ($1 != last) runs++; last = $1 } END { print runs }' out)" 30
    # stdout and stderr stay apart
    "$sennit" run --shell 'echo "o$1"; echo "e$1" >&2' ::: 1 > out 2> err
    same "$(cat out)/$(cat err)" o1/e1
}

case_large_output() {
    seq 3 | "$sennit" run -j 3 -k --shell 'seq 1 200000 | sed "s/^/$1 /"' > out
    same "$(md5sum < out)" "$(for k in 1 2 3; do seq 1 200000 | sed "s/^/$k /"; done | md5sum)"
}

case_order() {
    same "$(printf '0.15\n0.05\n0\n' | "$sennit" run -j 3 -k --shell 'sleep "$1"; echo "$1"')" $'0.15\n0.05\n0'
    same "$(printf '0.3\n0.1\n0\n' | "$sennit" run -j 3 --shell 'sleep "$1"; echo "$1"')" $'0\n0.1\n0.3'
    same "$(seq 2000 | "$sennit" run -j 8 -k echo | md5sum)" "$(seq 2000 | md5sum)"
}

case_exit_codes() {
    exits 0 "$sennit" run true ::: 1 2 3
    exits 2 "$sennit" run test {} = a ::: a b c
    exits 101 "$sennit" run false {} ::: $(seq 120)
    exits 100 "$sennit" run false {} ::: $(seq 100)
    exits 1 "$sennit" run --shell 'kill -9 $$' ::: 1
    exits 3 "$sennit" run /no/such/program ::: 1 2 3
    grep -q "cannot run '/no/such/program': no such file or directory" err || fail "$(cat err)"
}

case_bad_usage() {
    exits 255 "$sennit"
    exits 255 "$sennit" frobnicate
    exits 255 "$sennit" run
    exits 255 "$sennit" run --keep-ordr touch no ::: 1
    grep -q "did you mean '--keep-order'" err || fail "$(cat err)"
    exits 255 "$sennit" run -z touch no ::: 1
    exits 255 "$sennit" run -j touch ::: 1
    exits 255 "$sennit" run -j -3 touch no ::: 1
    exits 255 "$sennit" run -j
    exits 255 "$sennit" run --timeout soon touch no ::: 1
    exits 255 "$sennit" run --timeout -1 touch no ::: 1
    exits 255 "$sennit" run --halt never touch no ::: 1
    exits 255 "$sennit" run --halt now,fail=0 touch no ::: 1
    exits 255 "$sennit" run --dry-run=yes touch no ::: 1
    exits 255 "$sennit" run -a /no/such/list touch no
    grep -q "cannot read '/no/such/list': no such file or directory" err || fail "$(cat err)"
    same "$(wc -l < err)" 1
    exits 255 "$sennit" run -a . touch no
    exits 255 "$sennit" run -a list touch no ::: 1
    [ ! -e no ] || fail "a job was started"
    exits 0 "$sennit" --help
    exits 0 "$sennit" run --help
    exits 0 "$sennit" --version
}

case_timeout() {
    exits 1 "$sennit" run --timeout 0.1 --shell 'sleep 60 & echo $! > pid; wait' ::: 1
    grep -q 'timed out' err || fail "$(cat err)"
    sleep 0.1
    ! grep -q '^[0-9]* (.*) [^Z]' "/proc/$(cat pid)/stat" 2> /dev/null || fail "its child lives"
    exits 1 "$sennit" run --timeout 100ms --shell 'trap "" TERM; echo kept; while :; do sleep 0.05; done' ::: 1 # KILL
    same "$(cat out)" kept
}

case_left_behind() {
    local begin=$SECONDS
    exits 0 "$sennit" run --shell 'echo done; sleep 30 & echo $! > pid' ::: 1
    kill "$(cat pid)"
    [ $((SECONDS - begin)) -lt 15 ] || fail "waited for what was left behind"
    same "$(cat out)" done
    grep -q 'left behind' err || fail "$(cat err)"
}

case_halt() {
    exits 1 "$sennit" run -j1 --halt soon,fail=1 --shell 'echo "$1"; [ "$1" != 2 ]' ::: 1 2 3 4 5
    same "$(cat out)" $'1\n2'
    exits 0 "$sennit" run -j1 --halt soon,success=2 --shell 'echo "$1"; [ "$1" != 2 ]' ::: 1 2 3 4 5
    same "$(cat out)" $'1\n2\n3'
    exits 1 "$sennit" run -j2 --halt now,fail=1 --shell '[ "$1" = 1 ] && sleep 60; false' ::: 1 2 3 4
    exits 2 "$sennit" run -j1 --halt soon,fail=50% --shell '[ "$1" -lt 3 ]' ::: 1 2 3 4 5 6
}

# Waits until the files exist, for a few seconds.
await() {
    local i
    for i in $(seq 500); do
        # shellcheck disable=SC2012
        [ "$(ls "$@" 2> /dev/null | wc -l)" -eq $# ] && return
        sleep 0.02
    done
    fail "waited in vain for $*"
}
gone() { # gone PIDFILE...: these processes have ended
    local i f alive
    for i in $(seq 250); do
        alive=0
        for f; do
            grep -q '^[0-9]* (.*) [^Z]' "/proc/$(cat "$f")/stat" 2> /dev/null && alive=1
        done
        [ "$alive" -eq 0 ] && return
        sleep 0.02
    done
    fail "alive: $*"
}
# Starts `sennit run` in the background with INT as a terminal would find it (a script's background jobs ignore it); $pid.
interruptible() {
    env --default-signal=INT "$sennit" run "$@" > out 2> err < /dev/null &
    pid=$!
}
exited() { # exited CODE
    local code=0
    wait "$pid" || code=$?
    same "$code" "$1"
}

case_interrupt_once() { # no more are started, the running ones end
    interruptible -j 2 --shell 'touch "b$1"; while [ ! -e go ]; do sleep 0.02; done; echo "e$1"' ::: 1 2 3 4
    await b1 b2
    kill -INT $pid
    sleep 0.1
    touch go
    exited 130
    same "$(sort out)" $'e1\ne2'
    [ ! -e b3 ] || fail "a job was started after the interrupt"
}

case_interrupt_twice() { # TERM to the jobs
    interruptible -j 2 --shell 'echo $$ > "p$1"; trap "echo term; exit 7" TERM; touch "b$1"; while :; do sleep 0.02; done' ::: 1 2 3 4
    await b1 b2
    kill -INT $pid
    sleep 0.1
    kill -INT $pid
    exited 130
    same "$(sort out)" $'term\nterm'
    gone p1 p2
}

case_interrupt_thrice() { # KILL
    interruptible -j 2 --shell 'echo $$ > "p$1"; trap "touch t$1" TERM; echo kept; touch "b$1"; while :; do sleep 0.02; done' ::: 1 2 3
    await b1 b2
    kill -INT $pid
    sleep 0.1
    kill -INT $pid
    await t1 t2
    kill -INT $pid
    exited 130
    same "$(cat out)" $'kept\nkept'
    gone p1 p2
}

case_terminate() { # TERM and HUP: to the jobs at once
    for signal in TERM HUP; do
        rm -f b1 b2 p1 p2
        interruptible -j 2 --shell 'echo $$ > "p$1"; echo "b$1"; touch "b$1"; sleep 60' ::: 1 2 3 4
        await b1 b2
        kill -$signal $pid
        exited 130
        same "$(sort out)" $'b1\nb2'
        gone p1 p2
    done
}

case_interrupt_ignored() { # as nohup and a script's background jobs want it
    (trap '' INT; exec "$sennit" run -j 2 --shell 'touch "b$1"; while [ ! -e go ]; do sleep 0.02; done; echo "$1"' ::: 1 2 3 > out) &
    pid=$!
    await b1 b2
    kill -INT $pid
    touch go
    exited 0
    same "$(sort out)" $'1\n2\n3'
}

case_surroundings() { # of a job: empty stdin, a process group of its own, no descriptor of ours
    same "$(echo 1 | "$sennit" run --shell 'cat; echo "$1"')" 1
    same "$("$sennit" run --shell 'ls /proc/self/fd' ::: 1)" "$(sh -c 'ls /proc/self/fd')"
    same "$("$sennit" run --shell 'set -- $(cat /proc/$$/stat); [ "$5" = "$$" ] && echo own' ::: 1)" own
    # signals are as at the start, though sennit catches some; of the first 28, since libc ignores two of its own (32 and 33)
    local signals='s/^Sig\(Blk\|Ign\|Cgt\):.*\(.\{7\}\)$/\1 \2/p'
    same "$(env --default-signal=INT "$sennit" run sed -n "$signals" {} ::: /proc/self/status)" \
        "$(env --default-signal=INT sed -n "$signals" /proc/self/status)"
}

peak_kb() {
    sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB$/\1/p' "/proc/$1/status"
}
case_flat_memory() { # over many lines
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=1
    mkfifo lines
    "$sennit" run --dry-run -a lines echo > /dev/null &
    pid=$!
    { seq 50000; peak_kb $pid > first; seq 2000000; peak_kb $pid > last; } > lines
    exited 0
    local limit=2000
    grep -q __asan_init "$sennit" && limit=10000 # its allocator keeps some for each thread
    [ $(($(cat last) - $(cat first))) -lt $limit ] || fail "grew from $(cat first) to $(cat last) kB"
}

case_flat_memory_ordered() { # what waits for the first job's output takes neither memory nor descriptors
    ulimit -n 64
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=1
    mkfifo go
    head -c 100000 /dev/zero | tr '\0' x > big
    { echo wait; yes big | head -n 800; } |
        "$sennit" run -j 4 -k --shell '[ "$1" = wait ] && read -r x < go; cat big; echo >> ran' > out &
    pid=$!
    local ran=0 before=-1
    while [ "$ran" -eq 0 ] || [ "$ran" -ne "$before" ]; do # until all that may run before the first has ended have run
        sleep 0.5
        before=$ran
        ran=$(wc -l < ran)
    done
    peak_kb $pid > peak
    echo > go
    exited 0
    same "$(wc -c < out)" 80100000
    [ "$ran" -gt 100 ] || fail "only $ran jobs ran beside the first"
    local limit=60000
    grep -q __tsan_init "$sennit" && limit=600000 # each byte has shadows
    [ "$(cat peak)" -lt $limit ] || fail "$(cat peak) kB to keep what $ran jobs wrote"
}

case_many_at_a_time() { # every line of output arrives, and nobody is said to have left something behind
    for j in 64 200; do
        seq 1000 | "$sennit" run -j $j echo > out 2> err
        same "$(sort -n out | md5sum)" "$(seq 1000 | md5sum)"
        same "$(cat err)" ''
    done
}

case_spool_fails() { # a job whose output cannot be kept fails, at once and not for ever
    exits 2 env TMPDIR=/no/such/dir "$sennit" run --shell 'head -c 3000000 /dev/zero' ::: 1 2
    grep -q "job 1: its output is incomplete, since it cannot be kept in /no/such/dir" err || fail "$(cat err)"
    exits 0 env TMPDIR=/no/such/dir "$sennit" run echo ::: small
}

case_nul_bytes() {
    printf 'a\0b\0c\0' > list
    exits 255 "$sennit" run -a list echo
    grep -q 'NUL bytes; -0' err || fail "$(cat err)"
    same "$(cat out)" ''
}

case_kills_the_group() { # who is left of a job that got TERM
    exits 1 "$sennit" run --timeout 0.2 --shell '(trap "" TERM; echo $BASHPID > /dev/null; exec sleep 60 > /dev/null 2>&1) & echo $! > p1; wait' ::: 1
    gone p1
}

case_halt_now_kills() {
    local begin=$SECONDS
    exits 1 "$sennit" run -j2 --halt now,fail=1 --shell '[ "$1" = 1 ] || { trap "" TERM; while :; do sleep 0.1; done; }; sleep 0.1; false' ::: 1 2
    [ $((SECONDS - begin)) -lt 30 ] || fail "a job that ignores TERM holds up a halt"
    exits 1 "$sennit" run -j1 --halt soon,success=1 --halt soon,fail=1 false {} ::: 1 2 3 # the last one counts
    exits 255 "$sennit" run --halt soon,success=50% true ::: 1
}

case_fifo_without_writer() {
    mkfifo lines
    interruptible -a lines echo
    sleep 0.1
    kill -INT $pid
    exited 130
    { sleep 0.1; echo late; } > lines &
    same "$("$sennit" run -a lines echo)" late
}

case_closed_descriptors() {
    same "$("$sennit" run -k --shell 'echo o$1; echo e$1 >&2' ::: 1 2 2>&-)" $'o1\no2'
    exits 0 "$sennit" run touch ::: made >&-
    [ -e made ] || fail "nothing ran"
    same "$("$sennit" run echo <&-)" ''
}

case_in_time_though_stopped() {
    "$sennit" run --timeout 1 --shell 'touch began; sleep 0.3; echo fine' ::: 1 > out 2> err &
    pid=$!
    await began
    kill -STOP $pid
    sleep 1.2
    kill -CONT $pid
    exited 0
    same "$(cat out err)" fine
}

case_names() {
    same "$("$sennit" run echo '{.} {/.}' ::: .. | tr -d '\n')" '.. ..'
    same "$("$sennit" run echo '{.} {/.}' ::: a/.. | tr -d '\n')" 'a/.. ..'
    same "$("$sennit" run echo '{.} {/.}' ::: a/..b.c | tr -d '\n')" 'a/..b ..b'
    exits 255 "$sennit" run --zap true ::: 1
    ! grep -q 'did you mean' err || fail "$(cat err)"
    exits 255 "$sennit" run --keep true ::: 1
    grep -q "did you mean '--keep-order'" err || fail "$(cat err)"
    exits 255 env SENNIT_WORKERS=abc "$sennit" run true ::: 1
    grep -q "SENNIT_WORKERS must be a number from 1 to 256, not 'abc'" err || fail "$(cat err)"
}

case_broken_pipe() {
    seq 10000 | "$sennit" run -k echo 2> err | head -n 1 > out
    local code=${PIPESTATUS[1]}
    same "$(cat out)" 1
    same "$code" 255
    grep -q 'cannot write the output' err || fail "$(cat err)"
}

case_jobs() {
    exits 0 "$sennit" run -j 0 true ::: 1 2 3
    exits 0 "$sennit" run -j 200% true ::: 1 2 3
    same "$(cat err)" ''
    exits 0 bash -c 'ulimit -n 50; seq 200 | "$0" run -j 100 true' "$sennit"
    grep -q 'only 5 jobs at a time' err || fail "$(cat err)"
    # never more than N at a time
    seq 24 | "$sennit" run -j 3 --shell 'mkdir "run-$1"; ls -d run-* | wc -l; sleep 0.02; rmdir "run-$1"' > out 2> err
    [ "$(sort -n out | tail -n 1)" -le 3 ] || fail "more than three at once"
    exits 0 "$sennit" run --summary true ::: 1 2
    grep -qE '^2 jobs, 0 failed, .* jobs/s; duration p50 .* ms, p99 .* ms$' err || fail "$(cat err)"
}

# --- several inputs for a job ---

case_max_args() {
    same "$("$sennit" run -k -N 2 echo '{1}-{2}-{-1}' ::: a b c)" $'a-b-b\nc--c'
    same "$("$sennit" run -k -N 2 echo ::: a b c)" $'a b\nc'
    same "$("$sennit" run -k --max-args 2 printf '[%s]' {} {}x ::: 'a 1' b)" '[a 1][b][a 1 bx]'
    same "$("$sennit" run -k -N 2 --shell 'echo "$#:$1:$2"' ::: a b c)" $'2:a:b\n1:c:'
    same "$("$sennit" run -N 3 echo '{2.} {2/} {2//} {2/.} {4} {#}' ::: a d/b.c e)" 'd/b b.c d b  1'
    same "$(printf 'a\0b\nc\0d\0' | "$sennit" run -0 -k -N 2 printf '<%s>')" $'<a><b\nc><d>'
    same "$("$sennit" run echo '{1} {-1} {01.} {1' ::: a)" '{1} {-1} {01.} {1 a' # positions are for -N and --colsep
    exits 255 "$sennit" run -N 0 touch no ::: 1
    exits 255 "$sennit" run -N x touch no ::: 1
    [ ! -e no ] || fail "a job was started"
}

case_colsep() {
    same "$(printf 'a,b.c,d\ne\n' | "$sennit" run -k --colsep , echo '{1}+{2.}+{3}+{-1}')" $'a+b+d+d\ne+++e'
    same "$(printf 'a\tb c\n' | "$sennit" run --colsep '\t' printf '[%s]')" '[a][b c]'
    same "$("$sennit" run -C '[,;] *' printf '[%s]' ::: 'a, b;c,')" '[a][b][c][]'
    same "$("$sennit" run -C '\|' echo {2} ::: 'a|b')" b
    same "$("$sennit" run -C '^a' printf '[%s]' ::: 'aab')" '[][ab]' # a line begins once
    same "$("$sennit" run -C x* echo ::: b 2>&1)" "sennit run: --colsep: 'x*' matches nothing at all, which separates no columns (the character | is \\|)"
    same "$("$sennit" run -N 2 -C , echo '{3}{4}{1}{2}' ::: a,b c,d)" cdab
    exits 255 "$sennit" run -C '(' touch no ::: 1
    exits 255 "$sennit" run -C '' touch no ::: 1
    same "$(wc -l < err)" 1
    same "$(head -c 300000 /dev/zero | tr '\0' , | "$sennit" run -C , --shell 'echo $#')" ''  # too many words for exec ...
    same "$(head -c 30000 /dev/zero | tr '\0' , | "$sennit" run -C , --shell 'echo $#')" 30001
    [ ! -e no ] || fail "a job was started"
}

# --- how outputs are printed ---

case_tag() {
    same "$("$sennit" run -k --tag --shell 'echo 1; printf "2\n\n3"; echo e >&2' ::: a 'b c' 2> err | od -c)" \
        "$(printf 'a\t1\na\t2\na\t\na\t3b c\t1\nb c\t2\nb c\t\nb c\t3' | od -c)"
    same "$(sort err)" $'a\te\nb c\te'
    same "$("$sennit" run --tag --shell 'echo x' ::: $'a\nb\t\e')" "\$'a\\nb\\t\\x1b'"$'\tx'
    same "$("$sennit" run --tag --shell 'echo x' ::: "\$'a'")" "\$'\$\\'a\\''"$'\tx' # not to be taken for a quoted one
    same "$("$sennit" run --tag --shell 'echo x' ::: $'\xff')" $'\xff\tx'
    same "$("$sennit" run --tag --shell 'printf "\0\n\377\n"' ::: a | od -c)" "$(printf 'a\t\0\na\t\377\n' | od -c)"
    same "$("$sennit" run --tag --shell true ::: a)" ''
    same "$("$sennit" run --tag -N2 --shell 'echo x' ::: a b)" $'a b\tx'
    # lines that are longer than any buffer
    same "$("$sennit" run --tag --shell 'head -c 200000 /dev/zero | tr "\0" x; echo; echo y' ::: a | md5sum)" \
        "$({ printf 'a\t'; head -c 200000 /dev/zero | tr '\0' x; printf '\na\ty\n'; } | md5sum)"
}

case_line_buffer() {
    # a line is there before its job is over
    mkfifo lines
    "$sennit" run --line-buffer --shell 'echo first; while [ ! -e go ]; do sleep 0.02; done; printf last' ::: 1 > lines 2> err &
    { read -r line; touch go; read -r last; } < lines
    same "$line $last" 'first last' # and an unfinished one is ended
    wait
    # lines of different jobs never mix, long ones neither
    seq 8 | "$sennit" run -j 8 --line-buffer --shell \
        'for i in 1 2 3 4 5; do printf "%s" "$1"; head -c 70000 /dev/zero | tr "\0" x; printf "%s" "$1"; sleep 0.01; printf "%s\n" "$1"; done' > out
    same "$(sed -n 's/^\(.\)x*\1\1$/\1/p' out | sort | uniq -c | tr -s ' \n' ' ')" ' 5 1 5 2 5 3 5 4 5 5 5 6 5 7 5 8 '
    same "$(wc -l < out)" 40
    same "$("$sennit" run --line-buffer --tag --shell 'printf "a"; sleep 0.05; printf "b\n\nc"; echo e >&2' ::: 1 2> err | od -c)" \
        "$(printf '1\tab\n1\t\n1\tc\n' | od -c)"
    same "$(cat err)" $'1\te'
    # nothing is lost of large outputs, and a reader that goes away ends the run
    same "$("$sennit" run --line-buffer seq {} ::: 300000 | md5sum)" "$(seq 300000 | md5sum)"
    "$sennit" run --line-buffer yes ::: 1 2 2> err | head -n 1 > out
    same "${PIPESTATUS[0]}" 255
    grep -q 'cannot write the output' err || fail "$(cat err)"
}

case_line_buffer_ordered() { # the first unfinished job's lines come at once, the others' later
    mkfifo lines
    "$sennit" run -j 4 -k --line-buffer --shell \
        'for i in 1 2 3; do echo "$1 $i"; touch "d$1$i"; while [ ! -e "g$1$i" ]; do sleep 0.02; done; done; printf "$1 end"' ::: a b c > lines &
    pid=$!
    exec 3< lines
    read -r line <&3
    same "$line" 'a 1'
    touch gb1 gb2 gb3 gc1
    await db3 dc2
    touch ga1
    read -r line <&3
    same "$line" 'a 2'
    touch ga2 ga3
    for want in 'a 3' 'a end' 'b 1' 'b 2' 'b 3' 'b end' 'c 1' 'c 2'; do
        read -r line <&3
        same "$line" "$want"
    done
    touch gc2 gc3 # c is alive, and the first that is
    read -r line <&3
    same "$line" 'c 3'
    read -r line <&3
    same "$line" 'c end'
    exited 0
    seq 2000 | "$sennit" run -j 8 -k --line-buffer --shell 'echo "$1"; echo "$1"' > out
    same "$(md5sum < out)" "$(seq 2000 | sed p | md5sum)"
}

case_ungroup() {
    same "$("$sennit" run -u --shell '[ -p /dev/stdout ] && echo "$1"; echo e >&2' ::: 1 2> err)" 1 # our own pipe
    same "$(cat err)" e
    exits 255 "$sennit" run -u -k true ::: 1
    exits 255 "$sennit" run -u --tag true ::: 1
    exits 255 "$sennit" run -u --json true ::: 1
    exits 255 "$sennit" run -u --results r true ::: 1
    same "$(wc -l < err)" 1
    [ ! -e r ] || fail "made although refused"
    "$sennit" run -u --joblog log echo ::: 1 > out
    same "$(cut -f 1,6,7 log)" $'Seq\tReceive\tExitval\n1\t0\t0'
}

case_json() {
    "$sennit" run -k --json --shell 'printf "a\t\"\\\\\1\n"; printf "\377" >&2; exit 3' ::: $'q"\n' $'\xff' > out
    same "$?" 2
    same "$(grep -c . out)" 5
    same "$(sed -n 's/.*"event":"end","seq":1,"input":"q\\"\\n","slot":[12],"start":[0-9.]*,"duration":[0-9.]*,//p' out)" \
        '"tries":1,"result":"failed","exit":3,"signal":null,"stdout":"a\t\"\\\u0001\n","stderr_base64":"/w=="}'
    grep -q '"event":"start","seq":2,"input_base64":"/w==","slot":.,"time":[0-9]*\.[0-9]*,"command":"sh -c ' out || fail "$(cat out)"
    same "$(tail -n 1 out | sed 's/"seconds":[0-9.]*/S/')" \
        '{"event":"summary","jobs":2,"succeeded":0,"failed":2,"stopped":0,"skipped":0,S,"exit":2}'
    same "$("$sennit" run --json --shell 'kill -9 $$' ::: 1 | sed -n 's/.*"result"/"result"/p')" \
        '"result":"failed","exit":null,"signal":9,"stdout":"","stderr":""}'
    same "$("$sennit" run --json --timeout 0.1 sleep ::: 9 2> err | sed -n 's/.*"result"/"result"/p')" \
        '"result":"timeout","exit":null,"signal":15,"stdout":"","stderr":""}'
    same "$("$sennit" run --json /no/such ::: 1 2> err | sed -n 's/.*"result"/"result"/p')" \
        '"result":"error","exit":null,"signal":null,"error":"no such file or directory","stdout":"","stderr":""}'
    same "$("$sennit" run --json -N 2 true ::: a $'\xff' | sed -n 's/.*"event":"end".*\("inputs[^]]*]\).*/\1/p')" '"inputs_base64":["YQ==","/w=="]'
    same "$("$sennit" run --json -N 2 true ::: a b | sed -n 's/.*"event":"end".*\("inputs[^]]*]\).*/\1/p')" '"inputs":["a","b"]'
    # large outputs, as text and in base64, of every length modulo 3, with a character across the edge of a block
    for n in 70000 70001 70002; do
        same "$("$sennit" run --json head -c $n ::: /dev/zero | sed -n 's/.*"stdout":"\([^"]*\)".*/\1/p' | md5sum)" \
            "$({ head -c $n /dev/zero | sed 's/\x0/\\u0000/g'; echo; } | md5sum)"
        same "$("$sennit" run --json --shell "{ head -c $n /dev/zero; printf '\\377'; }" ::: 1 | sed -n 's/.*"stdout_base64":"\([^"]*\)".*/\1/p' | base64 -d | md5sum)" \
            "$({ head -c $n /dev/zero; printf '\377'; } | md5sum)"
    done
    same "$("$sennit" run --json --shell 'head -c 65535 /dev/zero | tr "\0" x; printf "\303\244"' ::: 1 | sed -n 's/.*"stdout":"x*\([^"]*\)".*/\1/p')" ä
}

case_results() {
    local names=('a/b' '..' '' '.' $'new\nline' "$(head -c 5000 /dev/zero | tr '\0' n)" $'\xff')
    printf '%s\0' "${names[@]}" | "$sennit" run -0 -k --results r/deep --shell 'printf "%s" "$1"; echo e >&2; [ "$1" != .. ]' > out 2> err
    same "$?" 1
    for i in "${!names[@]}"; do
        same "$(cat "r/deep/$((i + 1))/stdout"; echo .)" "${names[i]}."
        same "$(cat "r/deep/$((i + 1))/input"; echo .)" "${names[i]}."
        same "$(cat "r/deep/$((i + 1))/stderr")" e
    done
    same "$(cat r/deep/*/status | sort | uniq -c | tr -s ' \n' ' ')" ' 6 exit 0 1 exit 1 '
    same "$(sh r/deep/5/command 2> err)" $'new\nline'
    same "$(ls -A r/deep | tr '\n' ' ')" '1 2 3 4 5 6 7 '
    # once more: the new results take the place of the old; what a killed run left goes
    mkdir r/deep/.1.partial
    touch r/deep/.1.partial/stdout
    "$sennit" run --line-buffer --results r/deep --shell 'printf new' ::: a > out
    same "$(cat r/deep/1/stdout)/$(cat r/deep/1/status)" 'new/exit 0'
    same "$(ls -A r/deep | tr '\n' ' ')" '1 2 3 4 5 6 7 '
    "$sennit" run --results s --timeout 0.1 sleep ::: 9 2> err
    same "$(cat s/1/status)" timeout
    "$sennit" run --results s --shell 'kill -9 $$' ::: 9
    same "$(cat s/1/status)" 'signal 9'
    "$sennit" run --results s /no/such ::: 9 2> err
    same "$(cat s/1/status)" 'error no such file or directory'
    "$sennit" run --results s -N 2 true ::: a b
    same "$(od -c s/1/input)" "$(printf 'a\0b\0' | od -c)"
    "$sennit" run --results s --retries 2 --shell 'echo $$; false' ::: 1 > out
    same "$(cat s/1/stdout)" "$(cat out)"
    : > file
    exits 255 "$sennit" run --results file touch no ::: 1
    same "$(wc -l < err)" 1
    "$sennit" run --results s --shell 'touch began; while [ ! -e go ]; do sleep 0.02; done' ::: 1 &
    pid=$!
    await began
    exits 255 "$sennit" run --results s touch no ::: 1
    grep -q "another run" err || fail "$(cat err)"
    touch go
    exited 0
    [ ! -e no ] || fail "a job was started"
}

# --- tries, deadlines, starts ---

case_retries() {
    exits 0 "$sennit" run --retries 5 --backoff 10ms..40ms --joblog log --shell 'echo x >> tries; echo "try $(wc -l < tries)"; [ "$(wc -l < tries)" -ge 3 ]' ::: 1
    same "$(cat out)" 'try 3' # the last one's output only
    same "$(wc -l < tries)" 3
    same "$(cut -f 1,6,7 log | tail -n +2)" $'1\t6\t0'
    exits 2 "$sennit" run --retries 3 --shell 'echo "$1" >> all; exit 4' ::: a b
    same "$(sort all | tr -d '\n')" aaabbb
    same "$("$sennit" run --retries 2 --line-buffer --shell 'echo one; printf two; false' ::: a)" $'one\ntwo\none\ntwo'
    same "$("$sennit" run -k --json --retries 3 false {} ::: a | sed -n 's/.*"tries":\([0-9]*\).*/\1/p')" 3
    exits 1 "$sennit" run --retries 2 --timeout 0.1 --shell 'echo x >> timed; sleep 9' ::: 1
    same "$(cat timed err | grep -c 'x\|timed out')" 3 # each try has its time, one line says it
    exits 255 "$sennit" run --retries 0 touch no ::: 1
    exits 255 "$sennit" run --backoff 1s..10ms touch no ::: 1
    exits 255 "$sennit" run --backoff 1s.. touch no ::: 1
    exits 255 "$sennit" run --backoff 0..1 touch no ::: 1
    [ ! -e no ] || fail "a job was started"
}

case_retries_stop() { # a wait ends with the run, and the job is not over
    interruptible -j 1 --retries 9 --backoff 1h --joblog log --shell 'echo "out $1"; touch "b$1"; false' ::: 1 2
    await b1
    sleep 0.1
    kill -INT $pid
    exited 130
    same "$(cat out)" 'out 1'
    same "$(wc -l < log)" 1
    [ ! -e b2 ] || fail "a job was started"
}

case_deadline() {
    exits 124 "$sennit" run -j 2 --deadline 0.3 --joblog log --shell 'echo "$1"; [ "$1" = 1 ] || exec sleep 60' ::: 1 2 3 4
    grep -q 'the deadline has passed' err || fail "$(cat err)"
    same "$(sort out)" $'1\n2\n3' # what was printed until then
    same "$(tail -n +2 log | cut -f 1)" 1
    exits 124 "$sennit" run --deadline 0.2 --shell 'trap "" TERM; while :; do sleep 0.05; done' ::: 1
    exits 3 "$sennit" run --deadline 1h false ::: 1 2 3
    exits 124 "$sennit" run --deadline 0.1 --retries 9 --backoff 1h false ::: 1
    mkfifo never
    exits 124 "$sennit" run --deadline 0.1 -a never true # nor are inputs waited for
    exits 255 "$sennit" run --deadline 0 touch no ::: 1
}

case_start_errors() { # said once, and counted
    exits 5 "$sennit" run /no/such ::: 1 2 3 4 5
    same "$(wc -l < err)" 2
    grep -q 'job [1-5]: cannot run' err && grep -q '^sennit run: 4 more jobs: cannot run' err || fail "$(cat err)"
    exits 3 "$sennit" run -k {} ::: /no/1 /no/2 /no/3
    same "$(wc -l < err)" 3
    : > script
    exits 1 "$sennit" run ./script ::: 1
    grep -q 'permission denied' err || fail "$(cat err)"
    # control characters never reach a terminal
    exits 1 "$sennit" run {} ::: $'/no/\e[2J\nx\xff\xc2\x9b'
    same "$(cat err)" "sennit run: job 1: cannot run '/no/\\x1b[2J\\nx\\xff\\xc2\\x9b': no such file or directory"
    exits 1 "$sennit" run --timeout 0.1 --shell 'sleep 9' ::: $'\e]0;x\a'
    same "$(cat err)" "sennit run: job 1 ('\\x1b]0;x\\a'): timed out"
    exits 255 "$sennit" run $'--\e' true ::: 1
    ! grep -q $'\e' err || fail "$(cat -v err)"
    exits 1 "$sennit" run --timeout 0.1 --shell 'sleep 9' ::: "$(head -c 100000 /dev/zero | tr '\0' x)"
    grep -q '\.\.\.'"'): timed out$" err && [ "$(wc -c < err)" -lt 400 ] || fail "$(cat err)"
}

case_no_room_for_processes() { # what cannot be started for now is waited for
    command -v setpriv > /dev/null && [ "$(id -u)" = 0 ] || return 0 # root has no limit, others have unknown processes
    ! grep -q '__[at]san_init' "$sennit" || return 0
    chmod 777 . && cp "$sennit" ./sennit-copy && chmod 755 sennit-copy
    # nine processes: bash, which becomes sennit's three threads, four that sleep, and so one or two jobs
    SENNIT_WORKERS=2 setpriv --reuid=$((40000 + $$ % 20000)) --clear-groups bash -c 'ulimit -u 9
        for i in 1 2 3 4; do sleep 60 & echo $! >> pids; done
        exec ./sennit-copy run -j 4 --summary sleep ::: 0.{01..30}' > out 2> err
    local code=$?
    # shellcheck disable=SC2046
    kill $(cat pids)
    same $code 0
    grep -q 'at a time for now: there is no room for another process' err && grep -q '^30 jobs, 0 failed' err || fail "$(cat err)"
}

# --- the job log ---

finished() { # the jobs that the log has, each once per line, as "Seq Exitval Signal"
    tail -n +2 "${1:-log}" | cut -f 1,7,8 | tr '\t' ' '
}

case_joblog() {
    echo old > not-a-log
    exits 255 "$sennit" run --joblog not-a-log touch no ::: 1
    same "$(cat not-a-log)" old
    exits 3 "$sennit" run -k --joblog log --timeout 0.5 --shell 'printf "%s" "$1"; case $1 in k) kill -9 $$;; t) exec sleep 9;; *) exit $1;; esac' ::: 0 7 k t
    same "$(head -n 1 log)" $'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand'
    same "$(finished)" $'1 0 0\n2 7 0\n3 0 9\n4 -1 15'
    tail -n +2 log | grep -vqE $'^[1-4]\t:\t[0-9]{10}\\.[0-9]{3}\t +[0-9]+\\.[0-9]{3}\t0\t1\t-?[0-9]+\t[0-9]+\tsh -c ' && fail "$(cat log)"
    same "$(sed -n 2p log | cut -f 4 | wc -c)" 11
    exits 1 "$sennit" run --joblog log /no/such ::: 1 # begun anew
    same "$(finished)" '1 127 0'
    # the command is one line, which a shell reads back
    "$sennit" run -k --joblog log printf '%s|' '{#}{%}' {} ::: "it's" $'a\nb\t\x01\xff' 'a b' > out
    same "$(wc -l < log)" 4
    same "$(tail -n +2 log | cut -f 9- | bash | od -c)" "$(printf "%s|" '1{%}' "it's" '2{%}' $'a\nb\t\x01\xff' '3{%}' 'a b' | od -c)"
    exits 255 "$sennit" run --joblog /no/such/log touch no ::: 1
    exits 255 "$sennit" run --joblog . touch no ::: 1
    exits 255 "$sennit" run --joblog '' touch no ::: 1
    exits 255 "$sennit" run --resume touch no ::: 1
    same "$("$sennit" run --joblog /dev/stdout true ::: 1 | wc -l)" 2
    [ ! -e no ] || fail "a job was started"
    cp log before
    exits 255 "$sennit" run --joblog log -a /no/such/list true
    exits 0 "$sennit" run --joblog log --dry-run true ::: 1
    same "$(md5sum < log)" "$(md5sum < before)"
}

case_resume() {
    job='echo "$1" >> ran; echo "out $1"; [ "$1" != 2 ]'
    exits 1 "$sennit" run -j 1 --joblog log --resume --shell "$job" ::: 1 2 3
    same "$(finished)" $'1 0 0\n2 1 0\n3 0 0'
    exits 0 "$sennit" run -j 1 --joblog log --resume --shell "$job" ::: 1 2 3 4 5
    same "$(cat out)" $'out 4\nout 5'
    exits 1 "$sennit" run -k --joblog log --resume-failed --shell "$job" ::: 1 2 3 4 5
    same "$(cat out)" 'out 2'
    same "$(finished)" $'1 0 0\n2 1 0\n3 0 0\n4 0 0\n5 0 0\n2 1 0'
    same "$(tr '\n' ' ' < ran)" '1 2 3 4 5 2 '
    sed -i 's/^2\(.*\)\t1\t0\t\(sh\)/2\1\t0\t0\t\2/' log # as if it had succeeded at last
    exits 0 "$sennit" run --joblog log --resume-failed --shell "$job" ::: 1 2 3 4 5
    same "$(cat out)" ''
    same "$("$sennit" run --dry-run --resume --joblog log --shell "$job" ::: 1 2 3 4 5 6 | wc -l)" 1
    same "$("$sennit" run --dry-run --resume --joblog nothing echo ::: 1)" 'echo 1'
    [ ! -e nothing ] || fail "a dry run made a log"
    same "$("$sennit" run --resume --joblog log --json --shell "$job" ::: 1 2 3 4 5 | sed 's/"seconds".*//')" \
        '{"event":"summary","jobs":0,"succeeded":0,"failed":0,"stopped":0,"skipped":5,'
    # the slot is no part of what must stay the same
    "$sennit" run -j 1 --joblog slots echo {} {%} ::: a b > out
    exits 0 "$sennit" run -j 2 --resume --joblog slots echo {} {%} ::: a b c
    same "$(cut -d ' ' -f 1 out)" c
}

case_resume_changed() { # other inputs are refused, in one line that names the job and both commands
    "$sennit" run -k --joblog log echo ::: a b c > out
    cp log before
    exits 255 "$sennit" run --resume --joblog log echo ::: a x c d
    same "$(cat err)" "sennit run: --resume: the inputs or the command have changed: job 2 was echo b in 'log' and is echo x now"
    exits 255 "$sennit" run --resume --joblog log printf ::: a b c
    grep -q 'job 1 was echo a .* is printf a now' err || fail "$(cat err)"
    exits 255 "$sennit" run --resume --joblog log echo ::: a b
    same "$(cat err)" "sennit run: --resume: the inputs have changed: 'log' has a job 3, but there are 2 now"
    exits 255 "$sennit" run --resume-failed --joblog log echo < /dev/null
    same "$(md5sum < log)" "$(md5sum < before)"
    # what ran beside is handed on and logged
    "$sennit" run -k --joblog log echo ::: a b > out
    sed -i 2d log
    exits 255 "$sennit" run -j 1 --resume --joblog log echo ::: a x
    same "$(cat out)" a
    same "$(finished | sort)" $'1 0 0\n2 0 0'
}

case_resume_torn() { # a line without its end does not count
    "$sennit" run -k --joblog log echo ::: a b > out
    cp log whole
    for cut in 1 5 20; do
        head -c -$cut whole > log
        same "$("$sennit" run --resume --joblog log echo ::: a b)" b
        same "$(finished)" $'1 0 0\n2 0 0'
    done
    for size in 0 1 30 65; do # the header too
        head -c $size whole > log
        same "$("$sennit" run -k --resume --joblog log echo ::: a b)" $'a\nb'
        same "$(finished)" $'1 0 0\n2 0 0'
    done
    head -c -1 whole > log
    same "$("$sennit" run --dry-run --resume --joblog log echo ::: a b)" 'echo b'
    same "$(md5sum < log)" "$(head -c -1 whole | md5sum)" # and changes nothing
    # what is no log is neither read nor cut
    for bad in 'no log' $'no\nlog\n' "$(cat whole; echo x; echo)" "$(sed 's/^2/0/' whole; echo)" "$(sed 's/^2/99999999999999/' whole; echo)" "$(sed '2s/\t0\t0\t/\tx\t0\t/' whole; echo)"; do
        printf '%s\n' "$bad" > log
        cp log before
        exits 255 "$sennit" run --resume --joblog log touch no ::: a b
        grep -q "'log' is no job log" err || fail "$(cat err)"
        same "$(wc -l < err)" 1
        same "$(md5sum < log)" "$(md5sum < before)"
    done
    [ ! -e no ] || fail "a job was started"
}

case_resume_locked() { # two runs do not share a log
    "$sennit" run --joblog log --shell 'touch began; while [ ! -e go ]; do sleep 0.02; done' ::: 1 2> err &
    pid=$!
    await began
    for resume in '' --resume; do
        exits 255 "$sennit" run --joblog log $resume touch no ::: 1
        same "$(cat err)" "sennit run: the job log 'log' is in use by another run, process $pid"
    done
    touch go
    exited 0
    same "$(finished)" '1 0 0'
    [ ! -e no ] || fail "a job was started"
}

case_resume_stopped() { # what sennit ended itself is not over
    interruptible -j 2 --joblog log --results r --shell 'trap "echo bye; exit 0" TERM; touch "b$1"; while :; do sleep 0.02; done' ::: 1 2 3
    await b1 b2
    kill -TERM $pid
    exited 130
    same "$(cat out)" $'bye\nbye'
    same "$(finished)" ''
    same "$(ls -A r)" ''
    same "$("$sennit" run --resume --joblog log --dry-run --shell 'trap "echo bye; exit 0" TERM; touch "b$1"; while :; do sleep 0.02; done' ::: 1 2 3 | wc -l)" 3
    exits 1 "$sennit" run -j 2 --joblog log --halt now,fail=1 --shell '[ "$1" = 1 ] && exec sleep 60; sleep 0.1; false' ::: 1 2 3
    same "$(finished)" '2 1 0'
}

case_resume_memory() { # of a million finished jobs, in the order in which a run ends them
    export ASAN_OPTIONS=${ASAN_OPTIONS:-}:quarantine_size_mb=1
    local n=1000000
    { printf 'Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n'
      seq 2 $n | awk '{ print $1 "\t:\t1700000000.000\t     0.001\t0\t2\t0\t0\techo " $1 }'
      printf '1\t:\t1700000000.000\t     9.001\t0\t2\t0\t0\techo 1\n'; } > log
    mkfifo lines
    "$sennit" run --resume --joblog log -a lines echo > out &
    pid=$!
    { seq 1000; peak_kb $pid > first; seq 1001 $((n + 1)); peak_kb $pid > last; } > lines
    exited 0
    same "$(cat out)" $((n + 1))
    ! grep -q '__[at]san_init' "$sennit" || return 0 # their allocators keep some for each thread
    [ $(($(cat last) - $(cat first))) -lt 3000 ] || fail "grew from $(cat first) to $(cat last) kB"
    [ "$(cat last)" -lt 12000 ] || fail "$(cat last) kB"
}

case_crash() { # killed at any moment: nothing that is in the log is lost or runs again
    local seed=${SN_SEED:-$RANDOM} n=100 i
    RANDOM=$seed
    seq $n > list
    # Its output is larger than a pipe.
    job='grep -q "^$1$(printf "\t")" log && echo "$1" >> again; sleep 0.0$(($1 % 3)); echo "begin $1"; seq 13000; echo "end $1"'
    for i in $(seq 1000); do
        "$sennit" run -j 4 --joblog log --resume --results r -a list --shell "$job" >> out 2> err &
        pid=$!
        (sleep "0.0$((RANDOM % 10))"; kill -KILL $pid) 2> /dev/null &
        killer=$!
        wait $pid 2> /dev/null && break
        wait $killer
        same "$(grep -v '^==[0-9]*==Unable to get registers' err)" '' # of a leak checker that was killed, too
    done
    kill $killer 2> /dev/null
    wait $killer 2> /dev/null
    [ "$i" -gt 1 ] || fail "seed $seed: it was never killed"
    [ ! -e again ] || fail "seed $seed: ran again: $(tr '\n' ' ' < again)"
    same "$(tail -n +2 log | cut -f 1 | sort -n | tr '\n' ' ')" "$(seq $n | tr '\n' ' ')"
    same "$(ls -A r | sort -n | tr '\n' ' ')" "$(seq $n | tr '\n' ' ')"
    for i in $(seq $n); do
        { echo "begin $i"; seq 13000; echo "end $i"; } | cmp - "r/$i/stdout" || fail "seed $seed: the result of job $i"
    done
    # each job's whole output stands somewhere in one piece, perhaps right behind half a line of one that a crash tore
    awk '/begin [0-9]+$/ { job = $NF; want = 1; next }
         /^end / { if ($2 == job && want == 13001 && !(job in whole)) { whole[job]; count++ }; job = ""; next }
         { if ($1 == want) want++; else job = "" }
         END { exit count != '$n' }' out || fail "seed $seed: an output is missing or torn"
}

# --- the status line, on a terminal ---

# terminal COMMAND: what a shell command prints on a terminal of 60 columns, raw, into `raw`; the terminal's settings must
# be the same before and after. Standard input is what is typed. The shell is bash, for others end when the user interrupts
# what they wait for.
terminal() {
    TERM=${term-xterm} SHELL=$BASH script -qec "stty cols 60 rows 10; stty -g > before; { $1
}; echo \$? > code; stty -g > after" /dev/null > raw
    same "$(cat after)" "$(cat before)"
    ! grep -q $'\e\\[[^K]' raw || fail "more than erasing: $(cat -v raw)"
}
# What is on the screen then, each line once it was final.
screen() {
    LC_ALL=C awk '{
        line = ""; at = 0; n = length($0)
        for (i = 1; i <= n; i++) {
            c = substr($0, i, 1)
            if (c == "\r") at = 0
            else if (substr($0, i, 3) == "\033[K") { line = substr(line, 1, at); i += 2 }
            else { line = substr(line, 1, at) c substr(line, at + 2); at++ }
        }
        print line
    }' raw
}
# The status lines that were drawn, one a line.
statuses() {
    tr '\r\n' '\n\n' < raw | sed 's/\x1b\[K//g' | grep '/s  '
}

case_progress() {
    # shellcheck disable=SC2016
    echo '#!/bin/sh
        for i in $(seq 500); do
            tr "\r" "\n" < raw | grep -q "$1" && exit
            sleep 0.02
        done
        exit 1' > drawn
    chmod +x drawn
    terminal "'$sennit' run -j 2 -k --shell '[ \$1 -lt 3 ] || ./drawn \"2/4.*2 running\"; echo \"out \$1\"; echo \"err \$1\" >&2; [ \$1 != 2 ]' ::: 1 2 3 4" < /dev/null
    same "$(cat code)" 1
    same "$(screen)" "$(printf 'out %s\nerr %s\n' 1 1 2 2 3 3 4 4)"
    statuses | grep -q '^\[#*\.*\] 2/4 50%  [0-9.]*/s  ETA 0:0.  1 failed  2 running$' || fail "$(cat -v raw)"
    statuses | grep -q '.\{60\}' && fail "wider than the terminal: $(cat -v raw)"
    [ "$(statuses | wc -l)" -lt 60 ] || fail "drawn too often"
    # the total of a list that is being read is not known, and narrow terminals have no bar
    terminal "stty cols 30; { echo 1; ./drawn '^1 done'; echo 2; } | '$sennit' run -j 2 --summary true" < /dev/null
    statuses | grep -q '^1 done  [0-9.]*/s  0:0' || fail "$(cat -v raw)"
    statuses | grep -q '.\{30\}' && fail "wider than the terminal: $(cat -v raw)"
    same "$(screen | cut -c 1-16)" '2 jobs, 0 failed'
}

case_progress_off() {
    for how in "--no-progress" "--progress --no-progress" "-u" "--dry-run"; do
        terminal "'$sennit' run $how --shell 'sleep 0.3' ::: 1" < /dev/null
        same "$(statuses)" ''
    done
    term=dumb terminal "'$sennit' run --shell 'sleep 0.3' ::: 1" < /dev/null
    same "$(cat raw)" ''
    term='' terminal "'$sennit' run --shell 'sleep 0.3' ::: 1" < /dev/null
    same "$(cat raw)" ''
    terminal "stty -icanon; '$sennit' run --shell 'sleep 0.3' ::: 1; stty icanon" < /dev/null # a pager has the terminal
    same "$(statuses)" ''
    exits 0 env TERM=xterm "$sennit" run --progress --shell 'sleep 0.3' ::: 1 # no terminal
    same "$(cat err)" ''
}

case_progress_unfinished_lines() { # are not written over
    terminal "'$sennit' run -j 1 --shell 'sleep 0.2; printf \"<%s>\" \"\$1\"' ::: 1 2 3" < /dev/null
    same "$(screen)" '<1><2><3>'
}

case_progress_ends() { # however it ends, the line is gone and the terminal as it was
    job='trap "" TERM; touch "b$1"; while :; do sleep 0.02; done'
    { await b1; for i in 1 2 3; do sleep 0.2; printf '\003'; done; sleep 0.3; } |
        terminal "'$sennit' run --shell '$job' ::: 1"
    same "$(cat code)" 130
    same "$(screen | sed 's/\^C//g')" "sennit run: no more jobs are started; the running ones may end (again: TERM to them)"
    job='touch "b$1"; exec sleep 60'
    for signal in TERM QUIT HUP; do
        rm -f b1 pid
        { await b1; sleep 0.2; kill -$signal "$(cat pid)"; } &
        terminal "sh -c 'echo \$\$ > pid; exec \"\$@\"' - '$sennit' run --shell '$job' ::: 1" < /dev/null
        same "$(cat code)" 130
        same "$(screen)" ''
    done
    rm -f b1
    terminal "'$sennit' run -j 2 --halt now,fail=1 --shell '[ \$1 = 1 ] || exec sleep 60; sleep 0.3; false' ::: 1 2" < /dev/null
    same "$(cat code)/$(screen)" 1/
    terminal "'$sennit' run --shell 'sleep 0.3; kill -9 \$\$' ::: 1" < /dev/null
    same "$(cat code)/$(screen)" 1/
    terminal "'$sennit' run --deadline 0.3 --shell 'exec sleep 60' ::: 1" < /dev/null
    same "$(cat code)/$(screen)" '124/sennit run: the deadline has passed'
    terminal "'$sennit' run --shell 'sleep 0.3; echo x' ::: 1 > /dev/full" < /dev/null
    same "$(cat code)/$(screen)" '255/sennit run: cannot write the output: no space left on device'
}

# --- the documents ---

case_options_everywhere() { # --help, the manual page and the completions list exactly the options of the table in options.c
    local cli
    cli=$(cd "$(dirname "$self")/../cli" && pwd) || fail "where is cli/?"
    # "name letter", the letter only if there is one
    sed -n "s/^    { \"\([a-z-]*\)\", '\(.\)', .*/\1 \2/p; s/^    { \"\([a-z-]*\)\", OPT_[A-Z_]*, .*/\1/p" "$cli/options.c" | sort > table
    [ "$(wc -l < table)" -gt 20 ] || fail "no table in options.c"
    "$sennit" run --help | sed -n 's/^      --\([a-z-]*\)\( .*\|\)$/\1/p; s/^  -\(.\), --\([a-z-]*\)\( .*\|\)$/\2 \1/p' | sort > help
    same "$(cat help)" "$(cat table)"
    grep -A 1 '^\.TP' "$cli/man/sennit.1" | sed 's/\\-/-/g' |
        sed -n 's/^\.BR --\([a-z-]*\).*/\1/p; s/^\.BR -\(.\) ", " --\([a-z-]*\).*/\2 \1/p' | sort > man
    same "$(cat man)" "$(cat table)"
    sed -n '/^_sennit_run_options=/,/help/p' "$cli/completions/sennit.bash" | grep -o -- '--[a-z-]*' | cut -c 3- | sort > bash
    same "$(cat bash)" "$(cut -d ' ' -f 1 table)"
    sed -n '/^_sennit_run()/,/^}/p' "$cli/completions/_sennit" | sed 's/([^)]*)//g' |
        sed -n "s/^ *'*{-\(.\)+*,--\([a-z-]*\)=*}.*/\2 \1/p; s/^ *''{-\(.\)+*,--\([a-z-]*\)=*}.*/\2 \1/p; s/^ *'*--\([a-z-]*\)[=[].*/\1/p" | sort > zsh
    same "$(cat zsh)" "$(cat table)"
    sed -n 's/.* -n __sennit_run -l \([a-z-]*\) -s \(.\).*/\1 \2/p; t; s/.* -n __sennit_run -l \([a-z-]*\).*/\1/p' "$cli/completions/sennit.fish" | sort > fish
    same "$(cat fish)" "$(cat table)"
    # those that take a value
    sed -n 's/^    { "\([a-z-]*\)", [^,]*, ".*/\1/p' "$cli/options.c" | sort > values
    grep -A 1 '^\.TP' "$cli/man/sennit.1" | sed 's/\\-/-/g' | sed -n '/^\.BR.*\\fI/s/.*--\([a-z-]*\).*/\1/p' | sort > man
    same "$(cat man)" "$(cat values)"
    grep -A 1 '^        -a | -N | -C' "$cli/completions/sennit.bash" | grep -o -- '--[a-z-]*' | cut -c 3- | sort > bash
    same "$(cat bash)" "$(cat values)"
    grep 'case -a -N -C -j' "$cli/completions/sennit.fish" | grep -o -- '--[a-z-]*' | cut -c 3- | sort > fish
    same "$(cat fish)" "$(cat values)"
    bash -n "$cli/completions/sennit.bash" || fail "completions for bash"
    ! command -v zsh > /dev/null || zsh -n "$cli/completions/_sennit" || fail "completions for zsh"
    ! command -v fish > /dev/null || fish -n "$cli/completions/sennit.fish" || fail "completions for fish"
    ! command -v groff > /dev/null || same "$(groff -man -ww -z "$cli/man/sennit.1" 2>&1)" ''
}

"case_$2" || fail "the case itself failed"
