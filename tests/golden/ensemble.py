"""ensemble.py: the numbers of tests/distill/test_ensemble.c, by plain probabilities.

    python3 tests/golden/ensemble.py

Needs nothing but Python. What the teachers say together is worked out as the mean of their
probabilities at the loss's temperature, never as logits; gradients are central differences.
"""
import math

B, C, WEIGHTS = 4, 5, (0.7, 0.3)


def rows(a, b, c, scale, f):
    return [[scale * f(a + b * i + c * k) for k in range(C)] for i in range(B)]


STUDENT = rows(1, .7, 1.3, 3, math.sin)
TEACHERS = [rows(2, .9, .8, 5, math.sin), rows(.5, 1.1, .6, 4, math.cos)]
LABELS = [0, 2, 4, 1]


def softmax(z, t):
    e = [math.exp(x / t) for x in z]
    return [x / sum(e) for x in e]


def together(i, t, change=lambda z: z):
    p = [softmax(change(z[i]), t) for z in TEACHERS]
    return [sum(w * q[c] for w, q in zip(WEIGHTS, p)) for c in range(C)]


def blend(i):
    return [sum(w * z[i][c] for w, z in zip(WEIGHTS, TEACHERS)) for c in range(C)]


def kl(p, q):
    return sum(x * math.log(x / y) for x, y in zip(p, q))


def standard(z):
    m = sum(z) / C
    s = math.sqrt(sum((x - m) ** 2 for x in z) / (C - 1)) + 1e-7
    return [(x - m) / s for x in z]


def mean(f):
    return lambda z: sum(f(i, z[i]) for i in range(B)) / B


def kd(t):
    return mean(lambda i, z: t * t * kl(together(i, t), softmax(z, t)))


def kd_logits(t):
    return mean(lambda i, z: t * t * kl(softmax(blend(i), t), softmax(z, t)))


def kd_standard(t):
    return mean(lambda i, z: t * t * kl(together(i, t, standard), softmax(standard(z), t)))


def multi(z):
    return sum(kd(t)(z) for t in range(2, 7)) / 5


def mse(z):
    return sum((z[i][c] - math.log(together(i, 1)[c])) ** 2
               for i in range(B) for c in range(C)) / (B * C)


def mse_logits(z):
    return sum((z[i][c] - blend(i)[c]) ** 2 for i in range(B) for c in range(C)) / (B * C)


def dkd(t):
    def one(i, z):
        p, q, y = together(i, t), softmax(z, t), LABELS[i]
        rest = [c for c in range(C) if c != y]
        binary = kl([p[y], 1 - p[y]], [q[y], 1 - q[y]])
        others = kl([p[c] / (1 - p[y]) for c in rest], [q[c] / (1 - q[y]) for c in rest])
        return t * t * (binary + 8 * others)
    return mean(one)


def rho(a, b):
    a, b = [x - sum(a) / len(a) for x in a], [x - sum(b) / len(b) for x in b]
    dot = sum(x * y for x, y in zip(a, b))
    n = math.sqrt(sum(x * x for x in a) * sum(x * x for x in b))
    return dot / (n + min(1e-8, 1e-3 * n))


def dist(t):
    def loss(z):
        p, q = [together(i, t) for i in range(B)], [softmax(r, t) for r in z]
        inter = sum(rho(q[i], p[i]) for i in range(B)) / B
        intra = sum(rho([r[c] for r in q], [r[c] for r in p]) for c in range(C)) / C
        return t * t * (2 - inter - intra)
    return loss


def gradient(f):
    grad, h = [], 1e-5
    for i in range(B):
        for c in range(C):
            up, down = [r[:] for r in STUDENT], [r[:] for r in STUDENT]
            up[i][c] += h
            down[i][c] -= h
            grad.append((f(up) - f(down)) / (2 * h))
    return grad


CASES = [("kd 1", kd(1)), ("kd 4", kd(4)), ("kd 4 of logits", kd_logits(4)),
         ("kd 2 standardise", kd_standard(2)), ("multi-t", multi), ("mse-logits", mse),
         ("mse-logits of logits", mse_logits), ("dkd 4", dkd(4)), ("dist 4", dist(4))]
for name, f in CASES:
    g = gradient(f)
    print(f"{name:22} {f(STUDENT):.10f} {g[0]:.8f} {math.sqrt(sum(x * x for x in g)):.8f}")
print("row 0 at 1:", ", ".join(f"{math.log(x):.9f}" for x in together(0, 1)))
print("of logits: ", ", ".join(f"{x:.9f}" for x in blend(0)))
