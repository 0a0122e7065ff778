. "$LB_CLI/lib.sh"
dataset data
recipe r.yaml
code limbeck distill r.yaml --quiet --set device.flash=1K
code limbeck distill r.yaml --quiet --set device.sram=100 --set student.width=fit
