"""helper_losses.py: the losses that train layers of their own, in PyTorch, float64.

    python3 tests/golden/helper_losses.py

Writes helper_in.npy and helper_out.npy beside this file for the test
tests/distill/test_helper_losses.c: of each case the value, then the gradients by the
student's layers and by the parameters, in the order in which the loss asks for them. Both
sides fill a parameter by a formula of its name and of the element's number.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

from feature_losses import cc, flat, hcl, infonce, unit

HERE = os.path.dirname(os.path.abspath(__file__))


class Helpers:
    """The parameters of one loss, made when they are first asked for."""

    def __init__(self, scope):
        self.scope, self.made = scope, []

    def get(self, name, *shape):
        full = f"{self.scope}/{name}"
        i = np.arange(int(np.prod(shape)), dtype=np.float64)
        x = 0.4 * np.sin(0.37 * (sum(map(ord, full)) % 97) + 0.71 * i)
        if name.endswith("scale"):
            x = x + 1
        p = torch.from_numpy(x.reshape(shape)).requires_grad_(True)
        self.made.append(p)
        return p

    def conv(self, x, name, channels, kernel, bias=True):
        w = self.get(name + "/weight", channels, x.shape[1], kernel, kernel)
        b = self.get(name + "/bias", channels) if bias else None
        return F.conv2d(x, w, b, padding=kernel // 2)

    def deconv(self, x, name, channels):
        w = self.get(name + "/weight", x.shape[1], channels, 3, 3)
        return F.conv_transpose2d(x, w, self.get(name + "/bias", channels), padding=1)

    def dense(self, x, name, channels, fixed=False):
        w = self.get(name + "/weight", channels, x.shape[1])
        if fixed:
            self.made.pop()
            return x @ w.detach().T
        return x @ w.T + self.get(name + "/bias", channels)

    def norm(self, x, name):
        scale = self.get(name + "/scale", x.shape[1])
        bias = self.get(name + "/bias", x.shape[1])
        return F.batch_norm(x, None, None, scale, bias, training=True)


def gates(h, x, y, name):
    """Two channels of a convolution of both maps, as published; its weight comes in two
    pieces for each channel."""
    weights, biases = [], []
    for of in ("own", "deeper"):
        part = f"{name}/attention_{of}"
        own = h.get(part + "/own/weight", 1, x.shape[1], 1, 1)
        biases.append(h.get(part + "/own/bias", 1))
        weights.append(torch.cat([own, h.get(part + "/deeper/weight", 1, x.shape[1], 1, 1)], 1))
    z = F.conv2d(torch.cat([x, y], 1), torch.cat(weights), torch.cat(biases))
    return torch.sigmoid(z)


def reviewkd(h, students, teachers, mid):
    deeper, loss = None, 0
    for i in range(len(students), 0, -1):
        s, t = students[i - 1], teachers[i - 1]
        s, t = (v if v.ndim > 2 else v[:, :, None, None] for v in (s, t))
        x = h.norm(h.conv(s, f"block{i}/in", mid, 1, bias=False), f"block{i}/in_norm")
        if deeper is not None:
            y = F.interpolate(deeper, x.shape[2:], mode="nearest")
            a = gates(h, x, y, f"block{i}")
            x = x * a[:, :1] + y * a[:, 1:]
        deeper = F.interpolate(x, t.shape[2:], mode="nearest")
        out = h.norm(h.conv(deeper, f"block{i}/out", t.shape[1], 3, bias=False),
                     f"block{i}/out_norm")
        loss = loss + hcl(out, t)
    return loss


def smaller(s, t):
    """The larger plane averaged down to the smaller, axis by axis."""
    size = [min(a, b) for a, b in zip(s.shape[2:], t.shape[2:])]
    return F.adaptive_avg_pool2d(s, size), F.adaptive_avg_pool2d(t, size)


def factors(h, s, t, rate, transfer, reconstruction):
    s, t = smaller(s, t)
    channels, k = t.shape[1], round(rate * t.shape[1])
    of_teacher, of_student = "pair1/paraphraser/", "pair1/translator/"
    u = t
    for part, n in (("in", channels), ("mid", k), ("out", k)):
        u = F.leaky_relu(h.conv(u, of_teacher + part, n, 3), 0.1)
    back = u
    for part, n in (("back_in", k), ("back_mid", channels), ("back_out", channels)):
        back = F.leaky_relu(h.deconv(back, of_teacher + part, n), 0.1)
    v = s
    for part, n in (("in", s.shape[1]), ("mid", k), ("out", k)):
        v = h.norm(h.conv(v, of_student + part, n, 3, bias=False), of_student + part + "_norm")
        v = F.leaky_relu(v, 0.1)
    gap = (unit(flat(v)) - unit(flat(u.detach()))).abs().mean()
    return transfer * gap + reconstruction * F.mse_loss(back, t)


def embedded(h, s, t, n, fixed):
    return h.dense(flat(s), "pair1/student", n), h.dense(flat(t), "pair1/teacher", n, fixed)


STUDENT = [(9, 3, 6, 4), (9, 4, 3, 2), (9, 6)]
TEACHER = [(9, 4, 6, 4), (9, 2, 3, 3), (9, 5)]


def main():
    torch.manual_seed(1)
    arrays = [torch.randn(s, dtype=torch.float64) for s in STUDENT + TEACHER]
    s, t = arrays[:3], arrays[3:]
    cases = [("reviewkd1", s, lambda h, s: reviewkd(h, s, t, 6)),
             ("reviewkd1", s[:2], lambda h, s: reviewkd(h, s, t[:2], 3)),
             ("ft1", s[:1], lambda h, s: factors(h, s[0], t[0], 0.5, 1, 0.01)),
             ("ft1", s[:1], lambda h, s: factors(h, s[0], t[0], 1.25, 2, 3)),
             ("cc1", s[:1], lambda h, s: cc(*embedded(h, s[0], t[0], 5, True))),
             ("infonce1", s[:1], lambda h, s: infonce(
                 *embedded(h, s[0], t[0], 4, False), 0.1, symmetric=True))]
    out = []
    for scope, inputs, f in cases:
        helpers = Helpers(scope)
        inputs = [x.clone().requires_grad_(True) for x in inputs]
        loss = f(helpers, inputs)
        loss.backward()
        out += [np.array([loss.item()])]
        out += [x.grad.numpy().ravel() for x in inputs + helpers.made]
    np.save(os.path.join(HERE, "helper_in.npy"),
            np.concatenate([a.numpy().ravel() for a in arrays]))
    np.save(os.path.join(HERE, "helper_out.npy"), np.concatenate(out))


if __name__ == "__main__":
    main()
