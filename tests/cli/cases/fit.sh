. "$LB_CLI/lib.sh"
dataset data
recipe r.yaml
# estimates change with the kernels: what is chosen of what, and the words
short() { sed 's/^\(.\) *\([0-9]*\)  \([0-9x]*\) .* ms\(.*\)$/\1 depth \2, \3\4/; s/: [0-9.]*$/: N/'; }
numbers() { sed '/^exit/!s/[0-9][0-9.]*/N/g'; }
code limbeck fit r.yaml --quiet --depth 1,2 --flash 20K | short
code limbeck fit ds-cnn --input 1x28x28,1x20x20 --classes 10 --int8 --device rp2040 --depth 2 --latency 25ms | short
code limbeck fit r.yaml --quiet --device stm32g0b1 --width 0.25 | short
code limbeck fit resnet --data npy:data --device nrf52840 --depth 1 --sram 1K | numbers
limbeck fit ds-cnn --data npy:data --device stm32l4r5 --depth 1,2 --json | grep -o '"[a-z_]*":' | sort | uniq -c
limbeck fit ds-cnn --data npy:data --device stm32l4r5 --depth 2 --sram 100 --json 2>&1 | grep -o '"fits": [a-z]*'
code limbeck fit nosuch --device stm32l4r5
code limbeck fit ds-cnn --device stm32l4r5
code limbeck fit ds-cnn --input 1x28 --classes 10 --device stm32l4r5
code limbeck fit ds-cnn --input 1x28x28 --classes 10
code limbeck fit ds-cnn --input 1x28x28 --classes 10 --device stm32l4r6
code limbeck fit r.yaml --depth 2,zero
code limbeck fit r.yaml --int8
