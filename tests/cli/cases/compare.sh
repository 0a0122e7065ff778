# the recipe against its twin; stopped, it says how to go on and ends in the same result
. "$LB_CLI/lib.sh"
dataset data
recipe r.yaml
limbeck distill r.yaml --quiet --set train.epochs=8 --set 'export=[onnx]' >/dev/null || exit
cat >taught.yaml <<'END'
name: taught
data: {source: npy, path: data, validation: 32}
teacher: {onnx: runs/tiny/student.onnx, cache: {views: 2}}
student: {model: ds-cnn, width: 0.25, depth: 1}
train: {epochs: 2, batch: 16}
export: [onnx]
END
limbeck compare taught.yaml --seeds 2 --quiet >text || exit
head -n 1 text
grep -c -e 'interval' text
ls runs/taught-compare
limbeck compare taught.yaml --seeds 2 --json 2>progress >out || exit
cat progress
cmp -s out runs/taught-compare/result.json || tr -d '\n' <out | cmp - runs/taught-compare/result.json
rm runs/taught-compare/report.html
limbeck report taught-compare && ls runs/taught-compare/report.html
limbeck compare taught.yaml --seeds 1 --json --quiet | grep -o -e '"interval": null'
limbeck runs | awk '$3 == "taught-compare" { print $3, $4 }'
# SIGTERM stands for Ctrl-C: a background job is deaf to that
limbeck compare taught.yaml --seeds 2 --set train.epochs=300 --out long >/dev/null 2>err &
for i in $(seq 200); do grep -q 'epoch' err 2>/dev/null && break; sleep 0.02; done
kill -TERM $!
wait $!
echo "exit $?"
grep -o -e 'limbeck compare .*' err
code limbeck compare r.yaml
code limbeck compare taught.yaml --seeds none
code limbeck compare taught.yaml --twin data.fraction=0.5
