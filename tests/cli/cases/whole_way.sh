# distil, then everything that works on a run
. "$LB_CLI/lib.sh"
dataset data
recipe r.yaml
limbeck distill r.yaml --quiet --dry-run >plan || exit
grep -q '2 epochs of 6 steps' plan || cat plan
[ -e runs ] && echo "a dry run left something"
limbeck distill r.yaml --json >out 2>progress || exit
tr '\r' '\n' <progress | grep -c 'epoch 2/2'
[ "$(cat out)" = "$(cat runs/tiny/result.json)" ] || echo "result.json is another"
ls runs/tiny/student.onnx runs/tiny/recipe.yaml runs/tiny/report.html runs/tiny/record.json
limbeck eval runs/tiny/student.onnx --data npy:data --teacher runs/tiny/student.onnx |
    grep -e images -e agreement -e "^kl" -e "^cka.*logits"
limbeck eval runs/tiny/student.onnx --data npy:data --json |
    grep -o '"classes": \[{"name": "0", "images": [0-9]*'
limbeck inspect runs/tiny/student.onnx --device stm32l4r5 | grep -e '^parameters' -e '^fits'
limbeck run runs/tiny/student.onnx --input data/x_test.npy --output y.npy | sed 's/in .*/in T/'
limbeck run runs/tiny/student.onnx --input data/x_test.npy --output z.npy --threads 1 --json |
    grep -c '"shape": \[128, 2\]'
cmp y.npy z.npy
limbeck emit runs/tiny/student.onnx -o fw >emitted || exit
ls fw/student.c fw/student.h
rm runs/tiny/report.html
limbeck report tiny
ls runs/tiny/report.html
limbeck runs | awk 'NR > 1 { print $3, $4 }'
# the resolved recipe runs again, to the same weights
limbeck distill runs/tiny/recipe.yaml --quiet --out again >/dev/null || exit
cmp again/student.onnx runs/tiny/student.onnx && echo same
