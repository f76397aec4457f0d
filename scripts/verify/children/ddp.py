"""The milliseconds of a step of PyTorch's DistributedDataParallel over gloo, on one thread: the median.

ddp.py ITEM BATCH STEPS RANK SIZE ADDRESS; ITEM is a network of bench/lib/workloads.js as JSON. With SIZE 1, the
network alone.
"""

import json
import os
import sys
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "..", "bench", "systems"))
from torch_models import build  # noqa: E402

item = json.loads(bytes.fromhex(sys.argv[1]))
batch, steps, rank, size = map(int, sys.argv[2:6])
WARM_UP = 3

torch.set_num_threads(1)
torch.manual_seed(1)
model = build(item["layers"])
head = model[-1]
model[-1] = torch.nn.Linear(head.in_features, 10)
model = model.to(memory_format=torch.channels_last)
if size > 1:
    address = f"tcp://{sys.argv[6]}:29512"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=size)
    trained = torch.nn.parallel.DistributedDataParallel(model)
else:
    trained = model
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
x = torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
y = torch.randint(10, (batch,))

times = []
for _ in range(steps + WARM_UP):
    begin = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    F.cross_entropy(trained(x), y).backward()
    optimizer.step()
    times.append(1000 * (time.perf_counter() - begin))
times = sorted(times[WARM_UP:])
parameters = sum(p.numel() for p in model.parameters())
print(json.dumps({"median": times[len(times) // 2], "parameters": parameters}), flush=True)
if size > 1:
    dist.destroy_process_group()
