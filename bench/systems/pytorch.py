"""PyTorch on the CPU, as a child of bench/run.js: JSON lines, commands on stdin and events on stdout (protocol: bench/lib/child.js).

    pytorch.py [--channels-last]
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
    "residual": lambda d: Residual(d["main"], d["shortcut"]),
}


def build(layers):
    return nn.Sequential(*(LAYERS[d["type"]](d) for d in layers))


def make_optimizer(spec, parameters):
    if spec["type"] == "adam":
        return torch.optim.Adam(parameters, lr=spec["lr"])
    return torch.optim.SGD(parameters, lr=spec["lr"], momentum=spec["momentum"], weight_decay=spec["weightDecay"])


def training_step(item, model, x):
    labels = torch.randint(max(item["classes"], 1), (item["batch"],))
    optimizer = make_optimizer(item["optimizer"], model.parameters())

    def step():
        optimizer.zero_grad(set_to_none=True)
        y = model(x)
        loss = F.cross_entropy(y, labels) if item["classes"] else y.square().sum()
        loss.backward()
        optimizer.step()
        return loss

    return step


def inference_step(model, x):
    model.eval()

    def step():
        with torch.inference_mode():
            model(x)

    return step


def prepare(item, threads, channels_last):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = build(item["layers"])
    x = torch.randn(item["batch"], *item["input"])
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        if x.dim() == 4:
            x = x.contiguous(memory_format=torch.channels_last)
    return training_step(item, model, x) if item["kind"] == "train" else inference_step(model, x)


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
    channels_last = "--channels-last" in sys.argv[1:]
    step = None
    for line in iter(sys.stdin.readline, ""):
        message = json.loads(line)
        try:
            if message["command"] == "prepare":
                step = prepare(message["item"], message["threads"], channels_last)
                emit(event="ready", version=torch.__version__, notes=[])
            else:
                emit(event="times", **timed(step, message["steps"]))
        except Exception:
            emit(event="error", message=traceback.format_exc(limit=-2))


if __name__ == "__main__":
    main()
