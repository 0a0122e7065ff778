# a network becomes int8, and is a network again
. "$LB_CLI/lib.sh"
dataset data
recipe r.yaml
limbeck distill r.yaml --quiet >/dev/null || exit
net=runs/tiny/student.onnx
limbeck quantize $net --data npy:data -o int8.onnx >out || exit
awk 'NR == 1 { print $1, $2, $3, $4 } NR > 1 && NF == 6 && $3 > 15 { print $1, $2 }' out
grep -o '^accuracy.*float32' out | sed 's/[0-9.]*00* in/X in/'
limbeck quantize $net --data npy:data -o again.onnx --json --threads 1 |
    grep -o -e '"accuracy_fp32"' -e '"accuracy_int8"' -e '"sqnr_db"' | sort | uniq -c | sed 's/^ *//'
cmp int8.onnx again.onnx && echo same
limbeck quantize $net --data npy:data -o other.onnx --ranges minmax --equalise false \
    --correct-bias false --samples 16 --rounding tflite >/dev/null || exit
cmp -s int8.onnx other.onnx || echo another
limbeck quantize $net --data npy:data -o four.onnx --weights 4 --floats | awk 'NF == 7 { print $1, $7 }'
limbeck quantize $net --data npy:data -o mixed.onnx --weights mixed --max-drop 100 >out || exit
awk 'NR == 1 { print $1, $8, $9 } NR > 1 && NF == 8 { print $1, $7, ($8 >= 0) }' out
cmp four.onnx mixed.onnx && echo same
code limbeck quantize $net --data npy:data -o x.onnx --weights mixed --flash 1K | sed 's/[0-9][0-9]* bytes of flash, [0-9]*/N bytes of flash, N/'
code limbeck quantize $net --data npy:data -o x.onnx --weights 5
for how in "" --floats; do
    limbeck quantize $net --data npy:data -o again.onnx --json $how |
        grep -o -e '"accuracy_int8": [^,]*' -e '"integers": [a-z]*' | tr '\n' ' ' |
        awk '{ print $4, ($2 > 0.4 && $2 <= 1) }'
done
limbeck eval int8.onnx --data npy:data --teacher $net | grep -c -e '^agreement 0.9' -e '^agreement 1'
limbeck run int8.onnx --input data/x_test.npy --output y.npy | sed 's/in .*/in T/'
code limbeck quantize int8.onnx --data npy:data -o x.onnx
code limbeck quantize $net --data npy:data
code limbeck quantize $net -o x.onnx
code limbeck quantize $net --data npy:data -o x.onnx --ranges exact
code limbeck quantize $net --data npy:data -o x.onnx --samples 0
code limbeck quantize $net --data npy:data -o nowhere/x.onnx
[ ! -e x.onnx ] || echo "a refusal left x.onnx"
