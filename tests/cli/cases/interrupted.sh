# SIGINT writes a checkpoint and says how to go on; the resumed run ends in the same bits
. "$LB_CLI/lib.sh"
dataset data
recipe r.yaml
limbeck distill r.yaml --quiet --set train.epochs=400 --out a >/dev/null || exit
# a shell without job control starts background jobs deaf to SIGINT: SIGTERM does the same
limbeck distill r.yaml --set train.epochs=400 --out b >/dev/null 2>err &
for i in $(seq 200); do grep -q 'epoch' err 2>/dev/null && break; sleep 0.02; done
kill -TERM $!
wait $!
echo "exit $?"
grep -o -e 'limbeck distill .*' err
limbeck distill r.yaml --quiet --set train.epochs=400 --out b --resume >/dev/null || exit
cmp a/student.onnx b/student.onnx && echo same
