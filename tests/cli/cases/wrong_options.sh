. "$LB_CLI/lib.sh"
code limbeck --jsn
code limbeck --frobnicate
code limbeck distill r.yaml --sett x=1
code limbeck distill r.yaml --set
code limbeck distill r.yaml --dry-run=yes
code limbeck distill r.yaml -x
code limbeck distill r.yaml --out a --out b
code limbeck runs --threads 0
code limbeck runs --threads many
code limbeck runs --kernels onedn
code limbeck runs --conv winograd
code limbeck emit x.onnx
code limbeck emit x.onnx -o d --package zefyr
code limbeck emit x.onnx -o d --name 2x
code limbeck eval x.onnx
code limbeck prove x
code limbeck prove x --on qemu:cortex-m9
code limbeck prove x --on cortexm4
code limbeck prove x --on qemu:cortex-m4
