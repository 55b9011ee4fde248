"""Cuts every module call of every architecture out of its export, and judges each part.

    python tools/extract_measure.py [NAME...]     # writes tests/results/extract/torchX.Y.json

Exports are written to ``--cache FOLDER`` and kept there, else to a folder that goes away. With
names only the models whose names hold one of them are measured, and the others' results stay.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from extracting.measuring import (  # type: ignore[import-not-found]  # noqa: E402
    NotExportedError,
    measure,
)
from extracting.subjects import AXES, Judged, judged  # type: ignore[import-not-found]  # noqa: E402

import htp  # noqa: E402
from fingerprint import fingerprint  # noqa: E402
from written import as_json  # noqa: E402

__all__ = ["main"]

RESULTS = ROOT / "tests" / "results" / "extract"


def _measured(model: Judged, backend: str, cache: str) -> Dict[str, Any]:
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = measure(model, backend, cache).to_json()
            said = f"{found['given']} parts, {len(found.get('wrong', ()))} wrong"
        except NotExportedError as error:
            why = str(error).replace(cache, "")[:300]
            found, said = {"not_exported": why}, "torch does not export it"
    seconds = time.perf_counter() - began
    print(f"{backend} {model.axes} {model.name}: {said} ({seconds:.1f} s)", flush=True)
    return {**found, "kind": model.kind}


def _write(path: Path, runs: Mapping[str, Any], code: str) -> None:
    result = {
        "code": code,
        "torch": torch.__version__.partition("+")[0],
        "onnx": onnx.__version__,
        "onnxruntime": onnxruntime.__version__,
        "runs": runs,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(result, 4), encoding="utf-8")


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Measure with every backend that can run here."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--cache", help="where exports are kept")
    parser.add_argument("--axes", choices=AXES, action="append")
    options = parser.parse_args(arguments)
    release = ".".join(torch.__version__.split(".")[:2])
    path = RESULTS / f"torch{release}.json"
    code = fingerprint()
    before: Dict[str, Any] = {"code": "", "runs": {}}
    if path.exists() and (options.names or options.axes):
        before = json.loads(path.read_text("utf-8"))
    runs: Dict[str, Any] = before["runs"]
    whole = not options.names and set(options.axes or AXES) == set(AXES)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        cache = os.path.join(options.cache or folder, f"torch{release}")
        for axes in options.axes or AXES:
            for model in judged(axes):
                if options.names and not any(name in model.name for name in options.names):
                    continue
                for info in htp.available_backends():
                    if info.usable and info.name not in model.without:
                        rows = runs.setdefault(info.name, {}).setdefault(axes, {})
                        rows[model.name] = _measured(model, info.name, cache)
                        _write(path, runs, "")
    # the page says of which code these are: of none if some of them are of another
    _write(path, runs, code if whole or before["code"] == code else "")
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
