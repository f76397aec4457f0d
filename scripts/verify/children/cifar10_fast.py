"""The recipe of cifar10-recipe.json with PyTorch: python3 cifar10_fast.py DIRECTORY SEED THREADS. Input and output as cifar10-fast.mjs.

Images are augmented and normalized a batch at a time by tensor operations, so that no loader limits the figure.
"""
import json
import pathlib
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

directory, seed, threads = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
recipe = json.loads((pathlib.Path(__file__).parent / "cifar10-recipe.json").read_text())
torch.manual_seed(seed)
torch.set_num_threads(threads)  # OMP_PROC_BIND alone would leave it one


def read(split):
    images = np.fromfile(directory / f"{split}.images", np.uint8).reshape(-1, 32, 32, 3)
    labels = np.fromfile(directory / f"{split}.labels", np.uint8)
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255), torch.from_numpy(labels).long()


def block(c, k, pool):
    return [nn.Conv2d(c, k, 3, padding=1, bias=False), *([nn.MaxPool2d(2)] if pool else []), nn.BatchNorm2d(k), nn.ReLU()]


def network(a, b, c, d):
    return nn.Sequential(*block(3, a, False), *block(a, b, True), *block(b, b, False), *block(b, c, True), *block(c, c, False),
                         *block(c, d, True), *block(d, d, False), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(d, 10))


def factor(step, total):
    top = recipe["warmupShare"] * total
    if step < top:
        return recipe["startFactor"] + (1 - recipe["startFactor"]) * step / top
    return max(recipe["endFactor"], (total - step) / (total - top))


def augmented(x, pad):
    """A random crop of the zero-padded image and a random mirror, each image its own."""
    n = x.shape[0]
    padded = F.pad(x, (pad,) * 4)
    rows = torch.randint(0, 2 * pad + 1, (n, 1)) + torch.arange(32)
    cols = torch.randint(0, 2 * pad + 1, (n, 1)) + torch.arange(32)
    flip = torch.rand(n, 1) < 0.5
    cols = torch.where(flip, cols.flip(1), cols)
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None], cols[:, None, :]].permute(0, 3, 1, 2)


def main():
    (x, y), (test_x, test_y) = read("train"), read("test")
    mean, std = x.mean((0, 2, 3), keepdim=True), x.std((0, 2, 3), keepdim=True)
    x.sub_(mean).div_(std)
    test_x.sub_(mean).div_(std)
    model = network(*recipe["widths"]).to(memory_format=torch.channels_last)
    biases = [p for n, p in model.named_parameters() if n.endswith(".bias")]
    weights = [p for n, p in model.named_parameters() if not n.endswith(".bias")]
    groups = [{"params": weights}, {"params": biases, "weight_decay": 0}]
    update = torch.optim.SGD(groups, recipe["lr"], recipe["momentum"], weight_decay=recipe["weightDecay"], nesterov=True)
    loss_of = nn.CrossEntropyLoss(label_smoothing=recipe["labelSmoothing"])
    size, epochs = recipe["batchSize"], recipe["epochs"]
    per_epoch = (len(x) + size - 1) // size
    begun = time.perf_counter()
    for epoch in range(epochs):
        order, total = torch.randperm(len(x)), 0.0
        for i in range(per_epoch):
            rows = order[i * size:(i + 1) * size]
            for group in update.param_groups:
                group["lr"] = recipe["lr"] * factor(epoch * per_epoch + i, epochs * per_epoch)
            batch = augmented(x[rows], recipe["cropPadding"]).contiguous(memory_format=torch.channels_last)
            loss = loss_of(model(batch), y[rows])
            update.zero_grad(set_to_none=True)
            loss.backward()
            update.step()
            total += loss.item() * len(rows)
        print(json.dumps({"type": "epoch", "epoch": epoch + 1, "trainLoss": total / len(x)}), flush=True)
    seconds = time.perf_counter() - begun
    model.eval()
    with torch.no_grad():
        hits = sum((model(test_x[i:i + 500]).argmax(1) == test_y[i:i + 500]).sum().item() for i in range(0, len(test_x), 500))
    print(json.dumps({"accuracy": hits / len(test_x), "seconds": seconds}))


main()
