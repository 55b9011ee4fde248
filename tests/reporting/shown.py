"""Models and results for tests of the report, and what a written page holds. Needs no torch."""

import io
import json
import re

from literal import ROOT, known, model, node, value, weight
from onnx import helper

import htp
from htp.graph.records import ValueRecord

LINEAR = {"encoder.0.query": "Linear", "encoder.1.query": "Linear", "head": "Linear"}


def small():
    """Two layers, a module that is called twice, fused and merged nodes, and one nobody knows."""
    nodes, weights, before = [], [], "x"
    for number in (0, 1):
        path = f"encoder.{number}"
        weights.append(weight(f"w{number}", 4, 4, parameter=f"{path}.query.weight"))
        query = f"{before} w{number}"
        nodes += [
            node(
                "LayerNormalization", f"{before} g", f"n{number}", f"norm_{number}", f"{path}.norm"
            ),
            node("MatMul", query, f"q{number}", f"mm_{number}", f"{path}.query", LINEAR),
            node("Relu", f"q{number}", f"r{number}", f"relu_{number}", f"{path}.norm", number=1),
            node("Add", f"r{number} {before}", f"e{number}", f"add_{number}", path),
        ]
        before = f"e{number}"
    nodes += [
        node("Mul", "e1 e1", "m", "fused", "", shared=[("encoder.1", "m.Part", 0)]),
        node("Identity", "m", "i", "lost", None),
        node("Neg", "i", "y", "neg", "head", LINEAR, provenance="propagated"),
    ]
    weights.append(weight("g", 4, parameter="encoder.0.norm.weight"))
    return model(
        nodes,
        [value("x", "batch", 4)],
        [value("y", "batch", 4)],
        weights,
        [
            [*ROOT, 0],
            ["encoder", "m.Part", 0, 1],
            *(row for number in (0, 1) for row in layer(f"encoder.{number}")),
            ["head", "m.Linear", 0, 1],
        ],
    )


def layer(path):
    return [
        [path, "m.Part", 0, 2],
        [f"{path}.norm", "m.Part", 0, 3],
        [f"{path}.query", "m.Linear", 0, 3],
        [f"{path}.norm", "m.Part", 1, 3],
    ]


def told():
    """One layer whose arguments and results the capture knew."""
    nodes = [
        node("MatMul", "x w", "h", "first", "encoder"),
        node("Relu", "h", "y", "second", ""),
    ]
    made = model(nodes, [value("x", 2, 4)], [value("y", 2, 4)], [weight("w", 4, 4)])
    mask = ValueRecord(("mask",), None, "folded")
    sides = ((ValueRecord(("0",), "x"), mask), (ValueRecord(("0",), "h"),))
    return known(made, {"encoder": sides})


def wide(count, each=4):
    """A chain of so many nodes, in blocks of parts that own ``each`` of them."""
    nodes, weights, before = [], [], "x"
    for number in range(count):
        part = number // each
        path = f"encoder.layer.{part // 4}.part.{part % 4}"
        reads = before
        if number % each == 0:
            weights.append(weight(f"{path}.weight", 4, 4, parameter=f"{path}.weight"))
            reads = f"{before} {path}.weight"
        op = "MatMul" if number % each == 0 else "Relu"
        nodes.append(node(op, reads, f"v{number}", f"node_{number}", path))
        before = f"v{number}"
    return model(nodes, [value("x", 2, 4)], [value(before, 2, 4)], weights)


def hostile(names):
    """A model in which these are the names of everything that has one."""
    nodes, weights, calls, before = [], [], [[*ROOT, 0]], "x"
    for number, name in enumerate(names):
        made = helper.make_node("Add", [before, f"w {name}"], [f"v{number} {name}"], name)
        rows = [ROOT, (name, f"m.{name}", 0), (f"{name}.{name}", name, 1)]
        for key, text in (
            ("stack", json.dumps(rows)),
            ("provenance", "captured"),
            ("shared", json.dumps([rows[1]])),
            ("sharing", "fused"),
            ("origin", "0" * 16),
        ):
            made.metadata_props.add(key=f"pkg.htp.{key}", value=text)
        nodes.append(made)
        held = weight("w", 4, parameter=[name])
        held.name = f"w {name}"
        weights.append(held)
        calls += [[*rows[1], 1], [*rows[2], 2]]
        before = f"v{number} {name}"
    # a name of an operator, of a domain, of a producer; and an axis
    nodes.append(helper.make_node(names[0], [before], ["y"], "lost", domain=names[1]))
    made = model(nodes, [value("x", names[2], 4)], [value("y", names[3], 4)], weights, calls)
    made.producer_name = "".join(names)[:2000]
    made.opset_import.add(domain=names[1], version=1)
    return made


def results(paths, text="as it is"):
    """A result of each kind that tells of these paths, and says this text wherever it may."""
    calls = [{"path": path, "type": text, "call": 0} for path in paths]
    times = {"seconds": 1e-3, "count": 1, "exact": 1e-3, "shared": 1e-4}
    times.update(providers={text: 1e-3}, operators={text: 1e-3})
    off = {"max_abs": 0.5, "max_rel": "inf", "cosine": 0.9, "sqnr": -3.0}
    verified = {**off, "own_error": None, "own_sqnr": None, "diverges": True, "arises": True}
    verified.update(group=calls[:1], reason=text, atol=1e-4, rtol=1e-3)
    differs = {"kind": text, "before": text, "after": None, "names": [text]}
    swapped = {"own": False, "type": text, "effect": 1.5, "share": 0.5, "size": 1}
    ends = {"samples": 1, "runs": 3, "remarks": [text]}
    return [
        {
            "schema": "htp.profile/1",
            "tool": text,
            "runs": 10,
            "attributed": 1.0,
            "exact": 1.0,
            "rows": [{**call, "depth": 1, "share": 0.5, "own": 1e-4, **times} for call in calls],
            "kernels": [],
            "total": times,
            "unowned": times,
            "placement": None,
            "remarks": [text],
        },
        {
            "schema": "htp.verify/1",
            "first": calls[0],
            "reason": text,
            "rows": [{**call, **verified} for call in calls[:-1]],
            "not_judged": [{**calls[-1], "reason": text}],
            "outputs": off,
            "samples": 1,
            "remarks": [text],
        },
        {
            "schema": "htp.diff/1",
            "equal": False,
            "made_by": [text, text],
            "nodes": [1, 1],
            "calls": 1,
            "rows": [
                *({**call, **differs} for call in calls),
                {"path": None, "type": None, "call": None, **differs},
                {"path": text, "type": text, "call": 7, **differs},
            ],
            "equal_calls": calls[:1],
            "not_judged": [text],
        },
        {
            "schema": "htp.sensitivity/1",
            "rows": [{"path": path, **swapped} for path in paths],
            "keep": paths[:1],
            "own": [],
            "recovered": 0.5,
            "target": 0.8,
            "reached": False,
            "size": 1,
            "among": 2,
            "before": 1.0,
            "after": 2.0,
            "measured": text,
            "not_swapped": [{"path": paths[0], "reason": text}],
            **ends,
        },
        {
            "schema": "htp.overflow/1",
            "rows": [
                {"path": path, "type": text, "largest": "inf", "value": text, "over": True}
                for path in paths
            ],
            "keep": paths[:1],
            "limit": 50000.0,
            "samples": 1,
            "remarks": [text],
        },
        {
            "schema": "htp.bisect/1",
            "differs": True,
            "diffuse": False,
            "modules": paths[:1],
            "groups": [paths],
            "runs": 3,
            "candidates": 4,
            "before": {},
            "after": None,
            "atol": 1e-4,
            "rtol": 1e-3,
            "not_swapped": [text],
            "remarks": [text],
        },
        {
            "schema": "htp.carry/1",
            "nodes": 3,
            "evidence": {"kept": 1, text: 2},
            "provenance": {"captured": 3},
            "modules": [
                {**call, "kept": 1, "renamed": 0, "fused": 2, "added": 0, "lost": 1}
                for call in calls
            ],
            "unresolved": [text],
            "lost": 1,
        },
    ]


def written(made, **more):
    """The page of a model."""
    file = io.BytesIO()
    htp.report(made, file, **more)
    return file.getvalue().decode("utf-8")


def data(page):
    """The document in a page."""
    (held,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL
    )
    return json.loads(held)
