"""The owner of every kernel by oracles that know nothing of HTP's matching.

A file is optimised apart from the profile, once as it is and once with a marker in every node; both
oracles of ``tests/tools`` tell the owner of each node of the result, by the numbers that it
computes and by the markers that survive. Kernels are joined to those nodes by name.
"""

from collections import Counter
from typing import NamedTuple

import onnx
import onnxruntime
from tools.by_markers import every_node, planted
from tools.judging import truth, verdict

__all__ = ["Judged", "judged"]


class Judged(NamedTuple):
    """What the oracles say of a profile.

    Attributes:
        seconds: of kernels by whether they are said to be exact, and by verdict.
        wrong: the kernels that are not right, a line each.
    """

    seconds: Counter
    wrong: list

    def share(self, *wanted):
        """The share of the time with this verdict, or with these."""
        whole = sum(self.seconds.values())
        return sum(each for key, each in self.seconds.items() if key[1] in wanted) / whole


def optimised(model, path):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return onnx.load(str(path))


def judged(old, profile, inputs, folder):
    """Judge a profile of a model.

    Args:
        old: the tagged model, with its weights.
        profile: what ``htp.profile`` says of it at onnxruntime's default level.
        inputs: example inputs by name.
        folder: where to write.
    """
    new = optimised(old, folder / "plain.onnx")
    marked = optimised(planted(old), folder / "marked.onnx")
    found = truth(old, new, marked, inputs, "exact")
    assert found.failed is None
    assert not found.disputed
    nodes = every_node(new)
    often = Counter(node.name for node in nodes)
    owners = {n.name: owner for n, owner in zip(nodes, found.owners) if often[n.name] == 1}
    seconds, wrong = Counter(), []
    for each in profile.kernels:
        stack = tuple(tuple(call) for call in each.tag.stack)
        said = verdict(owners.get(each.kernel.name), stack)
        seconds[each.exact, said] += each.kernel.seconds
        if said not in {"right", "undecided"}:
            wrong.append((each.exact, said, each.kernel.name, each.tag.path))
    return Judged(seconds, wrong)
