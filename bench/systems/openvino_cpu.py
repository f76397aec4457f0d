"""OpenVINO on the CPU, predictions only, as a child of bench/run.js: openvino_cpu.py [--bf16]

Converts the module that PyTorch runs. Not named openvino.py, which would hide the package.
"""
import sys

import openvino
import torch

from child import serve
from torch_models import build


def prepare(item, threads, bf16):
    torch.manual_seed(1)
    x = torch.randn([item["batch"], *item["input"]])
    model = openvino.convert_model(build(item["layers"]).eval(), example_input=x)
    model.reshape({0: list(x.shape)})
    properties = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
    }
    request = openvino.Core().compile_model(model, "CPU", properties).create_infer_request()
    inputs = [x.numpy()]

    def step():
        request.infer(inputs, share_inputs=True)

    return step, []


if __name__ == "__main__":
    bf16 = "--bf16" in sys.argv[1:]
    serve(lambda item, threads: prepare(item, threads, bf16), openvino.__version__.split("-")[0])
