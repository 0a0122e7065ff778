# where the time goes: figures differ, so keys and forms are looked at
. "$LB_CLI/lib.sh"
dataset data
recipe r.yaml
limbeck distill r.yaml --quiet >/dev/null || exit
model=runs/tiny/student.onnx
keys() {
    tr ',{' '\n\n' <"$1" | sed -n 's/^ *"\([a-z_]*\)":.*/\1/p' | sort | uniq | paste -sd ' '
}
limbeck bench $model --json --seconds 0.05 >network || exit
keys network
limbeck bench r.yaml --json --quiet --seconds 0.05 >step || exit
keys step
grep -o '"teacher": [a-z"]*' network step
grep -o '"idle_share": [a-z]*' network
grep -q 'ConvGradWeight' network && echo "inference has gradients"
grep -o -m 1 '"op": "ConvGradWeight"' step | head -n 1
# stages, one of them taught by the student before
cat r.yaml - >stages.yaml <<'END'
stages:
  - {name: small, train: {batch: 8}}
  - {name: again, teacher: previous, distill: [{loss: kd}, {loss: hint, teacher: block1, student: block1}]}
END
limbeck bench stages.yaml --json --quiet --seconds 0.05 >last || exit
limbeck bench stages.yaml --stage small --json --quiet --seconds 0.05 >first || exit
grep -o -e '"stage": [a-z"]*, "teacher": [a-z"]*, "batch": [0-9]*' step last first
grep -o -m 1 '"part": "teacher"' last | head -n 1
grep -o -m 1 '"part": "teacher"' first
# shares add up to one
sed 's/"share"/\n"share"/g' step | sed -n 's/^"share": \([0-9.e-]*\).*/\1/p' |
    awk '{ s += $1 } END { print (s > 0.999 && s < 1.001 ? "adds up" : s) }'
limbeck bench $model --seconds 0.05 --batch 8 --by time --html page.html >table || exit
grep -o -e '^layer' -e 'for 8 images' table
grep -c '"profile": {' page.html
code limbeck bench $model --seconds 0.05 --kernels reference --json |
    grep -o -m 1 '"kernel": "reference FusedConv"' | head -n 1
# wrong words
code limbeck bench
code limbeck bench $model --batch 0
code limbeck bench $model --batch many
code limbeck bench $model --by name
code limbeck bench $model --seconds 0
code limbeck bench $model --set train.batch=2
code limbeck bench $model --stage small
code limbeck bench r.yaml --quiet --stage small
code limbeck bench stages.yaml --quiet --stage smal
code limbeck bench stages.yaml --quiet --seconds 0.05 --stage small --batch 32
code limbeck bench nowhere.yaml
code limbeck bench r.yaml --quiet --batch 1000
code limbeck bench r.yaml --quiet --set train.precision=float64
code limbeck bench r.yaml --quiet --set train.bach=2
code limbeck bench $model --seconds 0.05 --html nowhere/page.html
ls
