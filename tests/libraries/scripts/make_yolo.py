"""Saves an untrained model of ultralytics as its users have a trained one: ``yolov8n.pt``."""

import torch
from ultralytics import YOLO

torch.manual_seed(0)
YOLO("yolov8n.yaml").save("yolov8n.pt")
