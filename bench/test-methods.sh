#!/bin/sh
# test-methods.sh BENCH-METHODS: the table of runs that are there, and mistakes in a list.
set -u
program=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# run NAME ACCURACY VALIDATION: leaves the result of a run
run() {
    mkdir -p "runs/$1"
    echo "{\"student\":{\"accuracy\":$2,\"last_accuracy\":$2,\"validation_accuracy\":$3}}" \
        >"runs/$1/result.json"
}
cat >list <<'END'
# the second rate is better on the validation samples
twin-slow | tune twin | train.optimizer.sgd.lr=0.1
twin-fast | tune twin | train.optimizer.sgd.lr=0.2
kd | twin
harm | twin | distill=[]
later | twin
END
run twin-slow-1 0.62 0.5
run twin-fast-1 0.60 0.6
run twin-fast-2 0.61 0.6
run kd-1 0.65 0.6
run kd-2 0.67 0.6
run kd-3 0.99 0.6 # has no twin
run harm-1 0.50 0.6
run harm-2 0.51 0.6
echo 12.5 >runs/kd-1/cpu-seconds
echo 13.5 >runs/kd-2/cpu-seconds
"$program" list recipe --print --out runs >table 2>&1

n=0 failed=0
# holds TEXT FILE
holds() {
    n=$((n + 1))
    if grep -qF -- "$1" "$2"; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        sed 's/^/# /' "$2"
        failed=1
    fi
}
echo 1..6
holds '| `twin-fast` | 2 | 60.50 | | | twin | | |' table
holds '| `kd` | 2 | 66.00 | +5.50 | -0.85 to +11.85 | not to be told | +5.50 | 13 |' table
holds '| `harm` | 2 | 50.50 | -10.00 | -10.00 to -10.00 | hurts | -10.00 | |' table
holds 'twin-fast: 60.00 % of the validation samples, taken' table
echo 'a/b | twin' >list
"$program" list recipe --print --out runs >table 2>&1
holds "list:1: 'a/b' is no name" table
"$program" list >table 2>&1
holds 'usage: bench-methods' table
exit $failed
