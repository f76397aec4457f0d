"""PyTorch on the CPU, as a child of bench/run.js.

    pytorch.py [--channels-last] [--bf16] [--mode eager|compiled|autotuned|frozen|scripted]

compiled and autotuned: torch.compile, the latter in mode max-autotune, for predictions with frozen weights,
without which it has fewer kernels to choose from. The others are for predictions. frozen: torch.compile with
the weights as constants. scripted: torch.jit.trace and torch.jit.freeze.
"""
import argparse
import contextlib

import torch
from torch.nn import functional as F

from child import serve
from torch_models import build

MODES = ("eager", "compiled", "autotuned", "frozen", "scripted")


def compiled(function, mode):
    if mode == "eager":
        return function
    return torch.compile(function, mode="max-autotune" if mode == "autotuned" else None)


def make_optimizer(spec, parameters):
    if spec["type"] == "adam":
        return torch.optim.Adam(parameters, lr=spec["lr"])
    return torch.optim.SGD(parameters, lr=spec["lr"], momentum=spec["momentum"], weight_decay=spec["weightDecay"])


def autocast(bf16):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16)


def training_step(item, model, x, options):
    labels = torch.randint(max(item["classes"], 1), (item["batch"],))
    optimizer = make_optimizer(item["optimizer"], model.parameters())

    def loss_of(x, labels):
        with autocast(options.bf16):
            y = model(x).float()
            return F.cross_entropy(y, labels) if item["classes"] else y.square().sum()

    forward, update = compiled(loss_of, options.mode), compiled(optimizer.step, options.mode)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = forward(x, labels)
        loss.backward()
        update()
        return loss

    return step


def scripted(model, x, bf16):
    """A trace records the casts of autocast; freezing makes those of weights constants."""
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16, cache_enabled=False):
        frozen = torch.jit.freeze(torch.jit.trace(model, x))
    return lambda: frozen(x)


def prediction_step(model, x, options):
    model.eval()
    if options.mode == "scripted":
        call, recast = scripted(model, x, options.bf16), contextlib.nullcontext()
    else:
        if options.mode in ("frozen", "autotuned"):
            import torch._inductor.config as inductor

            inductor.freezing = True
        predict, recast = compiled(model, options.mode), autocast(options.bf16)
        call = lambda: predict(x)

    def step():
        # Freezing refuses the tensors of inference mode.
        with torch.inference_mode() if options.mode == "eager" else torch.no_grad(), recast:
            call()

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


def product_step(spec, filled):
    n = spec["n"]
    a, b, y = filled([n, n]), filled([n, n]), filled([n, n])
    return lambda: torch.mm(a, b, out=y)


def adam_step(spec):
    parameter = torch.randn(spec["size"], requires_grad=True)
    parameter.grad = torch.randn(spec["size"])
    optimizer = torch.optim.Adam([parameter], lr=1e-3)
    return lambda: optimizer.step() and None


def kernel_step(spec, filled):
    if spec["type"] == "adam":
        return adam_step(spec)
    call = {"sgemm": product_step, "conv": convolution_step, "norm": norm_step}[spec["type"]](spec, filled)

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


def network_step(item, filled, options):
    model = build(item["layers"])
    x = filled([item["batch"], *item["input"]])
    if options.channels_last:
        model = model.to(memory_format=torch.channels_last)
    training = item["kind"] == "train"
    step = training_step(item, model, x, options) if training else prediction_step(model, x, options)
    if options.mode != "eager":
        # Compiles. The second step has gradients and states that the first one made, and may compile again.
        for _ in range(3):
            step()
    return step


def prepare(item, threads, options):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    # Autocast keeps the data of networks in fp32.
    dtype = torch.bfloat16 if options.bf16 and item["kind"] == "kernel" else torch.float32

    def filled(shape):
        t = torch.randn(shape).to(dtype)
        channels_last = options.channels_last and t.dim() == 4
        return t.contiguous(memory_format=torch.channels_last) if channels_last else t

    if item["kind"] == "kernel":
        return kernel_step(item["kernel"], filled), blas()
    return network_step(item, filled, options), blas()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--mode", choices=MODES, default="eager")
    options = parser.parse_args()
    serve(lambda item, threads: prepare(item, threads, options), torch.__version__)


if __name__ == "__main__":
    main()
