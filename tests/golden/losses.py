"""losses.py: makes losses_*.npy with PyTorch, in float64, for tests/distill/test_losses.c.

    python3 tests/golden/losses.py

Each row of losses_out.npy is a case: the loss, then its gradient by the student's logits.
The order of cases stands in the test. Labels of -1 take no part; the mean is over the batch.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

B, C = 6, 7
HERE = os.path.dirname(os.path.abspath(__file__))


def cross_entropy(z, labels, smoothing):
    each = F.cross_entropy(z, labels, ignore_index=-1, reduction="none",
                           label_smoothing=smoothing)
    return each.sum() / B


def soften(z, teacher, t):
    return t * t * F.kl_div(F.log_softmax(z / t, 1), F.softmax(teacher / t, 1),
                            reduction="batchmean")


def main():
    torch.manual_seed(0)
    student = 3 * torch.randn(B, C, dtype=torch.float64)
    teacher = 5 * torch.randn(B, C, dtype=torch.float64)
    labels = torch.tensor([3, -1, 0, 6, -1, 2])
    cases = [lambda z: cross_entropy(z, labels, 0.0),
             lambda z: cross_entropy(z, labels, 0.1),
             lambda z: soften(z, teacher, 1.0),
             lambda z: soften(z, teacher, 4.0),
             lambda z: soften(z, teacher, 20.0)]
    rows = []
    for case in cases:
        z = student.clone().requires_grad_(True)
        loss = case(z)
        loss.backward()
        rows.append(np.concatenate([[loss.item()], z.grad.numpy().ravel()]))
    np.save(os.path.join(HERE, "losses_in.npy"), torch.stack([student, teacher]).numpy())
    np.save(os.path.join(HERE, "losses_labels.npy"), labels.numpy().astype(np.int32))
    np.save(os.path.join(HERE, "losses_out.npy"), np.array(rows))


main()
