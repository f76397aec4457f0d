"""Relative errors of PyTorch against float64, one JSON object: the figures that accuracy.mjs sets beside tenon's."""

import json
import sys

import torch
import torch.nn.functional as F

torch.manual_seed(0)
cases = json.load(sys.stdin)


def error(y, exact):
    return ((y.double() - exact).norm() / exact.norm()).item()


def product(k):
    a, b = torch.randn(32, k), torch.randn(k, 32)
    return error(a @ b, a.double() @ b.double())


def conv(channels, layout):
    x, w = torch.randn(1, channels, 20, 20), torch.randn(16, channels, 3, 3)
    y = F.conv2d(x.to(memory_format=layout), w.to(memory_format=layout), padding=1)
    return error(y, F.conv2d(x.double(), w.double(), padding=1))


def batch_norm(n, ratio):
    x = torch.randn(n, 2) + ratio
    return error(F.batch_norm(x, None, None, training=True), F.batch_norm(x.double(), None, None, training=True))


def layer_norm(n, ratio):
    x = torch.randn(2, n) + ratio
    return error(F.layer_norm(x, [n]), F.layer_norm(x.double(), [n]))


def softmax(n):
    x = torch.randn(2, n)
    return error(F.softmax(x, 1), F.softmax(x.double(), 1))


figures = {}
for name, kind, args in cases:
    if kind == "conv":
        # Both of PyTorch's layouts: they sum in different orders.
        layouts = [torch.contiguous_format, torch.channels_last]
        figures[name] = max(conv(*args, layout) for layout in layouts)
        figures[name + " (contiguous)"] = conv(*args, layouts[0])
    else:
        figures[name] = globals()[kind](*args)
print(json.dumps({"version": torch.__version__, "errors": figures}))
