# A .tflite file where an ONNX file may stand, by its first bytes and not by its name.
. "$LB_CLI/lib.sh"
nets=$LB_SOURCE/tests/tflite/fixtures
cp "$nets/sequence8.tflite" net.tflite
cp "$nets/refused.tflite" .
cp net.tflite misnamed.onnx
limbeck inspect net.tflite | sed '/^memory/,$d'
limbeck run net.tflite --input "$nets/sequence8_in.npy" --output y.npy | grep -v samples
limbeck run misnamed.onnx --input "$nets/sequence8_in.npy" --output z.npy --quiet | grep -v samples
cmp y.npy z.npy && echo same
code limbeck inspect refused.tflite
head -c 700 net.tflite >cut.tflite
code limbeck inspect cut.tflite
# a quantised network goes out as .tflite, and comes back as the same integers
dataset data
recipe tiny.yaml
limbeck distill tiny.yaml --set train.epochs=1 --out tiny --quiet --threads 1 >/dev/null
quantize() {
    limbeck quantize tiny/student.onnx --data npy:data --samples 16 --quiet "$@" | tail -n 1
}
quantize -o net8.tflite
quantize -o net8.onnx --rounding tflite
for kind in onnx tflite; do
    limbeck emit net8.$kind -o $kind --name net --rounding tflite --no-check >/dev/null
    grep -v '"' $kind/vectors.h >$kind.h # but for the names of layers
done
cmp onnx.h tflite.h && echo the same answers, layer by layer
