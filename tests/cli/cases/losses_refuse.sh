# what a loss cannot work on is refused before anything is done, with a way out
. "$LB_CLI/lib.sh"
npy s.npy '<f8' '1, 3'
head -c 24 /dev/zero >>s.npy
npy t.npy '<f8' '1, 3'
printf '\012\003\255\172\352\223\361\077' >>t.npy
head -c 16 /dev/zero >>t.npy
npy two.npy '<f8' '1, 2'
head -c 16 /dev/zero >>two.npy
npy l.npy '<i8' '1,'
head -c 8 /dev/zero >>l.npy
# zeros from (ln 3, 0, 0), label 0: 0.6 ln 1.8 + 0.4 ln 0.6, and nothing between the others
limbeck loss dkd --student s.npy --teacher t.npy --labels l.npy --set temperature=1 | cut -c 1-12
code limbeck loss dkd --student s.npy --teacher t.npy
code limbeck loss dkd --student two.npy --teacher two.npy --labels l.npy
code limbeck loss dist --student two.npy --teacher two.npy
code limbeck loss kd --student two.npy --teacher two.npy --set standardise=true
code limbeck loss kd --student s.npy --teacher t.npy --set standardise=on
code limbeck loss multi-t --student s.npy --teacher t.npy --set highest_temperature=1
code limbeck loss infonce --student s.npy --teacher t.npy --set dimension=2
code limbeck loss ce --student s.npy --labels l.npy --set standardise=true
limbeck losses | grep -A 4 '^dkd'

# a recipe: what its words say at once, what its shapes say before the first step
dataset data
recipe tiny.yaml
limbeck distill tiny.yaml --quiet --set train.epochs=1 --out first >/dev/null
echo 'teacher: {onnx: first/student.onnx}' >>tiny.yaml
code limbeck distill tiny.yaml --quiet --set 'distill=[{loss: dist}]' --set train.batch=4
code limbeck distill tiny.yaml --quiet --set 'distill=[{loss: dkd}]' --out second
code limbeck distill tiny.yaml --quiet --set 'distill=[{loss: kd, standardise: true}]' --out second
ls
