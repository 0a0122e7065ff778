"""cka.py: centred kernel alignment over batches in numpy, float64.

    python3 tests/golden/cka.py

Writes cka_x.npy, cka_y.npy and cka_out.npy beside this file for the test
tests/train/test_cka.c: two layers of 36 samples, and their alignment in one batch, in
batches of 12 and in batches of 6; then of x with itself turned and scaled. The formula is
that of the paper (Nguyen et al., 2021, equations 3 and 4), term by term; for one batch it
is first held against the mean over all fours of samples that it stands for.
"""
import itertools
import os

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


def hsic(k, l):
    n = k.shape[0]
    k, l = k - np.diag(np.diag(k)), l - np.diag(np.diag(l))
    one = np.ones(n)
    return (np.trace(k @ l) + (one @ k @ one) * (one @ l @ one) / ((n - 1) * (n - 2))
            - 2 / (n - 2) * (one @ k @ l @ one)) / (n * (n - 3))


def cka(x, y, batch):
    sums = np.zeros(3)
    for i in range(0, len(x), batch):
        k, l = x[i:i + batch] @ x[i:i + batch].T, y[i:i + batch] @ y[i:i + batch].T
        sums += hsic(k, l), hsic(k, k), hsic(l, l)
    return sums[0] / np.sqrt(sums[1] * sums[2])


def by_definition(k, l):
    """The U-statistic: the mean over ordered fours of different samples."""
    total = [k[i, j] * (l[i, j] + l[q, r] - 2 * l[i, q])
             for i, j, q, r in itertools.permutations(range(len(k)), 4)]
    return np.mean(total)


rng = np.random.default_rng(7)
z = rng.normal(size=(36, 6))
x = np.maximum(z @ rng.normal(size=(6, 24)) + 0.5 * rng.normal(size=(36, 24)), 0) + 3
y = np.tanh(z @ rng.normal(size=(6, 530)) + rng.normal(size=(36, 530)))
x, y = x.astype(np.float32), y.astype(np.float32)
a, b = x.astype(np.float64), y.astype(np.float64)

few = a[:7] @ a[:7].T, b[:7] @ b[:7].T
assert abs(hsic(*few) - by_definition(*few)) < 1e-9 * abs(hsic(*few)), "not that formula"
turn = np.linalg.qr(rng.normal(size=(24, 24)))[0]
assert abs(cka(a, 0.1 * a @ turn, 12) - 1) < 1e-12

out = np.array([cka(a, b, 36), cka(a, b, 12), cka(a, b, 6)])
np.save(os.path.join(HERE, "cka_x.npy"), x)
np.save(os.path.join(HERE, "cka_y.npy"), y)
np.save(os.path.join(HERE, "cka_turn.npy"), turn)
np.save(os.path.join(HERE, "cka_out.npy"), out)
print(out)
