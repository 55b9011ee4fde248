"""What cutting a module out costs: HTP's ``extract`` beside ``onnx.utils.extract_model``.

The model is a ResNet-50 with random weights, and the part its ``layer1``. Both begin with the file
and end with a written part, and are timed in turn in one process; printed are the medians and the
median over the pairs of the ratio HTP / onnx. ``extract_model`` is told the names of the values
between which it cuts, which HTP finds out by itself.

    python benchmarks/extracting.py
    python benchmarks/extracting.py --backend torchscript --pairs 9 --module layer3 --json out.json
"""

import argparse
import json
import logging
import os
import statistics
import tempfile
import time
import warnings
from typing import Any, Callable, Dict, List

import onnx
import torch

import htp


def exported(folder: str, backend: str) -> str:
    """A ResNet-50 in a file."""
    from torchvision.models import resnet50

    path = os.path.join(folder, "model.onnx")
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = resnet50(weights=None).eval()
        htp.export(model, (torch.randn(1, 3, 224, 224),), path, backend=backend, verbose=False)
    return path


def timed(work: Callable[[], Any]) -> float:
    """How many seconds something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measured(path: str, module: str, pairs: int) -> Dict[str, Any]:
    """Both ways, in turn."""
    ours, theirs = f"{path}.htp.onnx", f"{path}.part.onnx"
    names = htp.load(path).boundary(module)
    inputs, outputs = list(names.inputs), list(names.outputs)
    seconds: Dict[str, List[float]] = {"htp": [], "onnx": []}
    for _ in range(pairs):
        seconds["htp"].append(timed(lambda: htp.load(path).extract(module).save(ours)))
        seconds["onnx"].append(
            timed(lambda: onnx.utils.extract_model(path, theirs, inputs, outputs))
        )
    onnx.checker.check_model(ours, full_check=True)
    ratios = [ours / theirs for ours, theirs in zip(seconds["htp"], seconds["onnx"])]
    return {
        "module": module,
        "bytes": os.path.getsize(path),
        "nodes": sum(1 for _ in htp.load(ours).nodes()),
        "seconds": {name: statistics.median(each) for name, each in seconds.items()},
        "ratio": statistics.median(ratios),
        "pairs": pairs,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="torchscript")
    parser.add_argument("--module", default="layer1")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--json", metavar="FILE")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(exported(folder, given.backend), given.module, given.pairs)
    found.update(backend=given.backend, torch=torch.__version__, onnx=onnx.__version__)
    seconds = found["seconds"]
    print(f"{found['module']} of a ResNet-50, {given.backend}, {found['nodes']} nodes")
    print(f"  htp.load(...).extract(...).save(...)   {seconds['htp']:.3f} s")
    print(f"  onnx.utils.extract_model               {seconds['onnx']:.3f} s")
    print(f"  median of the ratios of {given.pairs} pairs         {found['ratio']:.2f}")
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=2)


if __name__ == "__main__":
    main()
