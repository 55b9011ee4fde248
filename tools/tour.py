"""Run examples/tour.ipynb anew, with its outputs; ``--check`` says where they would be others.

Needs what the dependency group ``notebook`` names, torch and onnxruntime. Outputs differ in times
and figures from run to run; of what kind they are does not.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, List

import nbformat
from nbclient import NotebookClient

TOUR = Path(__file__).resolve().parent.parent / "examples" / "tour.ipynb"
"""The notebook."""
MOST = 200_000
"""Bytes that it may have."""
SECONDS = 120
"""In which a cell has to end."""


def executed(notebook: Any) -> Any:
    """A notebook with the outputs of a run in a folder of its own, and nothing of the machine."""
    made = nbformat.from_dict(notebook)
    with tempfile.TemporaryDirectory(prefix="htp-tour-") as folder:
        about = {"metadata": {"path": folder}}
        client = NotebookClient(made, timeout=SECONDS, kernel_name="python3", resources=about)
        # torch says so in a log where torchvision is missing, which is no matter of the tour
        client.execute(env={**os.environ, "TORCH_LOGS": "-onnx"})
    made.metadata["language_info"] = {"name": "python"}
    for cell in made.cells:
        cell.metadata.pop("execution", None)
    return made


def kinds(notebook: Any) -> List[List[str]]:
    """Of which kinds the outputs of each cell with code are, in the order in which they came."""
    return [
        [_kind(output) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _kind(output: Any) -> str:
    if output.output_type == "stream":
        return str(output.name)
    return " ".join([output.output_type, *sorted(output.get("data", {}))])


def unfit(notebook: Any) -> List[str]:
    """What may not stand in the notebook as it is kept: paths of this machine, and too much."""
    text = nbformat.writes(notebook)
    found = [
        path
        for path in (str(Path.home()), sys.prefix, os.getcwd(), tempfile.gettempdir())
        if path in text
    ]
    wrong = [f"it tells of {path}" for path in found if len(path) > 1]
    seen = {kind for each in kinds(notebook) for kind in each}
    wrong += [f"a cell ends in {kind}" for kind in seen if kind in ("error", "stderr")]
    size = len(text.encode("utf-8"))
    return wrong + [f"it has {size} bytes"] * (size > MOST)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    asked = parser.parse_args()
    kept = nbformat.read(TOUR, as_version=4)
    made = executed(kept)
    wrong = unfit(made)
    if asked.check and kinds(made) != kinds(kept):
        wrong.append("its outputs are of other kinds: run tools/tour.py")
    for each in wrong:
        print(f"{TOUR.name}: {each}", file=sys.stderr)
    if not (asked.check or wrong):
        nbformat.write(made, TOUR)
        print(f"{TOUR.name}: {TOUR.stat().st_size} bytes")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
