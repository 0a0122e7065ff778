# networks that others made give the outputs that others computed, with any kernels
teachers=${LB_SHARED:-$LB_SOURCE/../shared}/data/teachers
[ -d "$teachers" ] || { echo "no $teachers" >&2; exit 77; }
for kernels in best reference; do
    for name in cifar10-mlperf-resnet8 cifar10-resnet20 cifar10-resnet56 mnist-8-cntk; do
        limbeck run "$teachers/$name.onnx" --kernels $kernels \
            --input "$teachers/ref/$name.x.npy" --output y.npy --quiet >/dev/null || exit
        for file in y.npy "$teachers/ref/$name.y.npy"; do
            tail -c 320 "$file" | od -An -v -w4 -t f4
        done | awk -v name=$name '
            NR <= 80 { y[NR] = $1; next }
            { d = y[NR - 80] - $1; if (d < 0) d = -d; if (d > worst) worst = d
              if ($1 > scale) scale = $1; if (-$1 > scale) scale = -$1 }
            END { print name, NR, worst <= 1e-4 * scale ? "agrees" : "differs by " worst }'
    done
done
