"""losses.py: makes losses_*.npy with PyTorch, in float64, for tests/distill/test_losses.c.

    python3 tests/golden/losses.py

Each row of losses_out.npy is a case: the loss, then its gradient by the student's logits, for
losses_in.npy and losses_labels.npy; losses_wide_*.npy are the same cases over another shape.
The order of cases stands in the test. Labels of -1 take no part: means are over the samples that do.
The formulas are written down here in another way than in src/distill: dkd masks and sums
probabilities, dist takes its centred rows apart, gradients are PyTorch's.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))


def cross_entropy(z, labels, smoothing):
    each = F.cross_entropy(z, labels, ignore_index=-1, reduction="none",
                           label_smoothing=smoothing)
    return each.sum() / (labels >= 0).sum()


def soften(z, teacher, t):
    return t * t * F.kl_div(F.log_softmax(z / t, 1), F.softmax(teacher / t, 1),
                            reduction="batchmean")


def several(z, teacher, temperatures):
    return torch.stack([soften(z, teacher, t) for t in temperatures]).mean()


def centred(z):
    return z - z.mean(1, keepdim=True)


def standardised(z):
    return centred(z) / (z.std(1, keepdim=True) + 1e-7)


def decoupled(z, teacher, labels, t, target, others):
    total = 0
    for row, said, label in zip(z / t, teacher / t, labels):
        if label < 0:
            continue
        p, q = F.softmax(row, 0), F.softmax(said, 0)
        rest = torch.arange(len(row)) != label
        binary_p = torch.stack([p[label], p[rest].sum()])
        binary_q = torch.stack([q[label], q[rest].sum()])
        rest_p, rest_q = p[rest] / p[rest].sum(), q[rest] / q[rest].sum()
        total = total + target * (binary_q * (binary_q / binary_p).log()).sum()
        total = total + others * (rest_q * (rest_q / rest_p).log()).sum()
    return t * t * total / (labels >= 0).sum()


def correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    lengths = a.norm() * b.norm()
    return (a * b).sum() / (lengths + lengths.mul(1e-3).clamp(max=1e-8))


def relations(z, teacher, t, inter, intra):
    p, q = F.softmax(z / t, 1), F.softmax(teacher / t, 1)
    rows = torch.stack([correlation(a, b) for a, b in zip(p, q)])
    columns = torch.stack([correlation(a, b) for a, b in zip(p.T, q.T)])
    return t * t * (inter * (1 - rows.mean()) + intra * (1 - columns.mean()))


def grams(z, teacher, t, of_batch, of_classes):
    p, q = F.softmax(z / t, 1), F.softmax(teacher / t, 1)
    return (of_batch * (p @ p.T - q @ q.T).pow(2).sum()
            + of_classes * (p.T @ p - q.T @ q).pow(2).sum())


def make(name, batch, classes, labels):
    student = 3 * torch.randn(batch, classes, dtype=torch.float64)
    teacher = 5 * torch.randn(batch, classes, dtype=torch.float64)
    labels = torch.tensor(labels)
    cases = [lambda z: cross_entropy(z, labels, 0.0),
             lambda z: cross_entropy(z, labels, 0.1),
             lambda z: soften(z, teacher, 1.0),
             lambda z: soften(z, teacher, 4.0),
             lambda z: soften(z, teacher, 20.0),
             lambda z: F.mse_loss(z, teacher),
             lambda z: F.mse_loss(centred(z), centred(teacher)),
             lambda z: several(z, teacher, [2, 3, 4, 5, 6]),
             lambda z: several(z, teacher, [1.5, 2.0, 2.5]),
             lambda z: decoupled(z, teacher, labels, 4.0, 1.0, 8.0),
             lambda z: decoupled(z, teacher, labels, 2.0, 0.5, 3.0),
             lambda z: relations(z, teacher, 1.0, 1.0, 1.0),
             lambda z: relations(z, teacher, 4.0, 2.0, 0.5),
             lambda z: soften(standardised(z), standardised(teacher), 2.0),
             lambda z: decoupled(standardised(z), standardised(teacher), labels, 2.0, 9.0,
                                 72.0),
             lambda z: F.mse_loss(standardised(z), standardised(teacher)),
             lambda z: grams(z, teacher, 4.0, 1 / batch, 1 / classes),
             lambda z: grams(z, teacher, 2.0, 3 / batch ** 2, 0.5 / (classes * batch ** 2))]
    rows = []
    for case in cases:
        z = student.clone().requires_grad_(True)
        loss = case(z)
        loss.backward()
        rows.append(np.concatenate([[loss.item()], z.grad.numpy().ravel()]))
    save = lambda what, array: np.save(os.path.join(HERE, f"{name}_{what}.npy"), array)
    save("in", torch.stack([student, teacher]).numpy())
    save("labels", labels.numpy().astype(np.int32))
    save("out", np.array(rows))


def main():
    torch.manual_seed(0)
    make("losses", 6, 7, [3, -1, 0, 6, -1, 2])
    make("losses_wide", 13, 11, [3, 0, 10, 6, -1, 2, 2, 9, -1, 5, 7, 1, 8])


main()
