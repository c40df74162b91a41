#!/bin/bash
# gdb_test.sh SCRIPT PROGRAM: what gdb shows of a live process and of its core file.
set -u
script=$1 program=$2
command -v gdb > /dev/null || { echo "skipped: gdb is not installed" >&2; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
run() { # OUTPUT ARGUMENT...
    local out=$1
    shift
    timeout 60 gdb -nx -batch -iex 'set debuginfod enabled off' -ex 'set pagination off' -ex 'set confirm off' "$@" > "$out" 2>&1
}
want() { # FILE TEXT
    grep -qE -- "$2" "$1" || { echo "no \"$2\" in $1:"; cat "$1"; exit 1; }
}
looks=(-ex 'info sennit tasks' -ex 'sennit bt all' -ex 'sennit bt 9999999' -ex 'sennit bt' -ex 'info threads' -ex bt)

# Before there is a runtime; then at the breakpoint, and once more after it is over.
run "$dir/live" "$program" -ex "source $script" -ex 'info sennit tasks' -ex 'break all_is_set' -ex run "${looks[@]}" \
    -ex 'delete' -ex continue
if grep -qE 'ptrace: Operation not permitted|Could not trace|Cannot create process' "$dir/live"; then
    echo "skipped: no process may be traced here" >&2
    exit 77
fi
want "$dir/live" 'exited normally'
want "$dir/live" 'no Sennit (runtime runs )?in this process'
files=("$dir/live")
{ (cd "$dir" && ulimit -c unlimited && "$program" dies); } > /dev/null 2>&1
core=$(find "$dir" -name 'core*' -size +0 | head -n 1)
if [ -n "$core" ]; then
    run "$dir/dead" "$program" "$core" -ex "source $script" "${looks[@]}"
    files+=("$dir/dead")
else
    echo "skipped in part: a core file: none is written here (core_pattern: $(cat /proc/sys/kernel/core_pattern))" >&2
fi
for f in "${files[@]}"; do
    want "$f" '^3 tasks, 1 workers$'
    want "$f" '"deep", .*program.c:[0-9]+ outermost: receiving from channel \(0x[0-9a-f]+\)'
    want "$f" '"main", sn_run main: running on worker 0, thread [0-9]+'
    want "$f" 'program.c:[0-9]+ never_runs: has not run yet'
    want "$f" '^#[0-9]+ .* in innermost at .*program.c:[0-9]+'
    want "$f" '^#[0-9]+ .* in middle at .*program.c'
    want "$f" '^#[0-9]+ .* in outermost at .*program.c'
    want "$f" '^#[0-9]+ .* in all_is_set'
    want "$f" '^no task 9999999|no task 9999999$'
    want "$f" 'sennit bt NUMBER'
    # The thread's own frames are what they were: the last command shows them.
    tail -n 12 "$f" | grep -q 'all_is_set' || { echo "the thread's own calls are wrong in $f:"; cat "$f"; exit 1; }
done
