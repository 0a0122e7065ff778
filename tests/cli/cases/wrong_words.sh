. "$LB_CLI/lib.sh"
code limbeck
code limbeck distil x.yaml
code limbeck frobnicate
code limbeck fit x.onnx
code limbeck distill
code limbeck distill a.yaml b.yaml
code limbeck -- distill
