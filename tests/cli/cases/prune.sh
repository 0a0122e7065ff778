# a network with fewer channels: smaller, and it still runs; what is refused, and why
. "$LB_CLI/lib.sh"
dataset data
recipe r.yaml
limbeck distill r.yaml --quiet --set 'student.depth=2' >/dev/null || exit
s=runs/tiny/student.onnx
limbeck prune $s --amount 0.5 -o half.onnx --data npy:data |
    sed -e 's/[0-9.]* to [0-9.]*, without/A to B, without/' -e 's/(.* less)/(P % less)/'
limbeck inspect half.onnx | grep ^parameters
limbeck prune $s --amount 0.3 --of parameters --method bn -o third.onnx --device rp2040 --json |
    grep -o -e '"parameters_before": [0-9]*' -e '"accuracy_after": null' -e '"flash_bytes_after"'
limbeck eval third.onnx --data npy:data | grep images
limbeck emit third.onnx -o fw | grep self-test | sed 's/;.*//'
code limbeck prune $s -o x.onnx
code limbeck prune $s --amount 0.5
code limbeck prune $s --amount 2 -o x.onnx
code limbeck prune $s --amount 0.95 --keep 0.5 -o x.onnx | sed 's/than [0-9.]* %/than P %/'
code limbeck prune $s --amount 0.5 --method taylor -o x.onnx
code limbeck prune $s --amount 0.5 --method unstructured -o x.onnx
code limbeck prune $s --amount 0.5 --method 2:4 -o x.onnx
code limbeck prune $s --amount 0.5 --device stm32l4 -o x.onnx
[ ! -e x.onnx ] || echo "x.onnx was written"
