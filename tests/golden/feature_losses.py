"""feature_losses.py: the losses over feature maps and embeddings in PyTorch, float64.

    python3 tests/golden/feature_losses.py

Writes feature_in.npy and feature_out.npy beside this file for the test
tests/distill/test_feature_losses.c: of each case the value, then the gradient by the first
student array. The formulas stand here a second time, from the papers, with PyTorch's own
gradients; they are first held against values that were computed elsewhere.
"""
import math
import os

import numpy as np
import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
EPS = 1e-7


def flat(x):
    return x.reshape(x.shape[0], -1)


def unit(x, dim=1):
    return F.normalize(x, dim=dim, eps=1e-12)


def attention(x, power=2):
    return unit(flat(x.abs().pow(power).mean(1)))


def at_code(s, t, power=2):
    return (attention(s, power) - attention(t, power)).pow(2).mean()


def at_paper(s, t, power=2):
    return (attention(s, power) - attention(t, power)).norm(dim=1).mean()


def sp(s, t):
    gs, gt = unit(flat(s) @ flat(s).T), unit(flat(t) @ flat(t).T)
    return (gs - gt).pow(2).sum() / s.shape[0] ** 2


def pkt(s, t):
    def rows(x):
        x = flat(x) / (flat(x).norm(dim=1, keepdim=True) + EPS)
        cos = (x @ x.T + 1) / 2
        return cos / cos.sum(1, keepdim=True)
    p, q = rows(s), rows(t)
    return (q * torch.log((q + EPS) / (p + EPS))).mean()


def nst(s, t):
    a, b = unit(s.flatten(2), 2), unit(t.flatten(2), 2)

    def kernel(x, y):
        return (x @ y.transpose(1, 2)).pow(2).mean((1, 2))
    return (kernel(b, b) + kernel(a, a) - 2 * kernel(a, b)).mean()


def gram(s, t):
    def g(x):
        x = x.flatten(2)
        return x @ x.transpose(1, 2) / x.shape[2]
    return (g(s) - g(t)).pow(2).mean()


def flow(first, second):
    if first.shape[2] > second.shape[2]:
        first = F.adaptive_avg_pool2d(first, second.shape[2:])
    if second.shape[2] > first.shape[2]:
        second = F.adaptive_avg_pool2d(second, first.shape[2:])
    first, second = first.flatten(2), second.flatten(2)
    return first @ second.transpose(1, 2) / first.shape[2]


def fsp(s, t, s2, t2):
    return (flow(s, s2) - flow(t, t2)).pow(2).mean()


def huber(x):
    return torch.where(x.abs() < 1, 0.5 * x * x, x.abs() - 0.5)


def distances(x):
    square = (x[:, None] - x[None]).pow(2).sum(2)
    d = torch.where(square > 1e-12, square, torch.ones_like(square)).sqrt() * (square > 1e-12)
    return d / d[d > 0].mean()


def rkd_distance(s, t):
    return huber(distances(s) - distances(t)).mean()


def angles(x):
    way = x[None] - x[:, None]
    length = way.pow(2).sum(2, keepdim=True)
    real = length > 1e-12
    way = way / torch.where(real, length, torch.ones_like(length)).sqrt() * real
    return way @ way.transpose(1, 2)


def rkd_angle(s, t):
    return huber(angles(s) - angles(t)).mean()


def cc(s, t, gamma=0.4, order=2):
    def kernel(x):
        cos = unit(x) @ unit(x).T
        return math.exp(-2 * gamma) * sum((2 * gamma) ** p / math.factorial(p) * cos ** p
                                          for p in range(order + 1))
    return (kernel(s) - kernel(t)).pow(2).mean()


def infonce(s, t, tau, labels=None, symmetric=False):
    s, t = unit(s), unit(t)
    near = s @ t.T / tau
    if labels is not None:
        same = (labels[:, None] == labels[None]) & (labels >= 0)[:, None]
        same.fill_diagonal_(False)
        near = near.masked_fill(same, -math.inf)
    target = torch.arange(len(s))
    there = F.cross_entropy(near, target)
    return (there + F.cross_entropy(near.T, target)) / 2 if symmetric else there


def ab(s, t, margin):
    off = (t <= 0) & (s > -margin)
    on = (t > 0) & (s <= margin)
    return ((s + margin).pow(2) * off + (s - margin).pow(2) * on).sum() / s.shape[0]


def batch_margin(t):
    negative = (t < 0).to(t.dtype)
    dims = [0] + list(range(2, t.ndim))
    count = negative.sum(dims)
    return (t * negative).sum(dims) / count.clamp(min=1)


def ofd(s, t, margin):
    target = torch.maximum(t, margin.reshape([1, -1] + [1] * (t.ndim - 2)))
    skipped = (s <= target) & (target <= 0)
    return ((s - target).pow(2) * ~skipped).sum() / s.shape[0]


def ft_paper(s, t):
    return (unit(flat(s)) - unit(flat(t))).abs().mean()


def ft_attention(s, t):
    return (attention(s) - attention(t)).abs().mean()


def hcl(s, t):
    loss, total, weight = F.mse_loss(s, t), 1.0, 1.0
    for size in (4, 2, 1):
        if max(s.shape[2:]) <= size or any(n % size for n in s.shape[2:]):
            continue
        weight /= 2
        loss = loss + weight * F.mse_loss(F.adaptive_avg_pool2d(s, size),
                                          F.adaptive_avg_pool2d(t, size))
        total += weight
    return loss / total


def vid(mean, t, var):
    return (0.5 * ((mean - t).pow(2) / var + math.log(var))).mean()


def mlkd(s, t, temperature, axis):
    p, q = F.softmax(s / temperature, 1), F.softmax(t / temperature, 1)
    if axis == 1:
        p, q = p.T, q.T
    return (p @ p.T - q @ q.T).pow(2).sum() / p.shape[0]


def hint(s, t):
    return F.mse_loss(s, t)


def grid(shape, f):
    index = np.indices(shape).astype(np.float64)
    return torch.from_numpy(f(*index))


def known_inputs():
    sin, cos = np.sin, np.cos
    return {
        "zs": grid((4, 5), lambda b, c: 3 * sin(1 + .7 * b + 1.3 * c)),
        "zt": grid((4, 5), lambda b, c: 5 * sin(2 + .9 * b + .8 * c)),
        "fs": grid((4, 3, 4, 4), lambda b, c, h, w: sin(
            .3 + .5 * b + .9 * c + .37 * h + .61 * w + .11 * b * c)),
        "ft": grid((4, 5, 4, 4), lambda b, c, h, w: cos(
            .2 + .4 * b + .7 * c + .45 * h + .53 * w + .13 * b * h)),
        "gs": grid((4, 2, 2, 2), lambda b, c, h, w: sin(.8 + .3 * b + 1.1 * c + .7 * h + .4 * w)),
        "gt": grid((4, 2, 2, 2), lambda b, c, h, w: cos(.5 + .6 * b + .9 * c + .2 * h + w)),
        "es": grid((4, 6), lambda b, d: sin(.4 + .9 * b + .6 * d)),
        "et": grid((4, 8), lambda b, d: cos(.1 + .7 * b + .5 * d)),
    }


def known_values():
    x = known_inputs()
    ft3, et6 = x["ft"][:, :3], x["et"][:, :6]
    margins = torch.tensor([-.3, -.5, -.7], dtype=torch.float64)
    fs, es = x["fs"], x["es"]
    return [
        ("mlkd batch", x["zs"], lambda s: mlkd(s, x["zt"], 4, 0), 0.0210037916, -0.00075099, 0.00407137),
        ("mlkd class", x["zs"], lambda s: mlkd(s, x["zt"], 4, 1), 0.0231645461, -0.00138140, 0.00592176),
        ("hint", fs, lambda s: hint(s, ft3), 0.7303076977, -0.00713069, 0.12334806),
        ("at code", fs, lambda s: at_code(s, x["ft"]), 0.0009129494, 0.00000668, 0.00309853),
        ("at paper", fs, lambda s: at_paper(s, x["ft"]), 0.1129424304, 0.00054827, 0.20446027),
        ("nst", fs, lambda s: nst(s, x["ft"]), 0.1268556316, 0.00197370, 0.06678021),
        ("fsp", fs, lambda s: fsp(s, ft3, x["gs"], x["gt"]), 0.1374829535, 0.00273645, 0.03178630),
        ("sp", fs, lambda s: sp(s, x["ft"]), 0.0002529456, -0.00041753, 0.00278648),
        ("pkt", es, lambda s: pkt(s, x["et"]), 0.0041480467, -0.00770703, 0.02181848),
        ("rkd distance", es, lambda s: rkd_distance(s, x["et"]), 0.0035931098, -0.00459339, 0.01513893),
        ("rkd angle", es, lambda s: rkd_angle(s, x["et"]), 0.0122534217, -0.01096509, 0.04616214),
        ("cc", es, lambda s: cc(s, x["et"]), 0.0030345034, -0.00507156, 0.01321134),
        ("ab", fs, lambda s: ab(s, ft3, 1), 56.6342358681, -0.35223990, 7.52557213),
        ("ofd", fs, lambda s: ofd(s, ft3, margins), 21.9789661136, -0.34227319, 4.68817300),
        ("ft paper", fs, lambda s: ft_paper(s, ft3), 0.1492056347, -0.00133336, 0.01282998),
        ("ft attention", fs, lambda s: ft_attention(s, ft3), 0.0694861388, 0.00114163, 0.05006025),
        ("vid", fs, lambda s: vid(s, ft3, 5), 0.8777497260, -0.00071307, 0.01233481),
        ("hcl", fs, lambda s: hcl(s, ft3), 0.6461194776, -0.00309911, 0.11055697),
        ("infonce", es, lambda s: infonce(s, et6, .5), 0.9671176200, -0.01081717, 0.25383111),
    ]


def value_and_gradient(f, s):
    s = s.clone().requires_grad_(True)
    loss = f(s)
    loss.backward()
    return loss.item(), s.grad.numpy()


def check_known_values():
    for name, s, f, value, first, norm in known_values():
        loss, grad = value_and_gradient(f, s)
        assert abs(loss - value) < 6e-11, (name, loss)
        assert abs(grad.ravel()[0] - first) < 6e-9, (name, grad.ravel()[0])
        assert abs(np.linalg.norm(grad) - norm) < 6e-9, (name, np.linalg.norm(grad))


def main():
    check_known_values()
    torch.manual_seed(0)
    shapes = [(9, 4, 6, 4)] * 2 + [(9, 3, 3, 2)] * 2 + [(9, 7)] * 2
    fs, ft, gs, gt, es, et = arrays = [1.2 * torch.randn(s, dtype=torch.float64)
                                       for s in shapes]
    cases = [(fs, lambda s: hint(s, ft)),
             (fs, lambda s: at_code(s, ft)),
             (fs, lambda s: at_code(s, ft, 3)),
             (fs, lambda s: at_paper(s, ft)),
             (fs, lambda s: sp(s, ft)),
             (fs, lambda s: nst(s, ft)),
             (fs, lambda s: gram(s, ft)),
             (fs, lambda s: hcl(s, ft)),
             (fs, lambda s: fsp(s, ft, gs, gt)),
             (fs, lambda s: ab(s, ft, 0.7)),
             (fs, lambda s: ofd(s, ft, batch_margin(ft))),
             (fs, lambda s: ft_paper(s, ft)),
             (fs, lambda s: ft_attention(s, ft)),
             (es, lambda s: pkt(s, et)),
             (es, lambda s: 25 * rkd_distance(s, et) + 50 * rkd_angle(s, et)),
             (es, lambda s: cc(s, et, 0.9, 3)),
             (es, lambda s: infonce(s, et, 0.1, symmetric=True))]
    out = []
    for s, f in cases:
        loss, grad = value_and_gradient(f, s)
        out.append(np.concatenate([[loss], grad.ravel()]))
    np.save(os.path.join(HERE, "feature_in.npy"),
            np.concatenate([a.numpy().ravel() for a in arrays]))
    np.save(os.path.join(HERE, "feature_out.npy"), np.concatenate(out))


if __name__ == "__main__":
    main()
