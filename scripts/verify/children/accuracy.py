"""The errors of PyTorch's float32 against its float64, for the cases that accuracy.mjs writes to standard input. Prints
{ version, errors: [{ result: error }] }. Convolutions are computed in both of PyTorch's layouts, which sum in different orders."""

import json
import sys

import torch
import torch.nn.functional as F

torch.manual_seed(0)
CHANNELS_LAST = torch.channels_last


def product(dtype, inputs):
    a, b = (t.to(dtype) for t in inputs)
    return {"y": a @ b}


def convolution(result, by):
    def run(dtype, inputs, layout=torch.contiguous_format):
        x, w, dy = (t.to(dtype).to(memory_format=layout).detach().clone().requires_grad_() for t in inputs)
        y = F.conv2d(x, w, padding=w.shape[-1] // 2)
        if by is None:
            return {result: y}
        y.backward(dy.detach())
        return {result: (x, w)[by].grad}

    return run


def images(channels, pixels=400):
    return torch.randn(pixels // 400, channels, 20, 20)


def batch_norm(dtype, inputs):
    x, dy = (t.to(dtype, copy=True) for t in inputs)
    gamma, beta = torch.ones(2, dtype=dtype, requires_grad=True), torch.zeros(2, dtype=dtype)
    y = F.batch_norm(x.requires_grad_(), None, None, gamma, beta, training=True)
    y.backward(dy)
    return {"y": y, "dx": x.grad, "dgamma": gamma.grad}


def elementwise(fn):
    def run(dtype, inputs):
        x, dy = (t.to(dtype, copy=True) for t in inputs)
        y = fn(x.requires_grad_())
        y.backward(dy)
        return {"y": y, "dx": x.grad}

    return run


def cross_entropy(dtype, inputs):
    x = inputs[0].to(dtype, copy=True).requires_grad_()
    loss = F.cross_entropy(x, torch.tensor([0, x.shape[1] // 2]))
    loss.backward()
    return {"loss": loss, "dx": x.grad}


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
    "nadam": lambda p: torch.optim.NAdam(p, lr=0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
}


def optimizer(name):
    def run(dtype, gradients):
        w = torch.ones(1000, dtype=dtype, requires_grad=True)
        step = OPTIMIZERS[name]([w])
        for g in gradients:
            w.grad = g.to(dtype, copy=True)
            step.step()
        return {"w": w.detach().double() - 1}

    return run


def two(*shape, mean=0):
    return [torch.randn(*shape) + mean, torch.randn(*shape)]


# kind: (what it computes, its inputs), from the case's arguments
KINDS = {
    "product": lambda k: (product, [torch.randn(32, k), torch.randn(k, 32)]),
    "conv_forward": lambda c, k: (convolution("y", None), [images(c), torch.randn(32, c, k, k), images(32)]),
    "conv_data": lambda c, k: (convolution("dx", 0), [images(32), torch.randn(c, 32, k, k), images(c)]),
    "conv_weights": lambda p, k: (convolution("dw", 1), [images(16, p), torch.randn(16, 16, k, k), images(16, p)]),
    "batch_norm": lambda n, ratio: (batch_norm, two(n, 2, mean=ratio)),
    "layer_norm": lambda n, ratio: (elementwise(lambda x: F.layer_norm(x, [n])), two(2, n, mean=ratio)),
    "group_norm": lambda n, ratio: (elementwise(lambda x: F.group_norm(x, 2)), two(2, 4, n // 2, mean=ratio)),
    "softmax": lambda n: (elementwise(lambda x: F.softmax(x, 1)), two(2, n)),
    "cross_entropy": lambda n: (cross_entropy, [torch.randn(2, n)]),
    "optimizer": lambda name, steps: (optimizer(name), [torch.randn(1000) for _ in range(steps)]),
}


def squared_errors(actual, exact):
    return {k: ((v.detach().double() - exact[k]).norm() / exact[k].norm()).item() ** 2 for k, v in actual.items()}


def errors_of(kind, args, seeds):
    sums = {}
    for _ in range(seeds):
        run, inputs = KINDS[kind](*args)
        exact = run(torch.float64, inputs)
        found = squared_errors(run(torch.float32, inputs), exact)
        if kind.startswith("conv"):
            last = squared_errors(run(torch.float32, inputs, CHANNELS_LAST), exact)
            found.update({f"{k} channels-last": v for k, v in last.items()})
        for k, v in found.items():
            sums[k] = sums.get(k, 0) + v / seeds
    return {k: v**0.5 for k, v in sums.items()}


cases = json.load(sys.stdin)
errors = [errors_of(case["kind"], case["args"], case["seeds"]) for case in cases]
print(json.dumps({"version": torch.__version__, "errors": errors}))
