# a network with fewer channels or blocks: smaller, and it still runs; what is refused, and why
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
# whole residual blocks; by the gradient of a loss, under a teacher
cat >res.yaml <<'END'
name: res
seed: 3
data: {source: npy, path: data, validation: 20}
student: {model: resnet, width: 0.25, depth: 2}
train: {epochs: 1, batch: 16}
export: [onnx]
END
limbeck distill res.yaml --quiet >/dev/null || exit
r=runs/res/student.onnx
limbeck prune $r --amount 0.3 --what blocks --method bn -o blocks.onnx --data npy:data |
    sed -e 's/[0-9.]* to [0-9.]*, without/A to B, without/' -e '/gone/s/:.*/: .../' \
        -e '/^macs/s/ to .*/ to M/' -e '/^parameters/s/ to .*/ to N/' -e '/^block[0-9]/s/[0-9]*$/C/'
limbeck inspect blocks.onnx | grep -c Identity
limbeck emit blocks.onnx -o fwb | grep self-test | sed 's/;.*//'
limbeck prune $r --amount 0.4 --method taylor --data npy:data --samples 40 --what both -o t.onnx \
    --teacher $r --json | grep -o -e '"samples": [0-9]*' -e '"gone": [a-z]*' | sed 's/: [ft].*/: B/' | sort | uniq -c | sed 's/^ *//'
limbeck prune $r --amount 0.4 --method taylor --data npy:data -o t.onnx | grep judged
limbeck emit t.onnx -o fwt | grep self-test | sed 's/;.*//'
code limbeck prune $s --amount 0.3 --what blocks -o x.onnx
code limbeck prune $r --amount 0.98 --what blocks -o x.onnx | sed 's/than [0-9.]* %/than P %/'
code limbeck prune $r --amount 0.3 --teacher $r -o x.onnx
code limbeck prune $r --amount 0.3 --method taylor --samples 0 --data npy:data -o x.onnx
[ ! -e x.onnx ] || echo "x.onnx was written"
