"""Exports of others that failed, and whose exceptions somebody keeps."""

import os
import subprocess
import sys

import pytest

import htp

USABLE = [info.name for info in htp.available_backends() if info.usable]

pytestmark = pytest.mark.skipif(
    "torchscript" not in USABLE, reason="this torch has no such exporter"
)

# Objects of dead graphs that an exception keeps may end the process without HTP as well. Where the
# traced graph comes to lie at the address of a dead one, torch 1.8 is handed an object that doesn't
# own it, so the graph is gone, and torch reads its inputs before it finds out
# (``_create_jit_graph`` in
# https://github.com/pytorch/pytorch/blob/v1.8.0/torch/onnx/utils.py). With torch alone 5 of 108
# runs of this script ended there. So the model keeps the state of its trace, which owns the graph,
# until the export has ended. Of the graphs that torch makes afterwards most lie at such an address.
# Torch looks at these before it works on them, and HTP is not to touch them either.
ALTERNATE = """
import inspect, io, random, warnings
import torch
from torch import nn
from torch.nn import functional
import htp

warnings.simplefilter("ignore")
random.seed(1)
OPTIONS = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
NOT_EXPORTED = [
    lambda x: torch.polygamma(1, x),
    lambda x: functional.adaptive_avg_pool2d(x[None, None], (3, 3)),
    lambda x: torch.einsum("ij,kj->ik", x, x),
    lambda x: functional.grid_sample(x[None, None], torch.zeros(1, 2, 2, 2)),
    lambda x: torch.fft.rfft(x).real,
]

class Bad(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.run = random.choice(NOT_EXPORTED)

    def forward(self, x):
        return self.run(torch.relu(self.linear(x)))

class Good(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.GELU())
            for _ in range(random.randrange(1, 6))
        )
        self.lstm = nn.LSTM(4, 4)

    def forward(self, x):
        traces.append(torch._C._get_tracing_state())
        for layer in self.layers:
            x = layer(x) + x * 1.5
        return self.lstm(x[:, None])[0].view(x.shape[0], -1)

kept, traces, ended = [], [], 0
for _ in range(60):
    try:
        torch.onnx.export(
            Bad().eval(), (torch.ones(2, 4),), io.BytesIO(), opset_version=9, **OPTIONS
        )
    except Exception as error:
        kept.append(error)
    try:
        htp.export(Good().eval(), (torch.ones(2, 4),), io.BytesIO(), backend="torchscript")
    except htp.CaptureError:
        pass  # as plain torch fails there
    traces.clear()
    ended += 1
assert kept
print("ended", ended)
"""


def test_a_kept_exception_of_plain_torch_does_not_end_the_process(tmp_path):
    script = tmp_path / "alternate.py"
    script.write_text(ALTERNATE, encoding="utf-8")
    path = os.pathsep.join(sys.path)  # HTP may be where only this process looks
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
        timeout=600,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    assert b"ended 60" in done.stdout
