# firmware on an emulated board: two proofs count the same, and a broken vector shows
for tool in arm-none-eabi-gcc qemu-system-arm; do
    command -v $tool >/dev/null || { echo "there is no $tool" >&2; exit 77; }
done
. "$LB_CLI/lib.sh"
limbeck emit "$LB_SOURCE/tests/onnx/fixtures/norm8.onnx" -o fw --name net >/dev/null || exit
limbeck prove fw --on qemu:cortex-m4 --quiet --json >a || exit
limbeck prove fw --on qemu:cortex-m4 --json >b 2>progress || exit
cmp a b && echo 'twice the same'
cat progress
grep -o '"mismatches": [0-9]*' a
limbeck prove fw --on host --on qemu:cortex-m3 --quiet >text || exit
grep -o -e '^fw on [a-z0-9:-]*' -e '^  driver' text
limbeck prove fw --on host --on qemu:cortex-m3 --quiet --json | grep -o '"on": "[^"]*"'
# a package with its sources in src/ and its test elsewhere
limbeck emit "$LB_SOURCE/tests/onnx/fixtures/norm8.onnx" -o packed --name net --package arduino --no-check >/dev/null || exit
limbeck prove packed --on host --on qemu:cortex-m4 --quiet | grep -o -e '^self-test  *[0-9]* outputs agree'
# the first output of the first vector
sed '/test_out/{n;n;s/^[^,]*,/9.0f,/}' fw/vectors.h >v && mv v fw/vectors.h
limbeck prove fw --on qemu:cortex-m4 --quiet >text 2>&1
echo "exit $?"
grep -o -e "self-test  *1 of [0-9]* outputs differ" -e "^limbeck: .*" text
# a run keeps its proofs, the newest of each target
dataset data
recipe r.yaml
limbeck distill r.yaml --quiet >/dev/null || exit
limbeck prove tiny --on qemu:cortex-m4 --quiet >/dev/null || exit
limbeck prove runs/tiny/ --on host --on qemu:cortex-m4 --quiet >/dev/null || exit
for file in result.json record.json; do
    grep -o -e '"device_proof": {"qemu:cortex-m4": {"on": "qemu:cortex-m4"' \
        -e '"host": {"on"' runs/tiny/$file
done
grep -c '"instructions_by_layer"' runs/tiny/report.html
[ "$(limbeck distill r.yaml --resume --quiet --json)" = "$(cat runs/tiny/result.json)" ] && echo kept
# samples of the data set are the vectors
limbeck emit runs/tiny/student.onnx -o many --vectors 40 --data npy:data --quiet | grep -o '[0-9]* outputs'
limbeck prove many --on qemu:cortex-m4 --quiet | grep -o -e '[0-9]* outputs agree' -e 'of 40 the one'
limbeck emit runs/tiny/student.onnx -o many --vectors 400 --data npy:data --no-check >/dev/null
grep N_VECTORS many/vectors.h | head -n 1
code limbeck emit runs/tiny/student.onnx -o many --vectors 0
code limbeck emit "$LB_SOURCE/tests/onnx/fixtures/norm8.onnx" -o many --data npy:data
