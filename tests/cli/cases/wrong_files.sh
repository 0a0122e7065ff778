. "$LB_CLI/lib.sh"
mkdir folder
: >empty
head -c 300 /dev/zero >zeros
for file in nowhere folder empty zeros; do
    code limbeck distill $file
    code limbeck inspect $file
    code limbeck run $file --input x.npy --output y.npy
    code limbeck emit $file -o out
    code limbeck eval $file --data npy:$file
    code limbeck bench $file
done
code limbeck report nowhere
code limbeck runs nowhere
code limbeck runs zeros
ls
