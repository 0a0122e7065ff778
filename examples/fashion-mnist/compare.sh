#!/bin/sh
# compare.sh [LIMBECK]: the student with its teacher and its twin without, over three seeds.
# Prints test accuracies; the runs lie in runs/compare/.
limbeck=${1:-build/limbeck}
folder=$(dirname "$0")
for seed in 1 2 3; do
    for recipe in watch twin; do
        out=runs/compare/$recipe-$seed
        "$limbeck" distill "$folder/$recipe.yaml" --set seed=$seed --out "$out" --quiet \
            >/dev/null || exit 1
        printf '%s seed %s: ' $recipe $seed
        # the student's accuracy, the second one where there is a teacher
        grep -o '"student": {"accuracy": [0-9.]*' "$out/result.json" | sed 's/.*: //'
    done
done
