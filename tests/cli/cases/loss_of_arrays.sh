# one sample, two classes: kd at temperature 1 of (0, 0) from (ln 3, 0) is
# 0.75 ln 1.5 + 0.25 ln 0.5
. "$LB_CLI/lib.sh"
npy s.npy '<f8' '1, 2'
head -c 16 /dev/zero >>s.npy
npy t.npy '<f8' '1, 2'
printf '\012\003\255\172\352\223\361\077\0\0\0\0\0\0\0\0' >>t.npy
npy l.npy '<i8' '1,'
head -c 8 /dev/zero >>l.npy
limbeck loss kd --student s.npy --teacher t.npy --set temperature=1 | cut -c 1-12
limbeck loss ce --student s.npy --labels l.npy --json | cut -c 1-18
limbeck loss ce --student s.npy --labels l.npy --grad g.npy | cut -c 1-12
tail -c 16 g.npy | od -An -t f8 | sed 's/^ *//; s/  */ /g'
code limbeck loss ce --student s.npy
code limbeck loss kd --student s.npy
code limbeck loss kd --student s.npy --teacher t.npy --set temprature=1
code limbeck loss kd --student s.npy --teacher t.npy --set temperature=0
code limbeck loss kdd --student s.npy
code limbeck loss ce --student l.npy --labels l.npy
code limbeck loss mse-logits --student s.npy --teacher t.npy --set centre=true | cut -c 1-12
code limbeck loss mse-logits --student s.npy --teacher t.npy --set centre=yes
