# a grid of runs; one that does not fit is a row; stopped, it says how to go on
. "$LB_CLI/lib.sh"
dataset data
recipe r.yaml
set -- r.yaml --set 'export=[onnx]' --set train.epochs=4
limbeck sweep "$@" --over student.width=0.25,0.5,40 --quiet >text || exit
awk 'NR > 1 && /^tiny/ { print $1, $NF == "fit" }' text
grep -c 'the best by validation' text
ls runs/tiny-sweep
grep '^  limbeck distill' text | sed 's/width=0.5/width=0.25/'
limbeck sweep "$@" --over train.optimizer.sgd.lr=0.05,0.1,0.2,0.4 --halving --jobs 2 --out halves --json \
    2>progress >out || exit
grep -c 'of the epochs' progress
grep -o -e '"status": "[a-z ]*"' out | sort | uniq -c | sed 's/^ *//'
limbeck report tiny-sweep
limbeck runs | awk '$3 == "tiny-sweep" { print $3, $4 }'
# SIGTERM stands for Ctrl-C: a background job is deaf to that
limbeck sweep r.yaml --set train.epochs=300 --over train.batch=8,16 --jobs 2 --out long >/dev/null 2>err &
for i in $(seq 300); do ls long/*/run.key >/dev/null 2>&1 && break; sleep 0.02; done
kill -TERM $!
wait $!
echo "exit $?"
grep -o -e 'limbeck sweep .*' err
code limbeck sweep r.yaml
code limbeck sweep r.yaml --over train.batch=16
code limbeck sweep r.yaml --over train.bach=16,32
code limbeck sweep r.yaml --over data.validation=0,16
code limbeck sweep r.yaml --over train.batch=8,16 --set data.validation=0
code limbeck sweep r.yaml --over student.width=40,50 --quiet | sed 's/[0-9]* \(bytes\|more\|allowed\)/N \1/g'
