"""The model that the recipes work on, written by hand where there is no torch."""

import json

import numpy as np
from literal import ROOT, model, node, value, weight

WIDTH = 32
LAYERS = ("encoder.layer.0", "encoder.layer.1")


def by_hand():
    """Two layers of a linear part, a norm and an activation, and a head."""
    random = np.random.default_rng(0)
    nodes, weights, before = [], [], "tokens"
    for path in LAYERS:
        at = path.replace(".", "_")
        weights += [
            weight(
                f"{path}.w", parameter=f"{path}.linear.weight", value=part(random, WIDTH, WIDTH)
            ),
            weight(f"{path}.b", parameter=f"{path}.linear.bias", value=part(random, WIDTH)),
        ]
        nodes += [
            node("MatMul", f"{before} {path}.w", f"{at}_mm", f"{at}/MatMul", f"{path}.linear"),
            node("Add", f"{at}_mm {path}.b", f"{at}_add", f"{at}/Add", f"{path}.linear"),
            node("Relu", f"{at}_add", f"{at}_act", f"{at}/Relu", f"{path}.act"),
            node("Add", f"{at}_act {before}", f"{at}_out", f"{at}/Residual", path),
        ]
        before = f"{at}_out"
    weights.append(weight("head.w", parameter="head.weight", value=part(random, WIDTH, 2)))
    nodes.append(node("MatMul", f"{before} head.w", "scores", "head/MatMul", "head"))
    calls, seen = [[*ROOT, 0]], {""}
    for each in nodes:
        held = json.loads(each.metadata_props[0].value)
        for depth, call in enumerate(held):
            if call[0] not in seen:
                calls.append([*call, depth])
                seen.add(call[0])
    made = model(
        nodes, [value("tokens", "batch", WIDTH)], [value("scores", "batch", 2)], weights, calls
    )
    feeds = [{"tokens": random.standard_normal((4, WIDTH)).astype(np.float32)} for _ in range(2)]
    return made, feeds


def part(random, *shape):
    return (random.standard_normal(shape) / WIDTH**0.5).astype(np.float32)
