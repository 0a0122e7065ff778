"""parity.py: limbeck beside PyTorch over 50 distillation steps.

    python3 tests/parity/parity.py build/tests/parity/parity_steps

Both begin with the same weights (student.init), see the same samples in the same order
(train.order), and learn from the same teacher. In float64 on the reference kernels the
losses agree to 1e-6; in float32 on the fast kernels at a small learning rate to 1e-3.
Prints TAP.
"""
import math
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError as error:
    print("1..1\nok 1 - parity # SKIP " + str(error))
    sys.exit(0)

SIDE, CLASSES, BATCH, EPOCHS, STEPS = 12, 6, 16, 5, 10  # 5 epochs of 10 steps
TEMPERATURE, SOFT, HARD = 4.0, 0.9, 0.1
MOMENTUM, DECAY = 0.9, 1e-3


class Block(nn.Module):
    """A residual block, its second convolution in groups."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(x + self.norm2(self.conv2(y)))


class Net(nn.Module):
    def __init__(self, channels, n_in=3):
        super().__init__()
        self.stem = nn.Conv2d(n_in, channels, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.block = Block(channels)
        self.out = nn.Linear(channels, CLASSES)

    def forward(self, x):
        x = self.block(F.relu(self.norm(self.stem(x))))
        x = F.max_pool2d(x, 2)
        return self.out(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


def export(net, path):
    torch.onnx.export(net.eval(), torch.zeros(1, 3, SIDE, SIDE), path, opset_version=13,
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
                      input_names=["input"], output_names=["logits"],
                      dynamic_axes={"input": {0: "n"}, "logits": {0: "n"}})


def make_data(folder):
    """Samples whose class can be told from their mean colours, in uint8."""
    rng = np.random.default_rng(1)
    n = BATCH * STEPS
    for name, count in (("train", n), ("test", 64)):
        y = rng.integers(0, CLASSES, count)
        x = rng.integers(0, 128, (count, 3, SIDE, SIDE))
        x += (30 * y[:, None, None, None] * np.array([1, 0.5, 0.2])[None, :, None, None]) \
            .astype(int)
        np.save(os.path.join(folder, f"x_{name}.npy"), x.clip(0, 255).astype(np.uint8))
        np.save(os.path.join(folder, f"y_{name}.npy"), y.astype(np.int64))
    order = np.stack([rng.permutation(n) for _ in range(EPOCHS)]).astype(np.int64)
    np.save(os.path.join(folder, "order.npy"), order)
    return (np.load(os.path.join(folder, "x_train.npy")),
            np.load(os.path.join(folder, "y_train.npy")), order)


def write_recipe(folder, rate):
    path = os.path.join(folder, "parity.yaml")
    with open(path, "w") as f:
        f.write(f"""name: parity
data: {{source: npy, path: {folder}, validation: 0}}
teacher: {{onnx: teacher.onnx, mean: [0.5], std: [0.25], cache: none}}
student: {{onnx: student.onnx, mean: [0.5], std: [0.25], init: student.onnx}}
distill:
  - {{loss: kd, temperature: {TEMPERATURE}, weight: {SOFT}}}
  - {{loss: ce, weight: {HARD}}}
train:
  epochs: {EPOCHS}
  batch: {BATCH}
  order: order.npy
  optimizer: {{sgd: {{lr: {rate}, momentum: {MOMENTUM}, nesterov: true, weight_decay: {DECAY}}}}}
  schedule: {{cosine: {{warmup: 1}}}}
export: [onnx]
""")
    return path


def rate_at(step, rate):
    warm, total = STEPS, STEPS * EPOCHS
    if step < warm:
        return rate * (step + 1) / warm
    return rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (total - warm)))


def groups(net):
    """Biases and norms are spared by the weight decay."""
    weights = [p for p in net.parameters() if p.dim() > 1]
    spared = [p for p in net.parameters() if p.dim() <= 1]
    return [{"params": weights, "weight_decay": DECAY},
            {"params": spared, "weight_decay": 0.0}]


def pytorch_losses(student, teacher, data, rate, dtype):
    x, y, order = data
    student.to(dtype).train()
    teacher.eval()
    optimiser = torch.optim.SGD(groups(student), lr=rate, momentum=MOMENTUM, nesterov=True)
    losses = []
    for step in range(EPOCHS * STEPS):
        epoch, number = divmod(step, STEPS)
        at = order[epoch, number * BATCH:(number + 1) * BATCH]
        pixels = (torch.from_numpy(x[at]).float() / 255 - 0.5) / 0.25
        labels = torch.from_numpy(y[at])
        with torch.no_grad():
            soft = teacher(pixels.double()).to(dtype)
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, rate)
        z = student(pixels.to(dtype))
        kd = TEMPERATURE ** 2 * F.kl_div(F.log_softmax(z / TEMPERATURE, 1),
                                         F.softmax(soft / TEMPERATURE, 1),
                                         reduction="batchmean")
        loss = SOFT * kd + HARD * F.cross_entropy(z, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return np.array(losses)


def limbeck_losses(program, recipe, folder, name, kernels, precision):
    done = subprocess.run(
        [program, recipe, os.path.join(folder, name), kernels,
         f"train.precision={precision}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
    if done.returncode != 0:
        print("# " + done.stderr.strip())
        return np.full(EPOCHS * STEPS, np.nan)
    return np.array([float(line) for line in done.stdout.split()])


def fresh_nets():
    torch.manual_seed(0)
    teacher, student = Net(16), Net(8)
    for module in teacher.modules():  # a teacher with something to say
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    with torch.no_grad():
        teacher.out.weight *= 6
    return teacher, student


def train_teacher(teacher, data):
    """A few hundred steps, so that it is better than chance."""
    x, y, _ = data
    pixels = (torch.from_numpy(x).float() / 255 - 0.5) / 0.25
    labels = torch.from_numpy(y)
    optimiser = torch.optim.SGD(teacher.parameters(), lr=0.05, momentum=0.9)
    teacher.train()
    for _ in range(40):
        loss = F.cross_entropy(teacher(pixels), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def main():
    program = os.path.abspath(sys.argv[1])
    torch.set_num_threads(1)
    cases = [("float64", "reference", 0.1, 1e-6), ("float32", "best", 0.001, 1e-3),
             ("float32", "reference", 0.001, 1e-3)]
    print(f"1..{len(cases)}")
    with tempfile.TemporaryDirectory() as folder:
        data = make_data(folder)
        teacher, start = fresh_nets()
        train_teacher(teacher, data)
        export(teacher, os.path.join(folder, "teacher.onnx"))
        export(start, os.path.join(folder, "student.onnx"))
        state = {k: v.clone() for k, v in start.state_dict().items()}
        teacher.double()
        for number, (precision, kernels, rate, most) in enumerate(cases, 1):
            student = Net(8)
            student.load_state_dict(state)
            want = pytorch_losses(student, teacher, data, rate, getattr(torch, precision))
            have = limbeck_losses(program, write_recipe(folder, rate), folder,
                                  f"run{number}", kernels, precision)
            gap = np.abs(have - want).max() if have.shape == want.shape else np.inf
            print(f"# {precision}, {kernels} kernels, lr {rate}: loss {want[0]:.6f} to "
                  f"{want[-1]:.6f}, at most {gap:.3g} apart")
            verdict = "ok" if gap <= most else "not ok"
            print(f"{verdict} {number} - {precision} on {kernels} kernels: {len(want)} steps "
                  f"within {most:g}", flush=True)


main()
