"""What a user of timm writes: ``timm_export.py torchscript`` or ``dynamo``."""

import sys

import timm
import torch
from timm.utils.onnx import onnx_export

torch.manual_seed(0)
model = timm.create_model("resnet18", num_classes=10)
sample = torch.randn(2, 3, 64, 64)


def torchscript():
    return onnx_export(model, "model.onnx", sample)


def dynamo():
    return onnx_export(model, "model.onnx", sample, use_dynamo=True)


print("returned:", globals()[sys.argv[1]](), model.training)
