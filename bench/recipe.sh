#!/bin/sh
# recipe.sh: a whole recipe, run in full by limbeck and by PyTorch: 20 epochs of
# distillation on the first shard of CIFAR-10, shifted and mirrored, three seeds. limbeck
# asks the teacher once for 4 fixed views of each image, PyTorch asks it live. Prints test
# accuracy and seconds of both. Takes about an hour on two cores; not part of `make bench`.
#
#   bench/recipe.sh [PAIR...]       usual: b c
#
# EPOCHS, TEACHER_EPOCHS, SEEDS, BUILD, DATA (the folder of train-1.tar and test.tar) and
# PYTHON (of the PyTorch that trains; usually Debian's, the faster one here) may be set. The teacher is trained first, by limbeck, on the same shard.
set -eu
cd "$(dirname "$0")/.."
epochs=${EPOCHS:-20} teacher_epochs=${TEACHER_EPOCHS:-15} seeds=${SEEDS:-1 2 3}
limbeck=$PWD/${BUILD:-build}/limbeck data=${DATA:-../shared/data/cifar10}
work=$PWD/.cache/recipe
reader=${LB_PEERS:-.cache/peers}/bin/python python=${PYTHON:-/usr/bin/python3}
peer() {
    MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=4000000000 \
        MALLOC_TOP_PAD_=268435456 PYTHONWARNINGS=ignore "$@"
}
[ -x "$reader" ] || { echo 'recipe.sh: run bench/setup first' >&2; exit 2; }
[ -f "$data/train-1.tar" ] || {
    echo "recipe.sh: no train-1.tar in '$data'; set DATA" >&2
    exit 2
}
mkdir -p "$work"
[ -f "$work/data/y_test.npy" ] ||
    /usr/bin/python3 bench/peer.py pixels "$data/train-1.tar" "$data/test.tar" "$work/data"

# head NAME SEED: what all recipes share
head() {
    cat <<END
name: $1
seed: $2
data:
  source: npy
  path: $work/data
  validation: 0
  augment: [{shift: 4}, {flip: horizontal}]
END
}

# tail EPOCHS BATCH
tail() {
    cat <<END
train:
  epochs: $1
  batch: $2
  optimizer: {sgd: {lr: 0.05, momentum: 0.9, weight_decay: 5e-4}}
  schedule: {cosine: {warmup: 1}}
export: [onnx]
END
}

now() { date +%s.%N; }
since() { echo "$1 $(now)" | awk '{ printf "%.1f", $2 - $1 }'; }
accuracy() {
    "$limbeck" eval "$1" --data "npy:$work/data" --json |
        sed -n 's/.*"accuracy": *\([0-9.]*\).*/\1/p' | sed -n 1p
}

printf '%-4s %-5s %-8s %9s %9s\n' pair seed side accuracy seconds
for pair in ${*:-b c}; do
    teacher=$work/$pair-teacher-$teacher_epochs/student.onnx
    if [ ! -f "$teacher" ]; then
        peer /usr/bin/python3 bench/peer.py network "$pair" teacher 0 "$work/$pair-blank.onnx"
        {
            head "$pair-teacher" 1
            printf 'student: {onnx: %s}\n' "$work/$pair-blank.onnx"
            printf 'distill: [{loss: ce, weight: 1}]\n'
            tail "$teacher_epochs" 64
        } >"$work/$pair-teacher.yaml"
        "$limbeck" distill "$work/$pair-teacher.yaml" --out "${teacher%/*}" --quiet >/dev/null
    fi
    "$reader" bench/peer.py weights "$pair" teacher "$teacher" "$work/$pair-teacher.pt"
    printf '%-4s %-5s %-8s %9s\n' "$pair" - teacher "$(accuracy "$teacher")"
    for seed in $seeds; do
        student=$work/$pair-student-$seed.onnx
        peer /usr/bin/python3 bench/peer.py network "$pair" student "$seed" "$student"
        "$reader" bench/peer.py weights "$pair" student "$student" "${student%.onnx}.pt"
        {
            head "$pair-student" "$seed"
            printf 'teacher: {onnx: %s, cache: {views: 4}}\n' "$teacher"
            printf 'student: {onnx: %s}\n' "$student"
            printf 'distill: [{loss: kd, temperature: 4, weight: 0.9}, {loss: ce, weight: 0.1}]\n'
            tail "$epochs" 64
        } >"$work/$pair-student-$seed.yaml"
        out=$work/$pair-run-$seed
        rm -rf "$out" "$work/.cache" # the cache is part of what is timed
        start=$(now)
        "$limbeck" distill "$work/$pair-student-$seed.yaml" --out "$out" --quiet --threads 2 \
            >/dev/null
        seconds=$(since "$start")
        printf '%-4s %-5s %-8s %9s %9s\n' "$pair" "$seed" limbeck \
            "$(accuracy "$out/student.onnx")" "$seconds"
        set -- $(peer "$python" bench/peer.py recipe "$pair" "$work/$pair-teacher.pt" \
            "${student%.onnx}.pt" "$work/data" --epochs "$epochs" --seed "$seed")
        printf '%-4s %-5s %-8s %9s %9s\n' "$pair" "$seed" pytorch "$1" "$2"
    done
done
