"""What a user of ultralytics writes: ``ultralytics_export.py plain`` or ``slim``."""

import sys

import torch
from ultralytics import YOLO

torch.manual_seed(0)
model = YOLO("yolov8n.yaml")


def plain():
    return model.export(format="onnx", imgsz=64, simplify=False)


def slim():
    return model.export(format="onnx", imgsz=64, simplify=True)


print("returned:", globals()[sys.argv[1]]())
