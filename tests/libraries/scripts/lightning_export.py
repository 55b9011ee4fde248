"""What a user of lightning writes: ``lightning_export.py path``, ``memory``, ``dynamo`` ..."""

import inspect
import io
import sys
from pathlib import Path

import torch

try:
    from lightning.pytorch import LightningModule
except ImportError:  # the name of the package before 2.0
    from pytorch_lightning import LightningModule


class Classifier(LightningModule):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU())
        self.head = torch.nn.Linear(16, 4)
        self.example_input_array = torch.zeros(1, 8)

    def forward(self, x):
        return self.head(self.body(x))


torch.manual_seed(0)
model = Classifier()
older = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}


def path():
    return model.to_onnx("model.onnx", **older)


def memory():
    buffer = io.BytesIO()
    returned = model.to_onnx(buffer, **older)
    Path("model.onnx").write_bytes(buffer.getvalue())
    return returned


def dynamo():
    program = model.to_onnx(dynamo=True)
    program.save("model.onnx")
    return program


def dynamo_path():
    return model.to_onnx("model.onnx", dynamo=True)


print("returned:", type(globals()[sys.argv[1]]()).__qualname__, model.training)
