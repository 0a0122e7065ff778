. "$LB_CLI/lib.sh"
dataset data
recipe r.yaml
numbers() { sed '/^exit/!s/[0-9][0-9.]*/N/g'; }
code limbeck distill r.yaml --quiet --set device.flash=1K | numbers
code limbeck distill r.yaml --quiet --set device.sram=100 --set student.width=fit | numbers
code limbeck distill r.yaml --quiet --set device.flash=16K --set student.depth=5 --set student.width=0.5 | numbers
code limbeck distill r.yaml --quiet --set device.flash=9K --set student.depth=fit --dry-run | grep -e width -e exit
code limbeck distill r.yaml --quiet --set device.sram=100 --set student.depth=fit --set student.width=fit | numbers
code limbeck distill r.yaml --quiet --set student.depth=deep
code limbeck inspect "$LB_SOURCE/tests/onnx/fixtures/norm8.onnx" --device stm32l4r5 --flash 1K | grep -e ^fits -e ^limbeck -e ^exit | numbers
