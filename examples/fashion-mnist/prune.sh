#!/bin/sh
# prune.sh [LIMBECK]: a student that is taught, then pruned to half its multiply-adds, over three
# seeds; and the same student pruned and fine-tuned without the teacher. First of all what it knows
# unpruned.
limbeck=${1:-build/limbeck}
here=$(dirname "$0")
for seed in 1 2 3; do
    "$limbeck" distill "$here/prune.yaml" --quiet --resume --set seed=$seed --set compress=none \
        --out runs/prune-compare/unpruned-$seed | grep ^student || exit
done
exec "$limbeck" compare "$here/prune.yaml" --seeds 3 --in-pruning --out runs/prune-compare
