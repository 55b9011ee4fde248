"""What finding the wrong module costs: ``htp.verify`` against torch's own comparison of values.

From torch 2.7 ``torch.onnx.verification.verify_onnx_program`` compares the values inside a file
with those of PyTorch, each by a run of its own. Both get the same export of one model, a ResNet-18
by default, and are timed in turn in one process; printed is the median over the pairs of the ratio
HTP / torch, and how much each compared. HTP is timed on the clean file and on one with a wrong
weight, where it looks closer; torch's does the same on both.

    python benchmarks/verifying.py
    python benchmarks/verifying.py --model resnet18 --size 224 --pairs 3 --json verifying.json
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
import warnings
from importlib import import_module
from typing import Any, Callable, Dict, Tuple

import onnx
import torch
from onnx import numpy_helper

import htp


def timed(work: Callable[[], Any]) -> Tuple[float, Any]:
    """The seconds that something takes, and what it gave."""
    start = time.perf_counter()
    given = work()
    return time.perf_counter() - start, given


def faulty(path: str) -> str:
    """A copy of a file in which one weight in the middle is wrong."""
    model = onnx.load(path)
    weights = [t for t in model.graph.initializer if len(t.dims) > 1]
    weight = weights[len(weights) // 2]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.2, weight.name))
    new = os.path.join(os.path.dirname(path), "faulty.onnx")
    onnx.save_model(model, new)
    return new


def measured(name: str, size: int, pairs: int) -> Dict[str, Any]:
    """Time both on a model of torchvision."""
    from torch.onnx.verification import verify_onnx_program

    torch.manual_seed(0)
    models: Any = import_module("torchvision.models")
    model = getattr(models, name)(weights=None).eval()
    args = (torch.randn(1, 3, size, size),)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        tagged = htp.export(model, args, path, backend="fx", verbose=False)
        wrong = faulty(path)
        compare = tagged.program
        for _ in range(pairs):
            clean, found = timed(lambda: htp.verify(model, args, path))
            fault, named = timed(lambda: htp.verify(model, args, wrong))
            other, theirs = timed(
                lambda: verify_onnx_program(compare, args, compare_intermediates=True)
            )
            rows.append({"clean": clean, "faulty": fault, "torch": other})
            print({key: round(value, 2) for key, value in rows[-1].items()}, flush=True)
    return {
        "model": name,
        "size": size,
        "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(),
        "calls that HTP judged": len(found.rows),
        "found": str(named.first),
        "values that torch compared": len(theirs),
        "ratio, clean": statistics.median(row["clean"] / row["torch"] for row in rows),
        "ratio, faulty": statistics.median(row["faulty"] / row["torch"] for row in rows),
        "rows": rows,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # what torch warns of while it exports
    found = measured(arguments.model, arguments.size, arguments.pairs)
    for name, value in found.items():
        if name != "rows":
            print(f"{name}: {value:.3f}" if isinstance(value, float) else f"{name}: {value}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
