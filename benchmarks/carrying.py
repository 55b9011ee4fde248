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
from typing import Dict, Optional, Sequence

import onnx
from reading import tagged

import htp


def anonymous(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with other names for nodes and values, without metadata of nodes."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    names: Dict[str, str] = {"": ""}

    def of(name: str) -> str:
        return names.setdefault(name, f"v{len(names) * 7919 % 1000003}")

    graph = copy.graph
    for value in graph.input:
        value.name = of(value.name)
    for tensor in graph.initializer:
        tensor.name = of(tensor.name)
    for at, node in enumerate(graph.node):
        node.name = f"n{at}"
        node.input[:] = map(of, node.input)
        node.output[:] = map(of, node.output)
        del node.metadata_props[:]
    for value in graph.output:
        value.name = of(value.name)
    del graph.value_info[:]
    return copy


def measure(nodes: int) -> Dict[str, float]:
    """Carry onto one file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tagged.onnx")
        tagged(nodes, path)
        old = htp.load(path)
        truth = [tag.stack for _, tag in old.nodes()]
        new = anonymous(onnx.load(path))
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
