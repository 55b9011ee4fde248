"""What mmdeploy does: the export runs in a process of its own; ``deploy.py spawn`` or ``fork``.

https://github.com/open-mmlab/mmdeploy/blob/main/mmdeploy/apis/core/pipeline_manager.py
"""

import multiprocessing
import sys

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, image):
        return self.head(self.backbone(image).mean((2, 3)))


def torch2onnx(path):
    torch.manual_seed(0)
    torch.onnx.export(Net().eval(), (torch.randn(1, 3, 16, 16),), path, dynamo=False)


if __name__ == "__main__":
    torch.set_num_threads(1)  # threads that ran before a fork are not there in the child
    process = multiprocessing.get_context(sys.argv[1]).Process(
        target=torch2onnx, args=("model.onnx",)
    )
    process.start()
    process.join()
    print("returned:", process.exitcode)
