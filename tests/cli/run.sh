#!/bin/sh
# run.sh LIMBECK [--bless] [--but] [NAME]...: the transcripts of the command line, as TAP:
# all, those that are named, or --but those.
#
# cases/NAME.sh runs in an empty folder with `limbeck` on the PATH. Its output must be
# NAME.sh.stdout, its errors NAME.sh.stderr, each empty if the file is missing; its exit
# code the number in NAME.sh.exit, or 0. Exit code 77 skips, saying why. --bless writes
# what came out into these files; the difference wants reading before it is committed.
set -u
limbeck=$(realpath "$1") || exit 1
shift
here=$(dirname "$(realpath "$0")")
bless=false
if [ "${1-}" = --bless ]; then
    bless=true
    shift
fi
but=false
if [ "${1-}" = --but ]; then
    but=true
    shift
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" && ln -s "$limbeck" "$work/bin/limbeck"
PATH=$work/bin:$PATH
LB_SOURCE=${LB_SOURCE:-$(dirname "$(dirname "$here")")}
LB_CLI=$here
TERM=dumb LC_ALL=C
export PATH LB_SOURCE LB_CLI TERM LC_ALL

# matches FILE KIND: FILE holds what NAME.sh.KIND promises
matches() {
    expected=$case.$2
    [ -f "$expected" ] || expected=/dev/null
    diff "$expected" "$1" | sed 's/^/# /' >"$work/diff"
    cat "$work/diff"
    [ ! -s "$work/diff" ]
}

write() { # write FILE TARGET: blesses
    if [ -s "$1" ]; then cp "$1" "$2"; else rm -f "$2"; fi
}

n=0
failed=0
for case in "$here"/cases/*.sh; do
    name=$(basename "$case" .sh)
    if [ $# -gt 0 ]; then
        case " $* " in *" $name "*) named=true ;; *) named=false ;; esac
        [ $named = $but ] && continue
    fi
    n=$((n + 1))
    mkdir "$work/$name"
    (cd "$work/$name" && exec sh "$case") >"$work/out" 2>"$work/err" </dev/null
    code=$?
    if [ $code = 77 ]; then
        echo "ok $n - $name # SKIP $(tail -n 1 "$work/err")"
        continue
    fi
    if $bless; then
        write "$work/out" "$case.stdout"
        write "$work/err" "$case.stderr"
        if [ $code = 0 ]; then rm -f "$case.exit"; else echo $code >"$case.exit"; fi
    fi
    good=true
    matches "$work/out" stdout || good=false
    matches "$work/err" stderr || good=false
    wanted=$(cat "$case.exit" 2>/dev/null || echo 0)
    if [ "$code" != "$wanted" ]; then
        echo "# exit code $code, not $wanted"
        good=false
    fi
    if $good; then echo "ok $n - $name"; else
        echo "not ok $n - $name"
        failed=1
    fi
done
echo "1..$n"
exit $failed
