# the examples, one for each kind of teaching, for a few steps on the first images of
# Fashion-MNIST; one is stopped in its second stage and resumed
. "$LB_CLI/lib.sh"
from=/usr/share/datasets/fashion-mnist
[ -e "$from/train-images-idx3-ubyte.gz" ] || { echo "no Fashion-MNIST" >&2; exit 77; }
# part NAME N: the first N images and labels; 400 and 800 are 01 90 and 03 20
part() {
    zcat "$from/$1-images-idx3-ubyte.gz" 2>/dev/null | head -c $((16 + $2 * 784)) >i
    { head -c 6 i && printf "$3" && tail -c +9 i; } >"data/$1-images-idx3-ubyte"
    zcat "$from/$1-labels-idx1-ubyte.gz" 2>/dev/null | head -c $((8 + $2)) >i
    { head -c 6 i && printf "$3" && tail -c +9 i; } >"data/$1-labels-idx1-ubyte"
}
mkdir data
part train 800 '\003\040'
part t10k 400 '\001\220'
cp "$LB_SOURCE/examples/fashion-mnist/teacher.onnx" .
for name in hints born-again layer-wise assistant assistant-middle peers ensemble second review prune \
    same-classifier few-labels no-labels unlabelled hidden-class; do
    sed -e 's,path: .*,path: data,' -e 's/fraction: .*/fraction: 1/' \
        -e 's/validation: .*/validation: 160/' -e 's/epochs: [0-9]*/epochs: 1/' \
        "$LB_SOURCE/examples/fashion-mnist/$name.yaml" >"$name.yaml"
done
# who teaches has to know more than chance
sed -i 's/epochs: 1/epochs: 12/' assistant-middle.yaml second.yaml
for name in hints born-again layer-wise; do
    limbeck distill $name.yaml --quiet >/dev/null || exit
    grep -o '"stages": [^]]*' "runs/fashion-$name/result.json" |
        sed -e 's/[^{]*//' -e 's/{"name": "\([^"]*\)", "epochs": \([0-9]*\)}/\1 \2/g' -e "s/^/$name: /"
done
limbeck distill assistant.yaml --quiet >/dev/null || exit
limbeck runs | awk '$3 == "fashion-assistant-middle" { print "assistant: " $4 " by " $3 }'
limbeck distill peers.yaml --quiet | grep -c '^student'
# what was trained beside the student stays behind
limbeck distill review.yaml --quiet | grep -c '^student'
grep -q reviewkd runs/fashion-review/student.onnx || echo 'review: the student alone'
# about half the multiply-adds go
limbeck distill prune.yaml --quiet | grep -o '^pruned\|compiled'
grep -o '"macs_before": [0-9]*, "macs_after": [0-9]*' runs/fashion-prune/result.json |
    awk '{ print ($4 <= 0.5 * $2 && $4 > 0.4 * $2) ? "half" : $0 }' FS='[ ,]+'
# what the student ends in goes with it
limbeck distill same-classifier.yaml --quiet | grep -o ', 11562 parameters\|compiled'
limbeck distill ensemble.yaml --quiet | grep -e '^teacher' | sed 's/[0-9.]* %/A %/g'
# of 640 images; where the data's own folder is asked for more, some must be left
sed -i '0,/fraction: 1/s//fraction: 0.25/' unlabelled.yaml
for name in few-labels no-labels unlabelled hidden-class; do
    limbeck distill $name.yaml --quiet >/dev/null || exit
    grep -o '"train": [0-9]*, "labelled": [0-9]*, "unlabelled": [0-9]*' \
        "runs/fashion-$name/result.json" | sed "s/^/$name: /"
done
grep -o '"name": "bag", "test": [0-9]*, "labelled": [0-9]*' runs/fashion-hidden-class/result.json
# SIGTERM stands for Ctrl-C; longer, so that it comes in the middle of the second stage
set -- hints.yaml --set stages.1.train.epochs=20 --set stages.0.train.epochs=1
limbeck distill "$@" --quiet --out whole >/dev/null || exit
limbeck distill "$@" --out broken >/dev/null 2>err &
for i in $(seq 600); do grep -q 'answers (2/2)' err 2>/dev/null && break; sleep 0.02; done
kill -TERM $!
wait $! || echo "stopped in $(grep -o 'answers (2/2)' err | head -1)"
limbeck distill "$@" --quiet --out broken --resume >/dev/null || exit
cmp whole/student.onnx broken/student.onnx && echo same
