"""The model of which the reports in ``recorded`` are, and how they were made.

    python tests/profiling/devices.py FOLDER    writes the model, and onnxruntime's reports of it

OpenVINO's were made of that file by its own tool::

    benchmark_app -m model.onnx -d CPU -niter 4 -nireq 1 -nstreams 1 -hint none
        -report_type average_counters -report_folder FOLDER -exec_graph_path FOLDER/graph.xml

and once more with ``-report_type detailed_counters -json_stats``.

Two tests run OpenVINO itself, as a tool and as a provider of onnxruntime; where it is not
installed they are skipped. With ``openvino``, ``onnxruntime-openvino``, ``onnx``, ``click``,
``rich``, ``packaging`` and ``pytest`` in an environment without torch::

    python -m pytest --noconftest tests/profiling/test_reports.py tests/profiling/test_profile.py
"""

import sys
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from literal import model, node, value, weight

__all__ = ["RECORDED", "inputs", "network"]

RECORDED = Path(__file__).resolve().parent / "recorded"


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32) * 0.1


def inputs():
    return {"image": random(1, 8, 32, 32)}


def network():
    """Convolutions with a residual, and a head with a SiLU in two operations."""
    conv = {"attributes": {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}}
    nodes = [
        node("Conv", "image w1 b1", "s", "/stem/conv/Conv", "stem.conv", **conv),
        node("Relu", "s", "t", "/stem/act/Relu", "stem.act"),
        node("Conv", "t w2 b2", "u", "/block/conv1/Conv", "block.conv1", **conv),
        node("Relu", "u", "v", "/block/act/Relu", "block.act"),
        node("Conv", "v w3 b3", "w", "/block/conv2/Conv", "block.conv2", **conv),
        node("Add", "w t", "a", "/block/Add", "block"),
        node("Relu", "a", "r", "/block/act_1/Relu", "block.act", number=1),
        node("GlobalAveragePool", "r", "p", "/pool/GlobalAveragePool", "pool"),
        node("Flatten", "p", "f", "/Flatten", ""),
        node("MatMul", "f m1", "g", "/head/fc1/MatMul", "head.fc1"),
        node("Add", "g n1", "h", "/head/fc1/Add", "head.fc1"),
        node("Sigmoid", "h", "i", "/head/act/Sigmoid", "head.act"),
        node("Mul", "h i", "j", "/head/act/Mul", "head.act"),
        node("Gemm", "j m2 n2", "k", "/head/fc2/Gemm", "head.fc2"),
        node("Softmax", "k", "probabilities", "", ""),
    ]
    weights = [
        weight("w1", value=random(16, 8, 3, 3), parameter="stem.conv.weight"),
        weight("b1", value=random(16), parameter="stem.conv.bias"),
        weight("w2", value=random(16, 16, 3, 3), parameter="block.conv1.weight"),
        weight("b2", value=random(16), parameter="block.conv1.bias"),
        weight("w3", value=random(3 + 13, 16, 3, 3)[::-1].copy(), parameter="block.conv2.weight"),
        weight("b3", value=random(16)[::-1].copy(), parameter="block.conv2.bias"),
        weight("m1", value=random(16, 64), parameter="head.fc1.weight"),
        weight("n1", value=random(64), parameter="head.fc1.bias"),
        weight("m2", value=random(64, 10), parameter="head.fc2.weight"),
        weight("n2", value=random(10), parameter="head.fc2.bias"),
    ]
    image, out = value("image", 1, 8, 32, 32), value("probabilities", 1, 10)
    return model(nodes, [image], [out], weights)


def main(folder):
    import onnxruntime

    onnx.save_model(network(), str(folder / "model.onnx"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "onnxruntime")
    options.optimized_model_filepath = str(folder / "onnxruntime_optimised.onnx")
    session = onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    for _ in range(3):
        session.run(None, inputs())
    Path(session.end_profiling()).rename(folder / "onnxruntime_profile.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
