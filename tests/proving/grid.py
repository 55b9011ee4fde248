"""Plants faults in files of small architectures and counts which modules htp.verify names.

    python tests/proving/grid.py -o RESULTS [--only TEXT...] [--faults N] [--pairs N]

RESULTS gets a file for each architecture and backend. A fault is planted in the plain file, which
is judged as it is (``plain``), as onnxruntime optimises it for a session (``session``), and as
onnxruntime saves it (``extended``). Clean files of each kind, in 16 bits and quantised
are judged as well.
"""

import argparse
import collections
import logging
import random
import sys
import tempfile
import traceback
import warnings
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tools")]

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from oracles.subject import export  # noqa: E402
from oracles.values import known_owners  # noqa: E402
from proving.planting import Plain, planted  # noqa: E402
from proving.scoring import is_gone, verdict  # noqa: E402
from tools.rewriters import half_of_onnxruntime, static  # noqa: E402
from zoo import subjects  # noqa: E402

import htp  # noqa: E402
from fingerprint import fingerprint  # noqa: E402
from written import as_json  # noqa: E402

ARCHITECTURES = [
    "transformers:bert",
    "transformers:gpt2",
    "transformers:llama",
    "transformers:t5",
    "transformers:vit",
    "torchvision:resnet",
    "torchvision:mobilenet_v2",
]
SAVED = ("extended",)
TOLD = ("torch", "onnx", "onnxruntime", "numpy", "transformers", "torchvision")
LEAST_RESULT = 1e-4
"""By how much the results must be off, for a fault to have outlived an optimiser."""


class Bench:
    """One architecture through one backend."""

    def __init__(self, subject, backend, folder):
        self.folder = Path(folder)
        self.exported = export(subject, backend, folder)
        self.example = self.exported.model, self.exported.args, self.exported.kwargs
        tagged = self.exported.tagged
        names = [value.name for value in tagged.model.graph.input]
        feeds = {name: each.numpy() for name, each in zip(names, self.exported.args)}
        self.plain = Plain(tagged, folder, feeds)
        self.feeds = feeds
        self.known = known_owners(self.exported)

    def disputed(self, fault):
        """Whether an eager run says that another call computes what the node does."""
        names = self.plain.nodes[fault.node].output
        return any(self.known[n] not in fault.truth for n in names if n in self.known)

    def confirmed(self, fault):
        """Whether an eager run says that this call does."""
        return any(name in self.known for name in self.plain.nodes[fault.node].output)

    def files(self, model):
        """A file in each form: its name, the path, and the level that sessions run it with."""
        path = str(self.folder / "faulty.onnx")
        onnx.save_model(model, path)
        yield "plain", path, "none"
        yield "session", path, "all"
        for level in SAVED:
            saved = str(self.folder / f"{level}.onnx")
            optimised(path, saved, level)
            yield level, saved, "none"

    def verify(self, path, level):
        model, args, kwargs = self.example
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # htp.load says that tags are carried
            return htp.verify(model, args, path, kwargs, level=level)


def optimised(old, new, level):
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = getattr(levels, f"ORT_ENABLE_{level.upper()}")
    options.optimized_model_filepath = new
    options.log_severity_level = 4
    onnxruntime.InferenceSession(old, options, providers=["CPUExecutionProvider"])


def judged(bench, faults):
    """What is found of faults in each form of the file."""
    rows = {}
    for form, path, level in bench.files(planted(bench.plain, faults)):
        found = bench.verify(path, level)
        if not found.culprits and is_gone(found, LEAST_RESULT):
            rows[form] = "gone"
            continue
        rows[form] = verdict(found, faults)
        if rows[form] != "exact":
            told = [[str(row.call), [str(call) for call in row.group]] for row in found.culprits]
            rows.setdefault("named", {})[form] = told
            print(
                f"  {form}: {rows[form]}: {[fault.name for fault in faults]} -> {told}", flush=True
            )
    return rows


def singles(bench, faults):
    found = []
    for fault in faults:
        if bench.disputed(fault):
            found.append({"fault": fault.name, "disputed": True})
            continue
        row = {"fault": fault.name, "kind": fault.kind, "confirmed": bench.confirmed(fault)}
        found.append({**row, **judged(bench, [fault])})
    return found


def pairs(bench, faults, rows, count, seed):
    """Two faults at once, in each form of the file in which both can be seen alone."""
    drawn = [(f, row) for f, row in zip(faults, rows) if "disputed" not in row]
    draw, found = random.Random(seed), []
    for _ in range(10 * count):
        (one, first), (two, second) = draw.sample(drawn, 2)
        if len(found) < count and not set(one.truth) & set(two.truth):
            told = judged(bench, [one, two])
            kept = {k: v for k, v in told.items() if "gone" not in (first.get(k), second.get(k))}
            found.append({"faults": [one.name, two.name], **kept})
    return found


def clean(bench):
    """What is found in files that nobody made wrong."""
    rows = {}
    for form, path, level in bench.files(bench.plain.model):
        rows[form] = told(bench.verify(path, level))
    path = str(bench.folder / "faulty.onnx")
    for form, rewrite in (("half", half_of_onnxruntime), ("quantised", static("QDQ").rewrite)):
        new = str(bench.folder / f"{form}.onnx")
        try:
            rewrite(path, new, bench.feeds)
        except Exception as error:  # the tool's own answer
            rows[form] = {"tool": f"{type(error).__name__}: {str(error)[:100]}"}
            continue
        for level in ("none", "all"):
            rows[f"{form}, {level}"] = told(bench.verify(new, level), form == "quantised", new)
    return rows


def told(found, quantised=False, path=None):
    row = {
        "rows": len(found.rows),
        "not_judged": len(found.not_judged),
        "diverges": sum(row.diverges for row in found.rows),
        "named": [str(row.call) for row in found.culprits][:40],
        "remarks": list(found.remarks),
    }
    if quantised:
        try:
            row["named without a quantised operator"] = without_quantised(found, path)
        except htp.InvalidModelError as error:  # too little of it is found again
            row["tags"] = str(error).split("\n", 1)[0]
    return row


def without_quantised(found, path):
    """Of the calls that are named those in which no node reads or makes what is quantised."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tagged = htp.load(path)
    ops = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
    owners = set()
    for node, tag in tagged.nodes():
        if node.op_type in ops or node.op_type.startswith("QLinear"):
            owners.update((*tag.stack[-1:], *tag.shared))
    return [str(r.call) for r in found.culprits if not {r.call, *r.group} & owners]


def counted(rows):
    forms = [form for form in ("plain", "session", *SAVED) if any(form in row for row in rows)]
    return {form: dict(collections.Counter(r[form] for r in rows if form in r)) for form in forms}


def measured(subject, backend, arguments):
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(subject, backend, folder)
        faults = bench.plain.drawn(arguments.faults, arguments.seed)
        ones = singles(bench, faults)
        twos = pairs(bench, faults, ones, arguments.pairs, arguments.seed)
        return {
            "schema": 1,
            "code": fingerprint(Path(htp.__file__).parent),
            "versions": {name: metadata.version(name) for name in TOLD},
            "architecture": subject.name,
            "backend": backend,
            "seed": arguments.seed,
            "clean": clean(bench),
            "singles": {"counts": counted(ones), "rows": ones},
            "pairs": {"counts": counted(twos), "rows": twos},
        }


def main():
    logging.disable(logging.WARNING)  # the quantiser's
    warnings.simplefilter("ignore")  # torch's, while it exports
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("-o", "--output", required=True, metavar="RESULTS")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--faults", type=int, default=24)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    known = {subject.name: subject for subject in subjects()}
    for name in ARCHITECTURES:
        for backend in ("torchscript", "fx"):
            title = f"{name.replace(':', '-')}-{backend}"
            if arguments.only and not any(text in title for text in arguments.only):
                continue
            print(title, flush=True)
            try:
                document = measured(known[name], backend, arguments)
            except Exception:
                traceback.print_exc()
                continue
            (output / f"{title}.json").write_text(as_json(document, 3), encoding="utf-8")
            print(document["singles"]["counts"], document["pairs"]["counts"], flush=True)


if __name__ == "__main__":
    main()
