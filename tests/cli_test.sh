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

case_interrupt() {
    (trap - INT; exec "$sennit" run -j 2 --shell 'echo "b$1"; sleep 0.3; echo "e$1"' ::: 1 2 3 4 > out 2> err) &
    local pid=$! code=0
    sleep 0.15
    kill -TERM $pid # now: TERM to the jobs
    wait $pid || code=$?
    same "$code" 130
    same "$(sort out)" $'b1\nb2'
    setsid bash -c 'trap - INT; exec "$0" run -j 2 --shell "echo b\$1; sleep 0.3; echo e\$1" ::: 1 2 3 4 > out 2> err' "$sennit" &
    pid=$!
    sleep 0.15
    kill -INT $pid
    code=0
    wait $pid || code=$?
    # A background job of a shell without job control ignores INT; then nothing is interrupted and all jobs run.
    case $code in
    130) same "$(sort out)" $'b1\nb2\ne1\ne2' ;;
    0) same "$(wc -l < out)" 8 ;;
    *) fail "exit code $code" ;;
    esac
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
    # never more than N at a time
    seq 24 | "$sennit" run -j 3 --shell 'mkdir "run-$1"; ls -d run-* | wc -l; sleep 0.02; rmdir "run-$1"' > out 2> err
    [ "$(sort -n out | tail -n 1)" -le 3 ] || fail "more than three at once"
    exits 0 "$sennit" run --summary true ::: 1 2
    grep -qE '^2 jobs, 0 failed, .* jobs/s; duration p50 .* ms, p99 .* ms$' err || fail "$(cat err)"
}

"case_$2" || fail "the case itself failed"
