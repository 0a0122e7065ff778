#!/bin/sh
# kill_resume.sh LIMBECK: kills runs with SIGKILL at ten random moments; resumed, they must end
# in the same bytes as the runs that nobody killed. One learns from cached answers, the other
# from layers, with adapters, of a live teacher. Prints TAP.
limbeck=$(realpath "$1") # the folder changes below
data=${LB_FASHION:-/usr/share/datasets/fashion-mnist}
if [ ! -d "$data" ]; then
    echo "1..1"
    echo "ok 1 - kill and resume # SKIP no dataset-fashion-mnist"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cat > teacher.yaml <<EOF
name: kill-teacher
data: {source: idx, path: $data, fraction: 0.1, validation: 200}
student: {model: ds-cnn, width: 0.25}
distill: [{loss: ce}]
train: {epochs: 3, batch: 64}
export: [onnx]
EOF
cat > kill.yaml <<EOF
name: kill
data: {source: idx, path: $data, fraction: 0.05, validation: 200, augment: [{shift: 2}]}
teacher: {onnx: runs/kill-teacher/student.onnx, cache: {views: 2}}
student: {model: ds-cnn, width: 0.25}
distill: [{loss: kd, temperature: 4, weight: 0.9}, {loss: ce, weight: 0.1}]
train: {epochs: 6, batch: 64}
export: [onnx]
EOF
cat > layers.yaml <<EOF
name: layers
data: {source: idx, path: $data, fraction: 0.05, validation: 200, augment: [{shift: 2}]}
teacher: {onnx: runs/kill-teacher/student.onnx, cache: {views: 2}}
student: {model: ds-cnn, width: 0.125}
distill:
  - {loss: hint, teacher: [stem, block4], student: [stem, block4]}
  - {loss: ce, weight: 0.1}
train: {epochs: 4, batch: 64}
export: [onnx]
EOF
# a near-chance teacher would be refused: this one has seen enough to pass
"$limbeck" distill teacher.yaml --quiet > /dev/null || { echo "Bail out! no teacher"; exit 1; }
for name in kill layers; do
    begin=$(date +%s%N)
    "$limbeck" distill $name.yaml --quiet --out whole-$name > /dev/null ||
        { echo "Bail out! no run"; exit 1; }
    echo $((($(date +%s%N) - begin) / 1000000)) > took-$name
    echo "# the whole run '$name' took $(cat took-$name) ms"
done
echo "1..10"
seed=$(date +%N | sed 's/^0*//')
i=1
while [ $i -le 10 ]; do
    [ $((i % 2)) = 1 ] && name=kill || name=layers
    took=$(cat took-$name)
    want=$(sha256sum < whole-$name/student.onnx)
    seed=$(((${seed:-1} * 1103515245 + 12345) % 2147483648))
    wait_ms=$((seed / 7 % (took + 1)))
    rm -rf cut
    rm -rf .cache runs/.cache
    "$limbeck" distill $name.yaml --quiet --out cut > /dev/null 2>&1 &
    pid=$!
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    kill -9 $pid 2> /dev/null
    wait $pid 2> /dev/null
    if [ -f cut/student.onnx ] && [ -f cut/result.json ]; then
        note="it had ended"
    else
        note="resumed"
        "$limbeck" distill $name.yaml --quiet --out cut --resume > /dev/null 2> log ||
            sed 's/^/# /' log
    fi
    have=$(sha256sum < cut/student.onnx)
    if [ "$have" = "$want" ]; then
        echo "ok $i - $name, killed after $wait_ms ms, $note"
    else
        echo "not ok $i - $name, killed after $wait_ms ms, $note"
    fi
    i=$((i + 1))
done
