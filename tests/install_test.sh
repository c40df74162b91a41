#!/bin/bash
# install_test.sh BUILD CMAKE CC CXX TOOLCHAIN EMULATOR...: installs, moves the tree elsewhere, and builds and runs programs
# against it there, in C and in C++, shared and static, by pkg-config, by find_package and by dlopen.
set -u
build=$1 cmake=$2 cc=$3 cxx=$4 toolchain=$5
shift 5
emulator=("$@")
sources=$(cd "$(dirname "$0")/install" && pwd)
command -v pkg-config > /dev/null || { echo "skipped: no pkg-config here" >&2; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

must() { # must COMMAND...
    "$@" > log 2>&1 || { echo "failed: $*"; cat log; exit 1; }
}
hello() { # hello PROGRAM [ARGUMENT]: says so
    local out
    out=$("${emulator[@]}" "$@" 2>&1) && [ "$out" = hello ] || { echo "$*: $out"; exit 1; }
}

DESTDIR=$dir/stage must "$cmake" --install "$build" --prefix /some/where
must mv stage/some/where moved
if grep -rlE "$dir|/some/where|$build" moved --include='*.pc' --include='*.cmake'; then
    echo "these name a place that may be moved"
    exit 1
fi
must test -x moved/bin/sennit
must test -r moved/share/sennit/sennit-gdb.py

libraries=$(dirname "$(find moved -name libsennit.so)")
export PKG_CONFIG_PATH=$dir/$libraries/pkgconfig
must cp "$sources"/* .
must cp hello.c hello.cc
static=(-static)
[ -e "$("$cc" -print-file-name=libc.a)" ] || static=(-L"$libraries" -Wl,--as-needed -l:libsennit.a)
# shellcheck disable=SC2046
{
    must "$cc" -o shared-c hello.c $(pkg-config --cflags --libs sennit)
    must "$cxx" -o shared-cc hello.cc $(pkg-config --cflags --libs sennit)
    must "$cc" -o static-c hello.c "${static[@]}" $(pkg-config --static --cflags --libs sennit)
    must "$cxx" -o static-cc hello.cc "${static[@]}" $(pkg-config --static --cflags --libs sennit)
}
export LD_LIBRARY_PATH=$dir/$libraries
hello ./shared-c
hello ./shared-cc
must "$cc" -o dlopen dlopen.c -pthread -ldl
hello ./dlopen libsennit.so.0
unset LD_LIBRARY_PATH
hello ./static-c
hello ./static-cc

must "$cmake" -S . -B built -Dsennit_DIR="$dir/$libraries/cmake/sennit" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_TOOLCHAIN_FILE="$toolchain"
must "$cmake" --build built --parallel 2
for program in c_sennit c_static cc_sennit cc_static; do
    hello "built/$program"
done
