# A .tflite file where an ONNX file may stand, by its first bytes and not by its name.
. "$LB_CLI/lib.sh"
nets=$LB_SOURCE/tests/tflite/fixtures
cp "$nets/sequence8.tflite" net.tflite
cp "$nets/refused.tflite" .
cp net.tflite misnamed.onnx
limbeck inspect net.tflite --json | tr , '\n' | grep -c DequantizeLinear
limbeck run net.tflite --input "$nets/sequence8_in.npy" --output y.npy | grep -v samples
limbeck run misnamed.onnx --input "$nets/sequence8_in.npy" --output z.npy --quiet | grep -v samples
cmp y.npy z.npy && echo same
code limbeck inspect refused.tflite
head -c 700 net.tflite >cut.tflite
code limbeck inspect cut.tflite
