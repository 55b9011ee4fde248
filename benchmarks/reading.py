"""What reading a tagged file costs: HTP's ``load``, ``find``, ``tree`` and ``tag`` on many nodes.

The file is a chain of small blocks that HTP's own encoder tags: 100,000 nodes by default. Beside
them stands what anybody pays who looks at all nodes: ``onnx.load`` and a walk that reads each
node's operator and name. Both are timed in turn in one process, each on a model read anew; printed
is the median over the pairs of the ratio HTP / plain. The memory is the highest of a fresh process
that does nothing but read the file. Writing the tags (``encode``, which every export pays for) and
taking them out again (``strip``) are timed by the node.

    python benchmarks/reading.py
    python benchmarks/reading.py --nodes 10000 --pairs 9 --json reading.json
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import onnx
from onnx import helper

import htp
from htp.file import encode, records
from htp.graph.complete import complete
from htp.graph.records import CallRecord, Capture
from htp.scope import ModuleCall, Owner, Stack

BLOCK: Tuple[Tuple[str, str, Dict[str, Any]], ...] = (
    ("first", "Gemm", {"alpha": 1.0, "beta": 1.0, "transB": 1}),
    ("activation", "Relu", {}),
    ("second", "Gemm", {"alpha": 1.0, "beta": 1.0, "transB": 1}),
    ("", "Add", {}),
    ("norm", "LayerNormalization", {"axis": -1, "epsilon": 1e-5}),
)
"""The nodes of a block: the module below the block, the operator, and its attributes."""

WIDTH = 8
PLAIN, WHOLE = "onnx.load and a walk", "all of HTP"
Seconds = Dict[str, float]


def untagged(nodes: int) -> Tuple[bytes, List[Stack]]:
    """A serialised chain of blocks as torch writes it, and the module calls of its nodes."""
    made, stacks, value = [], [], "x"
    for number in range(nodes):
        block, (below, op, attributes) = f"blocks.{number // 5}", BLOCK[number % 5]
        path = ".".join(filter(None, (block, below)))
        name = f"/{path.replace('.', '/')}/{op}"
        inputs = [value] if op == "Relu" else [value, f"weight.{number % 50}"]
        made.append(helper.make_node(op, inputs, [f"{name}_output_0"], name, **attributes))
        around = (ModuleCall("", "model.Chain", 0), ModuleCall(block, "model.Block", 0))
        inner = (ModuleCall(path, f"torch.nn.modules.{op}", 0),) if below else ()
        stacks.append((*around, *inner))
        value = made[-1].output[0]
    content = bytes(4 * WIDTH * WIDTH)
    shape, kind = (WIDTH, WIDTH), onnx.TensorProto.FLOAT
    weights = [helper.make_tensor(f"weight.{n}", kind, shape, content, raw=True) for n in range(50)]
    ends = [helper.make_tensor_value_info(name, kind, (1, WIDTH)) for name in ("x", value)]
    graph = helper.make_graph(made, "main_graph", ends[:1], ends[1:], weights)
    return helper.make_model(graph).SerializeToString(), stacks


def tagged(nodes: int, path: str) -> Seconds:
    """Write a tagged chain of blocks, and say how long each step took."""
    data, stacks = untagged(nodes)
    seconds: Seconds = {}
    outline = records.outline_of(data)
    record = _timed(seconds, "record", lambda: records.record_model(records.outline_of(data)))
    for node, stack in zip(record.nodes, stacks):
        node.owner = Owner(stack)
    calls = dict.fromkeys(stack[:depth] for stack in stacks for depth in range(1, len(stack) + 1))
    capture = Capture(record, calls=tuple(map(CallRecord, calls)))
    tags = complete(capture)
    name = htp.backend or ""

    def encoded() -> Any:
        made = encode.made(encode.Written(data, outline), capture, tags, name)
        return encode.with_tags(data, made, name)

    file = _timed(seconds, "encode", encoded)
    file.save(path)
    return seconds


def _timed(seconds: Seconds, what: str, work: Callable[[], Any]) -> Any:
    start = time.process_time()  # nothing here waits, and other work on the machine counts less
    result = work()
    seconds[what] = time.process_time() - start
    return result


def plain(path: str) -> Seconds:
    """What anybody pays who looks at all nodes."""
    seconds: Seconds = {}

    def walk() -> None:
        for node in onnx.load(path).graph.node:
            _ = node.op_type, node.name

    _timed(seconds, PLAIN, walk)
    return seconds


def ours(path: str) -> Seconds:
    """What HTP's reading costs, one after the other on one model."""
    seconds: Seconds = {}
    model = _timed(seconds, "load", lambda: htp.load(path))
    _timed(seconds, "find", lambda: model.find("blocks.1*", op_type="Gemm"))
    _timed(seconds, "tree", model.tree)
    last = model.model.graph.node[-1].output[0]
    _timed(seconds, "tag", lambda: model.tag(last))
    seconds[WHOLE] = sum(seconds.values())
    return seconds


def stripping(path: str) -> Seconds:
    """What it costs to take the tags out of a model that was just read."""
    seconds: Seconds = {}
    model = htp.load(path)
    _timed(seconds, "strip", model.strip)
    return seconds


def peak_mib(path: str, way: str) -> float:
    """Highest resident memory of a fresh process that reads the file.

    A process begins with the peak of the one that started it, so a small one stands between them.
    """
    code = (
        "import onnx, htp.tagged, resource, sys; kept = {};"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    read = {"onnx": "onnx.load(sys.argv[1])", "htp": "htp.load(sys.argv[1])"}[way]
    start = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]], check=True)"
    )
    command = [sys.executable, "-c", start, code.format(read), path]
    peak = float(subprocess.run(command, check=True, capture_output=True).stdout)
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def measure(nodes: int, pairs: int) -> Dict[str, Any]:
    """Samples of both ways, their ratios and the memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        writing = [tagged(nodes, path) for _ in range(pairs)]
        samples = [{**plain(path), **ours(path), **stripping(path)} for _ in range(pairs)]
        memory = {way: peak_mib(path, way) for way in ("onnx", "htp")}
        size = os.path.getsize(path)
    return {
        "nodes": nodes,
        "file_mib": size / 2**20,
        "seconds": {name: _median(samples, name) for name in samples[0]},
        "ratio": statistics.median(sample[WHOLE] / sample[PLAIN] for sample in samples),
        "writing_ms_a_node": {
            name: _median(writing, name) / nodes * 1000 for name in ("record", "encode")
        },
        "peak_mib": memory,
        "samples": samples,
    }


def _median(samples: Sequence[Seconds], name: str) -> float:
    return statistics.median(sample[name] for sample in samples)


def report(result: Dict[str, Any]) -> str:
    """The results as text."""
    plain_seconds = result["seconds"][PLAIN]
    lines = [f"{result['nodes']} nodes, {result['file_mib']:.0f} MiB"]
    for name, seconds in result["seconds"].items():
        lines.append(f"  {name:22}{seconds:8.3f} s{seconds / plain_seconds:8.2f} of plain")
    lines.append(f"load, find, tree and tag together: {result['ratio']:.2f} of plain")
    for name, milliseconds in result["writing_ms_a_node"].items():
        lines.append(f"  {name:22}{milliseconds:8.4f} ms a node")
    peaks = ", ".join(f"{way} {mib:.0f} MiB" for way, mib in result["peak_mib"].items())
    lines.append(f"highest memory of a process that reads it: {peaks}")
    return "\n".join(lines)


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Read the options, measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=100_000, help="nodes (default: 100000)")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of readings (default: 5)")
    parser.add_argument("--json", metavar="FILE", help="also write every sample there")
    options = parser.parse_args(arguments)
    if options.pairs < 1 or options.nodes < 1:
        parser.error("--pairs and --nodes must be at least 1")
    result = measure(options.nodes, options.pairs)
    print(f"onnx {onnx.__version__}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(report(result))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
