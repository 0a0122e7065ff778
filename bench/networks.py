"""The networks that are timed, as PyTorch modules. A pair is one row of PAIRS."""
import torch.nn as nn
import torch.nn.functional as F


def conv(i, o, k=3, stride=1, groups=1):
    return nn.Conv2d(i, o, k, stride, k // 2, groups=groups, bias=False)


def head(x, dense):
    return dense(F.adaptive_avg_pool2d(x, 1).flatten(1))


class Basic(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., 2016)."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.c1, self.b1 = conv(i, o, 3, stride), nn.BatchNorm2d(o)
        self.c2, self.b2 = conv(o, o), nn.BatchNorm2d(o)
        self.short = None
        if stride != 1 or i != o:
            self.short = nn.Sequential(conv(i, o, 1, stride), nn.BatchNorm2d(o))

    def forward(self, x):
        y = F.relu(self.b1(self.c1(x)), inplace=True)
        y = self.b2(self.c2(y))
        return F.relu(y + (x if self.short is None else self.short(x)), inplace=True)


class ResNet(nn.Module):
    """The small-image ResNet of depth 6 n + 2; n = 1 is MLPerf Tiny's ResNet-8."""

    def __init__(self, channels, width, n, classes=10):
        super().__init__()
        self.c, self.b = conv(channels, width), nn.BatchNorm2d(width)
        layers, i = [], width
        for stride, o in ((1, width), (2, 2 * width), (2, 4 * width)):
            for k in range(n):
                layers.append(Basic(i, o, stride if k == 0 else 1))
                i = o
        self.layers, self.dense = nn.Sequential(*layers), nn.Linear(i, classes)

    def forward(self, x):
        x = F.relu(self.b(self.c(x)), inplace=True)
        return head(self.layers(x), self.dense)


class WideBlock(nn.Module):
    """Norm and ReLU before each convolution (Zagoruyko and Komodakis, 2016)."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.b1, self.c1 = nn.BatchNorm2d(i), conv(i, o, 3, stride)
        self.b2, self.c2 = nn.BatchNorm2d(o), conv(o, o)
        self.short = None if i == o else conv(i, o, 1, stride)

    def forward(self, x):
        h = F.relu(self.b1(x), inplace=True)
        y = self.c2(F.relu(self.b2(self.c1(h)), inplace=True))
        return y + (x if self.short is None else self.short(h))


class WideResNet(nn.Module):
    """WRN-(6 n + 4)-k."""

    def __init__(self, channels, k, n, classes=10):
        super().__init__()
        self.c = conv(channels, 16)
        layers, i = [], 16
        for stride, o in ((1, 16 * k), (2, 32 * k), (2, 64 * k)):
            for j in range(n):
                layers.append(WideBlock(i, o, stride if j == 0 else 1))
                i = o
        self.layers, self.b = nn.Sequential(*layers), nn.BatchNorm2d(i)
        self.dense = nn.Linear(i, classes)

    def forward(self, x):
        return head(F.relu(self.b(self.layers(self.c(x))), inplace=True), self.dense)


class Separable(nn.Module):
    """Depthwise 3x3, then pointwise, each with norm and ReLU."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.d, self.b1 = conv(i, i, 3, stride, i), nn.BatchNorm2d(i)
        self.p, self.b2 = conv(i, o, 1), nn.BatchNorm2d(o)

    def forward(self, x):
        x = F.relu(self.b1(self.d(x)), inplace=True)
        return F.relu(self.b2(self.p(x)), inplace=True)


class SeparableNet(nn.Module):
    """A stem and a row of separable blocks (in, out, stride)."""

    def __init__(self, channels, width, stride, blocks, classes=10):
        super().__init__()
        self.c, self.b = conv(channels, width, 3, stride), nn.BatchNorm2d(width)
        self.layers = nn.Sequential(*[Separable(*block) for block in blocks])
        self.dense = nn.Linear(blocks[-1][1], classes)

    def forward(self, x):
        return head(self.layers(F.relu(self.b(self.c(x)), inplace=True)), self.dense)


def ds_cnn(channels, width=64):
    """MLPerf Tiny's DS-CNN on small images."""
    return SeparableNet(channels, width, 2, [(width, width, 1)] * 4)


def mobilenet(channels):
    """MobileNetV1 at a quarter of the width, for 32x32."""
    blocks = [(8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2)]
    blocks += [(128, 128, 1)] * 5 + [(128, 256, 2), (256, 256, 1)]
    return SeparableNet(channels, 8, 1, blocks)


def resnet20(channels, width):
    return ResNet(channels, width, 3)


def resnet8(channels):
    return ResNet(channels, 16, 1)


# name: (shape of a sample, teacher, student)
PAIRS = {
    'a': ((1, 28, 28), lambda: resnet20(1, 32), lambda: ds_cnn(1)),
    'b': ((3, 32, 32), lambda: resnet20(3, 16), lambda: resnet8(3)),
    'c': ((3, 32, 32), lambda: WideResNet(3, 4, 2), lambda: mobilenet(3)),
}
