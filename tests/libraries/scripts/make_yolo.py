"""Saves an untrained model of ultralytics as its users have a trained one: ``yolov8n.pt``."""

import torch
from ultralytics import YOLO

torch.manual_seed(0)
model = YOLO("yolov8n.yaml")
model.ckpt = model.ckpt or {}  # some versions add what they save to what they loaded
model.save("yolov8n.pt")
