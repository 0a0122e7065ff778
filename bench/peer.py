#!/usr/bin/env python3
"""The peer: the same networks, weights, batches and losses, in PyTorch.

peer.py export PAIR DIR              writes what both sides read
peer.py serve PAIR DIR [--threads N] answers on stdin and stdout, see bench/protocol.md
peer.py versions                     what is installed here
peer.py pixels TRAIN.tar TEST.tar DIR               tars of CLASS/NAME.jpg as .npy
peer.py network PAIR teacher|student SEED FILE      an ONNX file with initial weights
peer.py weights PAIR teacher|student ONNX FILE.pt   the weights of an ONNX file
peer.py recipe PAIR TEACHER.pt STUDENT.pt DIR       trains as bench/recipe.sh does
"""
import argparse
import os
import sys
import time
import warnings

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from networks import PAIRS

SAMPLES = 256  # the largest batch that is timed
TEMPERATURE, SOFT = 4.0, 0.9
RATE, MOMENTUM, DECAY = 0.05, 0.9, 5e-4


def make_pair(name, seed=0):
    """Teacher and student with the weights of a seed."""
    torch.manual_seed(seed)
    shape, teacher, student = PAIRS[name]
    teacher, student = teacher().eval(), student()
    for m in teacher.modules():
        if isinstance(m, nn.BatchNorm2d):  # as after training: not 0 and 1
            m.running_mean.normal_(0, 0.1)
            m.running_var.uniform_(0.5, 1.5)
    return shape, teacher, student


def export_onnx(net, shape, path):
    """Batch norms stay nodes of their own: limbeck trains them, and folds them itself."""
    names = {'input_names': ['input'], 'output_names': ['logits']}
    if not torch.__version__.startswith('1.'):
        names['dynamo'] = False
    torch.onnx.export(net.eval(), torch.zeros(1, *shape), path, opset_version=13,
                      training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
                      dynamic_axes={'input': {0: 'N'}, 'logits': {0: 'N'}}, **names)


def export(pair, folder):
    os.makedirs(folder, exist_ok=True)
    shape, teacher, student = make_pair(pair)
    export_onnx(teacher, shape, os.path.join(folder, 'teacher.onnx'))
    export_onnx(student, shape, os.path.join(folder, 'student.onnx'))
    torch.save(teacher.state_dict(), os.path.join(folder, 'teacher.pt'))
    torch.save(student.state_dict(), os.path.join(folder, 'student.pt'))
    np.save(os.path.join(folder, 'images.npy'), torch.randn(SAMPLES, *shape).numpy())
    labels = torch.randint(0, 10, (SAMPLES,)).numpy().astype(np.int32)
    np.save(os.path.join(folder, 'labels.npy'), labels)  # last: compare looks for it


def load(net, path):
    net.load_state_dict(torch.load(path, map_location='cpu'))
    return net


def kd_loss(z, target, teacher):
    """0.1 cross-entropy + 0.9 T^2 KL, the mean over the samples."""
    soft = F.kl_div(F.log_softmax(z / TEMPERATURE, 1), F.softmax(teacher / TEMPERATURE, 1),
                    reduction='batchmean')
    return (1 - SOFT) * F.cross_entropy(z, target) + SOFT * TEMPERATURE ** 2 * soft


def optimiser(net, words):
    """Decay spares biases and norms, as limbeck does."""
    how = {'foreach': 'foreach' in words}
    if 'fused' in words:
        how['fused'] = True
    groups = [{'params': [p for p in net.parameters() if p.dim() > 1], 'weight_decay': DECAY},
              {'params': [p for p in net.parameters() if p.dim() <= 1], 'weight_decay': 0.0}]
    return torch.optim.SGD(groups, lr=RATE, momentum=MOMENTUM, **how)


class Work:
    """One kind of step at one batch in one variant. A variant is words joined by '+':
    cl (student channels last), foreach, fused (the optimiser), and for the teacher tcl (channels last), jit
    (traced, frozen, optimised for inference), compile (torch.compile; of either)."""

    def __init__(self, pair, folder, what, batch, variant):
        words = set(variant.split('+'))
        shape, self.teacher, self.student = make_pair(pair)
        load(self.teacher, os.path.join(folder, 'teacher.pt'))
        self.initial = torch.load(os.path.join(folder, 'student.pt'), map_location='cpu')
        x = torch.from_numpy(np.load(os.path.join(folder, 'images.npy'))[:batch])
        y = np.load(os.path.join(folder, 'labels.npy'))[:batch].astype(np.int64)
        self.y, self.x, self.tx = torch.from_numpy(y), x, x
        self.student.train()
        if 'cl' in words:
            self.student = self.student.to(memory_format=torch.channels_last)
            self.x = x.contiguous(memory_format=torch.channels_last)
        if what in ('teacher', 'kd'):
            self.prepare_teacher(words)
        self.optimiser = optimiser(self.student, words)
        self.reset()
        self.call = torch.compile(self.student) if 'compile' in words else self.student
        self.step = getattr(self, 'step_' + what)

    def prepare_teacher(self, words):
        net = self.teacher
        for p in net.parameters():
            p.requires_grad_(False)
        if 'tcl' in words:
            net = net.to(memory_format=torch.channels_last)
            self.tx = self.tx.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            if 'jit' in words:
                net = torch.jit.freeze(torch.jit.trace(net, self.tx))
                net = torch.jit.optimize_for_inference(net)
            if 'compile' in words:
                net = torch.compile(net)
        self.teacher = net

    def reset(self):
        """Back to the initial weights, without velocities. The windows of both sides begin
        so: a network that has learnt its one batch by heart has gradients that are too
        small for fast arithmetic."""
        self.student.load_state_dict(self.initial)
        for state in self.optimiser.state.values():
            if state.get('momentum_buffer') is not None:
                state['momentum_buffer'].zero_()

    def update(self, loss):
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss

    def step_teacher(self):
        with torch.no_grad():
            return self.teacher(self.tx)

    def step_student(self):
        return self.update(F.cross_entropy(self.call(self.x), self.y))

    def step_kd(self):
        with torch.no_grad():
            says = self.teacher(self.tx)
        return self.update(kd_loss(self.call(self.x), self.y, says))

    def seconds(self, steps):
        self.reset()
        start = time.perf_counter()
        for _ in range(steps):
            self.step()
        return time.perf_counter() - start


class Latency:
    """Batch 1 of a network in onnxruntime."""

    def __init__(self, folder, network, threads):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.path.join(folder, network + '.onnx'), options,
                                            providers=['CPUExecutionProvider'])
        self.feed = {'input': np.load(os.path.join(folder, 'images.npy'))[:1]}

    def seconds(self, steps):
        start = time.perf_counter()
        for _ in range(steps):
            self.session.run(None, self.feed)
        return time.perf_counter() - start


def status(key):
    with open('/proc/self/status') as f:
        return next(int(line.split()[1]) for line in f if line.startswith(key)) * 1024


def touch_code():
    """One small step, so that the code that PyTorch maps in is not counted as memory of
    the step."""
    net = nn.Sequential(conv_small(), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10))
    x, y = torch.randn(4, 3, 4, 4), torch.zeros(4, dtype=torch.int64)
    sgd = optimiser(net, set())
    for _ in range(2):
        kd_loss(net(x), y, torch.zeros(4, 10)).backward()
        sgd.step()


def conv_small():
    return nn.Conv2d(3, 8, 3, 2, 1, bias=False)


def memory(make, steps):
    """Peak bytes during the steps above what was in use before the networks were made."""
    touch_code()
    before = status('VmRSS')
    work = make()
    work.seconds(2)
    with open('/proc/self/clear_refs', 'w') as f:
        f.write('5')  # the high-water mark becomes what is in use now
    work.seconds(steps)
    return status('VmHWM') - before


def serve(args):
    torch.set_num_threads(args.threads)
    works = {}

    def make(what, batch, variant):
        if what.startswith('latency-'):
            return Latency(args.folder, what[len('latency-'):], args.threads)
        return Work(args.pair, args.folder, what, batch, variant)

    def work(what, batch, variant):
        key = (what, batch, variant)
        if key not in works:
            works[key] = make(*key)
        return works[key]

    print('ready', flush=True)
    for line in sys.stdin:
        verb, what, batch, variant, n = line.split()
        key, n = (what, int(batch), variant), int(n)
        try:
            if verb == 'run':
                print('%.9f' % work(*key).seconds(n), flush=True)
            elif verb == 'loss':
                w = work(*key)
                w.reset()
                print(' '.join('%.9g' % float(w.step()) for _ in range(n)), flush=True)
            elif verb == 'memory':
                print(memory(lambda: make(*key), n), flush=True)
            elif verb == 'forget':
                works.pop(key, None)
                print('forgotten', flush=True)
            else:
                print('error no such verb', flush=True)
        except Exception as e:  # a variant that this version does not have
            print('error', ' '.join(str(e).split())[:300], flush=True)


def read_tar(path):
    """Images [n,3,H,W] and labels, in the order of the archive; classes by name."""
    import io
    import tarfile
    from PIL import Image
    images, names = [], []
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile():
                image = Image.open(io.BytesIO(tar.extractfile(member).read()))
                images.append(np.asarray(image.convert('RGB')).transpose(2, 0, 1))
                names.append(member.name.split('/')[-2])
    classes = sorted(set(names))
    return np.stack(images), np.array([classes.index(n) for n in names], np.int32)


def pixels(train, test, folder):
    os.makedirs(folder, exist_ok=True)
    for part, path in (('train', train), ('test', test)):
        x, y = read_tar(path)
        np.save(os.path.join(folder, 'x_%s.npy' % part), x)
        np.save(os.path.join(folder, 'y_%s.npy' % part), y)


def load_onnx(net, path):
    """Weights by name; limbeck keeps the names that PyTorch gave them."""
    import onnx
    from onnx import numpy_helper
    graph = onnx.load(path).graph
    found = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy())
             for i in graph.initializer}
    for node in graph.node:  # PyTorch writes equal weights once
        if node.op_type == 'Identity' and node.input[0] in found:
            found[node.output[0]] = found[node.input[0]].clone()
    state = net.state_dict()
    for name in state:
        if not name.endswith('num_batches_tracked'):
            state[name] = found[name].reshape(state[name].shape)
    net.load_state_dict(state)
    return net


def read_part(folder, part):
    x = np.load(os.path.join(folder, 'x_%s.npy' % part)).astype(np.float32) / 255
    y = np.load(os.path.join(folder, 'y_%s.npy' % part)).astype(np.int64)
    return torch.from_numpy(x), torch.from_numpy(y)


def augment(x, by=4):
    """Each image moved by up to `by` pixels each way, and mirrored or not."""
    n, _, h, w = x.shape
    rows = torch.arange(h)[None, :] + torch.randint(0, 2 * by + 1, (n, 1))
    columns = torch.arange(w)[None, :] + torch.randint(0, 2 * by + 1, (n, 1))
    mirrored = torch.rand(n, 1) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    padded = F.pad(x, (by, by, by, by)).permute(0, 2, 3, 1)
    index = torch.arange(n)[:, None, None]
    return padded[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def rate_at(step, steps, warm):
    """Linear over the first epoch, then a cosine to 0."""
    if step < warm:
        return RATE * (step + 1) / warm
    return RATE * 0.5 * (1 + np.cos(np.pi * (step - warm) / (steps - warm)))


def recipe(args):
    """Distillation with the teacher asked live; prints accuracy and seconds."""
    torch.set_num_threads(args.threads)
    _, teacher, student = make_pair(args.pair)
    load(teacher, args.teacher)
    load(student, args.student)
    torch.manual_seed(args.seed)
    x, y = read_part(args.folder, 'train')
    student = student.train().to(memory_format=torch.channels_last)
    sgd, batch = optimiser(student, set()), 64
    per_epoch = len(x) // batch
    start = time.perf_counter()
    with torch.no_grad():
        teacher = torch.jit.freeze(torch.jit.trace(teacher, x[:batch]))
        teacher = torch.jit.optimize_for_inference(teacher)
    for step in range(args.epochs * per_epoch):
        if step % per_epoch == 0:
            order = torch.randperm(len(x))
        for group in sgd.param_groups:
            group['lr'] = rate_at(step, args.epochs * per_epoch, per_epoch)
        at = order[step % per_epoch * batch:][:batch]
        view = augment(x[at])
        with torch.no_grad():
            says = teacher(view.contiguous())
        view = view.contiguous(memory_format=torch.channels_last)
        sgd.zero_grad(set_to_none=True)
        kd_loss(student(view), y[at], says).backward()
        sgd.step()
    seconds = time.perf_counter() - start
    x, y = read_part(args.folder, 'test')
    student.eval()
    with torch.no_grad():
        right = sum(int((student(x[i:i + 250]).argmax(1) == y[i:i + 250]).sum())
                    for i in range(0, len(x), 250))
    print('%.4f %.1f' % (right / len(x), seconds))


def versions():
    try:
        import onnxruntime
        ort = onnxruntime.__version__
    except ImportError:
        ort = '-'
    print(torch.__version__, ort)


def main():
    warnings.filterwarnings('ignore')
    top = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = top.add_subparsers(dest='verb', required=True)
    for verb in ('export', 'serve'):
        p = verbs.add_parser(verb)
        p.add_argument('pair', choices=sorted(PAIRS))
        p.add_argument('folder')
        if verb == 'serve':
            p.add_argument('--threads', type=int, default=2)
    verbs.add_parser('versions')
    p = verbs.add_parser('pixels')
    for name in ('train', 'test', 'folder'):
        p.add_argument(name)
    p = verbs.add_parser('network')
    p.add_argument('pair', choices=sorted(PAIRS))
    p.add_argument('which', choices=['teacher', 'student'])
    p.add_argument('seed', type=int)
    p.add_argument('file')
    p = verbs.add_parser('weights')
    p.add_argument('pair', choices=sorted(PAIRS))
    p.add_argument('which', choices=['teacher', 'student'])
    p.add_argument('onnx')
    p.add_argument('file')
    p = verbs.add_parser('recipe')
    p.add_argument('pair', choices=sorted(PAIRS))
    for name in ('teacher', 'student', 'folder'):
        p.add_argument(name)
    p.add_argument('--epochs', type=int, default=20)
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--threads', type=int, default=2)
    args = top.parse_args()
    if args.verb == 'export':
        export(args.pair, args.folder)
    elif args.verb == 'serve':
        serve(args)
    elif args.verb == 'pixels':
        pixels(args.train, args.test, args.folder)
    elif args.verb == 'network':
        shape, teacher, student = make_pair(args.pair, args.seed)
        export_onnx(teacher if args.which == 'teacher' else student, shape, args.file)
    elif args.verb == 'weights':
        _, teacher, student = make_pair(args.pair)
        net = teacher if args.which == 'teacher' else student
        torch.save(load_onnx(net, args.onnx).state_dict(), args.file)
    elif args.verb == 'recipe':
        recipe(args)
    else:
        versions()


if __name__ == '__main__':
    main()
