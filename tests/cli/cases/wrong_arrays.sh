. "$LB_CLI/lib.sh"
model=${LB_SHARED:-$LB_SOURCE/../shared}/data/teachers/mnist-8-cntk.onnx
[ -f "$model" ] || { echo "no $model" >&2; exit 77; }
cp "$model" net.onnx
npy x.npy '<f4' '2, 1, 28, 28'
head -c 6272 /dev/zero >>x.npy
npy bad.npy '<f4' '2, 1, 28, 27'
head -c 6048 /dev/zero >>bad.npy
npy short.npy '<f4' '2, 1, 28, 28'
head -c 100 /dev/zero >>short.npy
code limbeck run net.onnx --input x.npy --output y.npy --json | sed 's/s": [0-9.e-]*/s": T/'
code limbeck run net.onnx --input Input3=x.npy --output Plus214_Output_0=y.npy --quiet | sed 's/in [0-9.]*/in T/'
code limbeck run net.onnx --input bad.npy --output y.npy
code limbeck run net.onnx --input short.npy --output y.npy
code limbeck run net.onnx --input nowhere.npy --output y.npy
code limbeck run net.onnx --input Input4=x.npy --output y.npy
code limbeck run net.onnx --input x.npy --input x.npy --output y.npy
code limbeck run net.onnx --output y.npy
code limbeck run net.onnx --input x.npy
code limbeck run net.onnx --input x.npy --output z=y.npy
code limbeck run net.onnx --input x.npy --output nowhere/y.npy
mkdir folder
code limbeck run net.onnx --input folder --output y.npy
code limbeck run net.onnx --input x.npy --output folder
