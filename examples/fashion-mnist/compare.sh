#!/bin/sh
# compare.sh [LIMBECK]: the student with its teacher and its twin without, over three seeds. The
# twin's learning rate is the one that serves it best on the validation images.
limbeck=${1:-build/limbeck}
exec "$limbeck" compare "$(dirname "$0")/watch.yaml" --seeds 3 \
    --twin train.optimizer.sgd.lr=0.8 --out runs/compare
