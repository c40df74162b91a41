#!/bin/bash
# The command, tested as a user types it. cli_test.sh SENNIT CASE runs the function case_CASE in an empty directory.
set -u
sennit=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
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

"case_$2" || fail "the case itself failed"
