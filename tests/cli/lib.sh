# lib.sh: what the cases share: `. "$LB_CLI/lib.sh"`.

# The exit code of a command, behind its output.
code() {
    "$@" 2>&1
    echo "exit $?"
}

# npy FILE DESCR SHAPE: the header of a .npy; the data is appended by the caller.
npy() {
    header="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
    printf '\223NUMPY\001\000v\000%-117s\n' "$header" >"$1"
}

# bytes N SEED: N bytes that look random.
bytes() {
    awk -v n="$1" -v s="$2" 'BEGIN {
        for (i = 0; i < n; i++) { s = (s * 1103 + 12345) % 65521; printf "%c", s % 127 + 1 }
    }'
}

# dataset DIR: 8x8 images of two classes that differ in their mean.
dataset() {
    mkdir -p "$1"
    for part in train test; do
        npy "$1/x_$part.npy" '|u1' '128, 1, 8, 8'
        npy "$1/y_$part.npy" '|u1' '128,'
        for i in $(seq 32); do
            head -c 64 /dev/zero | tr '\0' '\020' >>"$1/x_$part.npy"
            head -c 64 /dev/zero | tr '\0' '\300' >>"$1/x_$part.npy"
            bytes 64 "$i" >>"$1/x_$part.npy"
            bytes 64 "$i" | tr '\1-\177' '\200-\376' >>"$1/x_$part.npy"
            printf '\0\1\0\1' >>"$1/y_$part.npy"
        done
    done
}

# recipe FILE: a short run over `data`.
recipe() {
    cat >"$1" <<'END'
name: tiny
data: {source: npy, path: data, validation: 32}
student: {model: ds-cnn, width: 0.25, depth: 1}
device: stm32l4r5
train: {epochs: 2, batch: 16}
END
}
