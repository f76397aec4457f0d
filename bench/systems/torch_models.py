"""The networks of bench/lib/workloads.js as modules of PyTorch."""
from torch import nn
from torch.nn import functional as F


class Residual(nn.Module):
    def __init__(self, main, shortcut):
        super().__init__()
        self.main = build(main)
        self.shortcut = build(shortcut)

    def forward(self, x):
        return F.relu(self.main(x) + self.shortcut(x))


class Inverted(nn.Module):
    def __init__(self, main, adds):
        super().__init__()
        self.main = build(main)
        self.adds = adds

    def forward(self, x):
        return x + self.main(x) if self.adds else self.main(x)


def padded_conv(d, channels, output, groups):
    """Even padding is the convolution's own, as in torchvision; ZeroPad2d takes left, right, top, bottom."""
    top, bottom, left, right = d["padding"]
    even = top == bottom == left == right
    conv = nn.Conv2d(channels, output, d["kernel"], d["stride"], top if even else 0, groups=groups, bias=False)
    return conv if even else nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), conv)


LAYERS = {
    "linear": lambda d: nn.Linear(d["input"], d["output"]),
    "conv": lambda d: nn.Conv2d(d["input"], d["output"], d["kernel"], d["stride"], d["padding"], bias=d["bias"]),
    "batchNorm": lambda d: nn.BatchNorm2d(d["channels"]),
    "maxPool": lambda d: nn.MaxPool2d(d["kernel"], d["stride"], d["padding"]),
    "globalAveragePool": lambda d: nn.AdaptiveAvgPool2d(1),
    "flatten": lambda d: nn.Flatten(),
    "relu": lambda d: nn.ReLU(),
    "tanh": lambda d: nn.Tanh(),
    "dropout": lambda d: nn.Dropout(d["p"]),
    "relu6": lambda d: nn.ReLU6(),
    "depthwise": lambda d: padded_conv(d, d["channels"], d["channels"], d["channels"]),
    "paddedConv": lambda d: padded_conv(d, d["input"], d["output"], 1),
    "inverted": lambda d: Inverted(d["main"], d["adds"]),
    "residual": lambda d: Residual(d["main"], d["shortcut"]),
}


def build(layers):
    return nn.Sequential(*(LAYERS[d["type"]](d) for d in layers))
