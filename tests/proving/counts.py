"""How often modules are blamed rightly between two files, counted on real architectures.

    PYTHONPATH=.:tests python tests/proving/counts.py bisect|files|sensitivity -o RESULTS

RESULTS gets a file for each. Needs torch, transformers, torchvision and onnxruntime of
constraints/torch2.15.txt. Faults are planted in plain files whose owners were captured
(``planting.py``); what a tool makes of them afterwards does not change the truth. Of quantised
files the scale of a weight is planted, 1.3 times too large, in what the quantiser wrote.
"""

import argparse
import contextlib
import io
import json
import logging
import random
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from oracles.subject import export
from proving.planting import Plain, planted, run
from zoo import subjects

import htp
from htp.proving.measure import Measure, measure
from htp.testing.running import named_inputs

LEVELS = {"basic": "ORT_ENABLE_BASIC", "extended": "ORT_ENABLE_EXTENDED"}


class Feeder(CalibrationDataReader):
    """Hands samples to a quantiser."""

    def __init__(self, feeds):
        self.left = list(feeds)

    def get_next(self):
        return self.left.pop() if self.left else None


class Made:
    """An architecture, exported, with what tools make of it."""

    def __init__(self, name, backend, folder):
        self.name, self.backend, self.folder = name, backend, Path(folder)
        subject = {each.name: each for each in subjects()}[name]
        with contextlib.redirect_stdout(io.StringIO()):
            self.exported = export(subject, backend, folder)
        self.path = self.exported.path
        session = onnxruntime.InferenceSession(self.path, providers=["CPUExecutionProvider"])
        shapes = {value.name: value.shape for value in session.get_inputs()}
        made = self.exported
        self.feeds = named_inputs(made.model, made.args, made.kwargs, shapes)
        self.count = 0

    def samples(self, count):
        """More inputs of the same kind."""
        draw = np.random.default_rng(0)
        return [
            {
                name: draw.standard_normal(array.shape).astype(array.dtype)
                if array.dtype.kind == "f"
                else draw.integers(3, 55, array.shape).astype(array.dtype)
                for name, array in self.feeds.items()
            }
            for _ in range(count)
        ]

    def plain(self):
        """The model in memory, with its weights and without shapes that hinder tools."""
        model = onnx.load(self.path)
        del model.graph.value_info[:]
        return model

    def written(self, model):
        """A new file."""
        self.count += 1
        path = self.folder / f"made{self.count}.onnx"
        onnx.save(model, path)
        return str(path)

    def by(self, tool, model, feeds=None, without=()):
        """The path of what a tool makes of a model."""
        path = self.written(model)
        if tool == "plain":
            return path
        to = f"{path}.{tool}.onnx"
        if tool == "half":
            onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), to)
        elif tool == "qdq":
            quantize_static(path, to, Feeder(feeds or [self.feeds]), nodes_to_exclude=list(without))
        else:
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            level = getattr(onnxruntime.GraphOptimizationLevel, LEVELS[tool])
            options.graph_optimization_level = level
            options.optimized_model_filepath = to
            onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return to


def of_each(rows):
    """Each architecture and backend of the rows, exported once."""
    for name, backend in dict.fromkeys((name, backend) for name, backend, *_ in rows):
        with tempfile.TemporaryDirectory() as folder:
            yield (
                Made(name, backend, folder),
                [row[2:] for row in rows if row[:2] == (name, backend)],
            )


def how_far(wanted, found):
    """The largest difference of a result, in relation to its largest element."""
    return max(float(np.abs(found[n] - wanted[n]).max() / np.abs(wanted[n]).max()) for n in wanted)


# Bisect: pairs of faults, each of which shows in the results.

PAIRS = [
    ("transformers:bert", "torchscript", "plain", 3),
    ("transformers:bert", "torchscript", "extended", 3),
    ("transformers:bert", "torchscript", "half", 2),
    ("transformers:vit", "fx", "plain", 3),
    ("transformers:vit", "fx", "extended", 3),
    ("torchvision:resnet", "torchscript", "plain", 3),
    ("torchvision:resnet", "torchscript", "basic", 3),
]
BEYOND = {"half": 2e-2}
"""How far results may be apart, of their largest element; 1e-3 else."""


def bisect():
    for made, rows in of_each(PAIRS):
        plain = Plain(made.exported.tagged, str(made.folder), made.feeds)
        wanted = run(plain.model, made.feeds)
        drawn = [fault for fault in plain.drawn(60, 1) if len(fault.truth) == 1]
        for tool, count in rows:
            beyond = BEYOND.get(tool, 1e-3)

            faults = [fault for fault in drawn if shows(made, plain, tool, fault, wanted)]
            draw = random.Random(0)
            for _ in range(count):
                pair = draw.sample(faults, 2)
                while pair[0].truth[0][0] == pair[1].truth[0][0]:
                    pair = draw.sample(faults, 2)
                path = made.by(tool, planted(plain, pair))
                found = htp.bisect(made.path, path, [made.feeds], atol=0, rtol=beyond)
                truth = {fault.truth[0][0] for fault in pair}
                yield {
                    "model": made.name,
                    "backend": made.backend,
                    "tool": tool,
                    "planted": [fault.name for fault in pair],
                    "found": [list(group) for group in found.groups],
                    "right": truth <= set(found.modules)
                    and all(truth & set(g) for g in found.groups),
                    "exact": truth == set(found.modules),
                    "runs": found.runs,
                    "modules": found.candidates,
                }


def shows(made, plain, tool, fault, wanted):
    """Whether a fault alone changes the results by more than three times what is allowed."""
    path = made.by(tool, planted(plain, [fault]))
    return 3 * BEYOND.get(tool, 1e-3) < how_far(wanted, run(onnx.load(path), made.feeds)) < 50


# Files: one fault each, of a kind whose module returns something else by more than rounding does.

FAULTS = [
    ("transformers:bert", "torchscript", "extended", 5),
    ("transformers:bert", "torchscript", "qdq", 6),
    ("transformers:vit", "fx", "extended", 5),
    ("transformers:vit", "fx", "qdq", 6),
    ("torchvision:resnet", "torchscript", "basic", 5),
    ("torchvision:resnet", "torchscript", "qdq", 6),
    ("torchvision:mobilenet_v3", "torchscript", "qdq", 6),
]


def files():
    for made, rows in of_each(FAULTS):
        plain = Plain(made.exported.tagged, str(made.folder), made.feeds)
        for tool, count in rows:
            clean = made.by(tool, plain.model)
            blamed = blame(made, clean)
            yield {**head(made, tool), "planted": None, "found": blamed, "right": not blamed}
            for truth, name, path in planted_by(made, plain, tool, clean, count):
                blamed = blame(made, path)
                right = len(blamed) == 1 and bool({list_of(t) for t in truth} & set(blamed[0]))
                yield {**head(made, tool), "planted": name, "found": blamed, "right": right}


def head(made, tool):
    return {"model": made.name, "backend": made.backend, "tool": tool}


def list_of(call):
    path, number = call
    return f"{path}@{number}" if number else path


def blame(made, path):
    """For each culprit its call and those that are done together with it."""
    found = htp.verify(made.path, path, [made.feeds], level="none")
    return [[str(row.call), *map(str, row.group)] for row in found.culprits]


def planted_by(made, plain, tool, clean, count):
    if tool != "qdq":
        for fault in plain.drawn(count, 2):
            yield fault.truth, fault.name, made.by(tool, planted(plain, [fault]))
        return
    draw, model = random.Random(0), onnx.load(clean)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    places = list(scaled(model, weights))
    draw.shuffle(places)
    owners = {node.name: tag for node, tag in made.exported.tagged.nodes()}
    for number, reader in places:
        tag = owners.get(reader.name)
        if tag is None or count == 0:
            continue
        faulty = onnx.ModelProto()
        faulty.CopyFrom(model)
        node = faulty.graph.node[number]
        scale = numpy_helper.to_array(weights[node.input[1]]) * np.float32(1.3)
        faulty.graph.initializer.append(numpy_helper.from_array(scale, "planted"))
        node.input[1] = "planted"
        if not shows_inside(model, faulty, reader, made.feeds):
            continue
        count -= 1
        truth = tuple((call.path, call.call) for call in (*tag.stack[-1:], *tag.shared))
        yield truth, f"scale of a weight in {list_of(truth[0])}", made.written(faulty)


def scaled(model, weights):
    """The nodes that give a quantised matrix its fractions back, each with its only reader."""
    for number, node in enumerate(model.graph.node):
        if node.op_type == "DequantizeLinear" and node.input[0] in weights:
            readers = [each for each in model.graph.node if node.output[0] in each.input]
            if len(readers) == 1 and len(weights[node.input[0]].dims) > 1:
                yield number, readers[0]


def shows_inside(clean, faulty, reader, feeds):
    """Whether the fault changes what its node computes by more than rounding may: 5 %."""
    one, two = (run(each, feeds, every=True)[reader.output[0]] for each in (clean, faulty))
    return float(np.abs(one - two).max()) > 0.05 * float(np.abs(one).max())


# Sensitivity: the list is given to the quantiser, and the result measured without HTP.

QUANTISED = ["torchvision:mobilenet_v3", "torchvision:efficientnet", "transformers:gpt2"]


def sensitivity():
    for made, _ in of_each([(name, "torchscript") for name in QUANTISED]):
        feeds = made.samples(8)
        before = made.by("qdq", made.plain(), feeds)
        lost = noise(made.path, before, feeds)
        found = htp.sensitivity(made.path, before, feeds)
        names = json.loads(found.listed("ort-exclude").text)
        recovered = 1 - noise(made.path, made.by("qdq", made.plain(), feeds, names), feeds) / lost
        draw, tagged = random.Random(0), made.exported.tagged
        modules = sorted({tag.path for _, tag in tagged.nodes() if tag.path})
        others = []
        for _ in range(5):
            chosen = set(draw.sample(modules, found.size))
            spared = [node.name for node, tag in tagged.nodes() if tag.path in chosen]
            again = made.by("qdq", made.plain(), feeds, spared)
            others.append(round(1 - noise(made.path, again, feeds) / lost, 4))
        yield {
            **head(made, "qdq"),
            "keep": list(found.keep),
            "own": sorted(found.own),
            "size": found.size,
            "among": found.among,
            "told": round(found.recovered, 4),
            "recovered": round(recovered, 4),
            "at_random": others,
            "sqnr": [round(found.before, 2), round(-10 * np.log10(lost * (1 - recovered)), 2)],
            "runs": found.runs,
            "right": bool(recovered >= 0.8 and found.size <= found.among / 5),
        }


def noise(reference, path, feeds):
    """Noise to signal, the mean of all results, by onnxruntime alone."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    one, two = (
        onnxruntime.InferenceSession(each, options, providers=["CPUExecutionProvider"])
        for each in (reference, path)
    )
    far = {}
    for sample in feeds:
        for value, left, right in zip(
            one.get_outputs(), one.run(None, sample), two.run(None, sample)
        ):
            far[value.name] = far.get(value.name, Measure()).with_(measure(left, right))
    return sum(each.noise / each.signal for each in far.values()) / len(far)


COUNTS = {"bisect": bisect, "files": files, "sensitivity": sensitivity}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=COUNTS)
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    rows = []
    for row in COUNTS[asked.what]():
        rows.append(row)
        print(row["model"], row["tool"], row["right"], flush=True)
    right = sum(row["right"] for row in rows)
    print(f"{right} of {len(rows)}")
    asked.output.mkdir(parents=True, exist_ok=True)
    said = ",\n  ".join(json.dumps(row) for row in rows)
    text = f'{{\n "right": {right},\n "of": {len(rows)},\n "rows": [\n  {said}\n ]\n}}\n'
    (asked.output / f"{asked.what}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
