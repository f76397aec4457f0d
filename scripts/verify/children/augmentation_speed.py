"""Images per second of torchvision.transforms.v2 from u8 images in memory to normalized f32 batches.

Usage: augmentation_speed.py SIDE RECIPE THREADS SECONDS; prints {"batched": ..., "perImage": ...}.
Batched draws once for a whole batch, which is less than a recipe asks for.
"""
import json
import sys
import time

import torch
from torchvision.transforms import v2

side, recipe, threads, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
torch.set_num_threads(threads)
torch.manual_seed(0)
source = 32 if side == 32 else 256
batch = torch.randint(0, 256, (128 if side == 32 else 32, 3, source, source), dtype=torch.uint8)
crop = v2.RandomCrop(32, padding=4) if side == 32 else v2.RandomResizedCrop(side, antialias=False)
more = [v2.RandAugment(2, 9)] if recipe == "randaugment" else []
transform = v2.Compose(
    [crop, v2.RandomHorizontalFlip(), *more, v2.ToDtype(torch.float32, scale=True)]
    + [v2.Normalize([0.48, 0.45, 0.41], [0.25, 0.24, 0.26])]
)


def rate(run):
    run()
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        run()
        count += len(batch)
    return count / (time.perf_counter() - begun)


print(
    json.dumps(
        {
            "batched": rate(lambda: transform(batch)),
            "perImage": rate(lambda: torch.stack([transform(image) for image in batch])),
        }
    )
)
