"""PyTorch on the CPU, as a child of bench/run.js: JSON lines, commands on stdin and events on stdout (protocol: bench/lib/child.js).

    pytorch.py [--channels-last] [--bf16]
"""
import json
import sys
import time
import traceback

import torch
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


def make_optimizer(spec, parameters):
    if spec["type"] == "adam":
        return torch.optim.Adam(parameters, lr=spec["lr"])
    return torch.optim.SGD(parameters, lr=spec["lr"], momentum=spec["momentum"], weight_decay=spec["weightDecay"])


def autocast(bf16):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16)


def training_step(item, model, x, bf16):
    labels = torch.randint(max(item["classes"], 1), (item["batch"],))
    optimizer = make_optimizer(item["optimizer"], model.parameters())

    def step():
        optimizer.zero_grad(set_to_none=True)
        with autocast(bf16):
            y = model(x)
            loss = F.cross_entropy(y.float(), labels) if item["classes"] else y.float().square().sum()
        loss.backward()
        optimizer.step()
        return loss

    return step


def inference_step(model, x, bf16):
    model.eval()

    def step():
        with torch.inference_mode(), autocast(bf16):
            model(x)

    return step


def convolution_step(spec, filled):
    x, w, dy = filled(spec["x"]), filled(spec["w"]), filled(spec["y"])
    stride, padding = [spec["stride"]] * 2, [spec["padding"]] * 2
    if spec["direction"] == "fwd":
        return lambda: F.conv2d(x, w, stride=stride, padding=padding)
    wanted = [spec["direction"] == "bwd-data", spec["direction"] == "bwd-weights", False]
    backward = torch.ops.aten.convolution_backward
    return lambda: backward(dy, x, w, None, stride, padding, [1, 1], False, [0, 0], 1, wanted)


def norm_step(spec, filled):
    x, dy, channels = filled(spec["shape"]), filled(spec["shape"]), spec["shape"][1]
    gamma, beta, mean, var = torch.ones(channels), torch.zeros(channels), torch.zeros(channels), torch.ones(channels)
    forward = lambda: torch.native_batch_norm(x, gamma, beta, mean, var, True, 0.1, 1e-5)
    if spec["direction"] == "fwd":
        return forward
    _, saved_mean, saved_inverse = forward()
    backward = torch.ops.aten.native_batch_norm_backward
    return lambda: backward(dy, x, gamma, mean, var, saved_mean, saved_inverse, True, 1e-5, [True, True, True])


def kernel_step(spec, filled):
    if spec["type"] == "adam":
        parameter = torch.randn(spec["size"], requires_grad=True)
        parameter.grad = torch.randn(spec["size"])
        optimizer = torch.optim.Adam([parameter], lr=1e-3)
        return lambda: optimizer.step() and None
    if spec["type"] == "sgemm":
        n = spec["n"]
        a, b, y = torch.randn(n, n), torch.randn(n, n), torch.empty(n, n)
        call = lambda: torch.mm(a, b, out=y)
    else:
        call = (convolution_step if spec["type"] == "conv" else norm_step)(spec, filled)

    def step():
        with torch.inference_mode():
            call()

    return step


def blas():
    """The BLAS in use: Debian's alternatives may choose the slow reference implementation."""
    torch.mm(torch.ones(64, 64), torch.ones(64, 64))
    with open("/proc/self/maps") as maps:
        loaded = maps.read()
    known = [name for name in ("openblas", "mkl", "blis", "atlas") if name in loaded]
    return [] if known else ["no fast BLAS is loaded: install libopenblas0-openmp"]


def prepare(item, threads, channels_last, bf16):
    torch.set_num_threads(threads)
    torch.manual_seed(1)

    def filled(shape):
        t = torch.randn(shape)
        return t.contiguous(memory_format=torch.channels_last) if channels_last and t.dim() == 4 else t

    if item["kind"] == "kernel":
        return kernel_step(item["kernel"], filled)
    model = build(item["layers"])
    x = filled([item["batch"], *item["input"]])
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    return training_step(item, model, x, bf16) if item["kind"] == "train" else inference_step(model, x, bf16)


def timed(step, steps):
    ms = []
    before = time.perf_counter()
    for _ in range(steps):
        last = step()
        now = time.perf_counter()
        ms.append((now - before) * 1e3)
        before = now
    return {"ms": ms} if last is None else {"ms": ms, "loss": last.item()}


def emit(**event):
    print(json.dumps(event, separators=(",", ":")), flush=True)


def main():
    channels_last, bf16 = "--channels-last" in sys.argv[1:], "--bf16" in sys.argv[1:]
    step = None
    for line in iter(sys.stdin.readline, ""):
        message = json.loads(line)
        try:
            if message["command"] == "prepare":
                step = prepare(message["item"], message["threads"], channels_last, bf16)
                emit(event="ready", version=torch.__version__, notes=blas())
            else:
                emit(event="times", **timed(step, message["steps"]))
        except Exception:
            emit(event="error", message=traceback.format_exc(limit=-2))


if __name__ == "__main__":
    main()
