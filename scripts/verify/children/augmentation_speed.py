"""Images per second of torchvision.transforms.v2 from u8 images in memory to normalized f32 batches, the better of two
orders in memory.

Usage: augmentation_speed.py SIDE RECIPE THREADS SECONDS [alone]; prints {"perImage": ..., "batched": ...}.
Images one by one go through one process of all threads and, as a DataLoader does it, through as many processes of one
thread (which are started with "alone", and print their perImage only); the better counts. Batched draws once for a
whole batch, which is less than a recipe asks for. Images of the recipe "own sizes" have none, so there is no batched
figure.
"""
import json
import subprocess
import sys
import time

import torch
from torchvision.transforms import v2

SIZES = [(375, 500), (500, 375), (333, 500)]  # those of augmentation-speed.mjs

side, recipe, threads, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
torch.set_num_threads(threads)
torch.manual_seed(0)
count = 128 if side == 32 else 32
crop = v2.RandomCrop(32, padding=4) if side == 32 else v2.RandomResizedCrop(side)
more = [v2.RandAugment(2, 9)] if recipe == "randaugment" else []
transform = v2.Compose(
    [crop, v2.RandomHorizontalFlip(), *more, v2.ToDtype(torch.float32, scale=True)]
    + [v2.Normalize([0.48, 0.45, 0.41], [0.25, 0.24, 0.26])]
)


def rate(run):
    run()
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds / 2:
        run()
        done += count
    return done / (time.perf_counter() - begun)


def images(layout):
    source = 32 if side == 32 else 256
    sizes = SIZES if recipe == "own sizes" else [(source, source)]
    made = (torch.randint(0, 256, (1, 3, *sizes[i % len(sizes)]), dtype=torch.uint8) for i in range(count))
    return [image.contiguous(memory_format=layout)[0] for image in made]


def batched(layout):
    batch = torch.stack(images(layout)).contiguous(memory_format=layout)
    return rate(lambda: transform(batch))


def per_image(layout):
    batch = images(layout)
    return rate(lambda: torch.stack([transform(image) for image in batch]))


def in_processes():
    args = [sys.executable, *sys.argv[:3], "1", sys.argv[4], "alone"]
    children = [subprocess.Popen(args, stdout=subprocess.PIPE) for _ in range(threads)]
    return sum(json.loads(child.communicate()[0])["perImage"] for child in children)


LAYOUTS = [torch.contiguous_format, torch.channels_last]
alone = sys.argv[5:] == ["alone"]
best = {"perImage": max(map(per_image, LAYOUTS))}
if not alone and threads > 1:
    best["perImage"] = max(best["perImage"], in_processes())
if not alone and recipe != "own sizes":
    best["batched"] = max(map(batched, LAYOUTS))
print(json.dumps(best))
