# an int8 network as firmware, by both rules of rounding
. "$LB_CLI/lib.sh"
net=${LB_SHARED:-$LB_SOURCE/../shared}/data/mlperf-tiny/kws_ref_model.tflite
[ -f "$net" ] || { echo "no shared data" >&2; exit 77; }
command -v cc >/dev/null || { echo "no compiler" >&2; exit 77; }
for rule in single tflite; do
    limbeck emit "$net" -o $rule --name kws --rounding $rule | grep self-test || exit
    make -s -C $rule trace CC=cc | sed 's/ arena.*//' || exit
done
# one header apart
diff -rq single tflite | grep -v 'vectors\|kws_weights'
grep 'TFLITE' */fw8_rounding.h
code limbeck emit "$net" -o out --rounding double
