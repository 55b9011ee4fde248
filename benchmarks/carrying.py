"""What carrying tags costs: ``htp.carry`` onto a file in which a tool kept no name and no tag.

Printed are the seconds of one core for graphs of several sizes, each in a process of its own, and
the seconds for a thousand nodes, which stay the same where the time is in proportion.

    python benchmarks/carrying.py
    python benchmarks/carrying.py --nodes 100000 --json carrying.json
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, Optional, Sequence

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "tools"))

import onnx
from reading import tagged
from renaming import renamed  # type: ignore[import-not-found]

import htp


def measure(nodes: int) -> Dict[str, float]:
    """Carry onto one file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tagged.onnx")
        tagged(nodes, path)
        old = htp.load(path)
        truth = [tag.stack for _, tag in old.nodes()]
        new = renamed(onnx.load(path))
        start = time.process_time()
        found = [tag.stack for _, tag in htp.carry(htp.load(path), new).nodes()]
        seconds = time.process_time() - start
    right = sum(one == other for one, other in zip(truth, found))
    return {"nodes": len(found), "seconds": seconds, "right": right / len(found)}


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Measure each size in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, nargs="*", default=[10_000, 50_000, 100_000])
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    rows = []
    for nodes in options.nodes:
        command = [sys.executable, __file__, "--one", str(nodes)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        rows.append(json.loads(done.stdout))
        row = rows[-1]
        each = 1000 * row["seconds"] / row["nodes"]
        print(
            f"{row['nodes']:7d} nodes: {row['seconds']:6.2f} s, {each:.3f} s for a thousand, "
            f"{row['right']:.2%} right",
            flush=True,
        )
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
