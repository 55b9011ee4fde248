"""Oracles that tell the owner of a node from numbers alone.

``contamination`` counts the marks: the k-th multiplication by a module's own factor, in the order
of the document, belongs to the k-th mark that the module made. ``misplaced_weights`` looks at the
weights: an operator that reads the weight of one module is that module's.
Neither looks at names, scopes or metadata, and no capture backend shares code with them.
"""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

import numpy as np
import onnx
from torch import nn

from htp.testing.eager import Mark, Truth, names_by_module
from htp.testing.graph import in_use, node_arrays

__all__ = [
    "Contamination",
    "Verdict",
    "contamination",
    "marked_owners",
    "misplaced_weights",
    "tagged_nodes",
    "verdicts",
]


class Contamination(NamedTuple):
    """How many of the nodes whose truth is known have another owner."""

    wrong: int
    decided: int


class Verdict(NamedTuple):
    """One node whose true owner is known.

    Attributes:
        node: the node.
        owners: the true owner; several where equal calls were merged, or the aliases of one module.
        found: the owner that the tag names.
        right: whether that is true.
    """

    node: str
    owners: Tuple[str, ...]
    found: str
    right: bool


def tagged_nodes(
    tagged: Any, folder: Optional[str] = None
) -> Iterator[Tuple[onnx.NodeProto, Any, Dict[str, "np.ndarray"]]]:
    """Each node that running the model can come to, with its tag and the constants known there.

    Raises:
        AssertionError: ``tagged.nodes()`` is not every such node of the file in document order.
    """
    listed = iter(tagged.nodes())
    for (node, known), used in zip(node_arrays(tagged.model, folder), in_use(tagged.model)):
        if not used:
            continue
        other, tag = next(listed, (None, None))
        assert other is not None, f"nodes() ends before {_label(node)}"
        assert list(node.output) == list(other.output), (
            f"{_label(node)} is listed as {_label(other)}"
        )
        yield node, tag, known
    left = next(listed, None)
    assert left is None, f"nodes() lists more than the file has: {left}"


def _label(node: onnx.NodeProto) -> str:
    return f"{node.op_type}({node.name or ', '.join(node.output)})"


def _short(tag: Any) -> str:
    return f"{tag.path}@{tag.call}" if tag.call else str(tag.path)


def _scalar(name: str, known: Dict[str, "np.ndarray"]) -> Optional[float]:
    value = known.get(name)
    if value is None or value.size != 1 or value.dtype.kind not in "fiu":
        return None
    return float(value.reshape(-1)[0])


def _by_factor(marks: Tuple[Mark, ...]) -> Dict[float, List[Mark]]:
    found: Dict[float, List[Mark]] = {}
    for mark in marks:
        found.setdefault(mark.factor, []).append(mark)
    return found


def _marked(tagged: Any, factors: Set[float]) -> Iterator[Tuple[float, onnx.NodeProto, Any]]:
    """Every multiplication by one of the factors."""
    for node, tag, known in tagged_nodes(tagged):
        if node.op_type == "Mul":
            for name in node.input:
                factor = _scalar(name, known)
                if factor in factors:
                    assert factor is not None
                    yield factor, node, tag


def marked_owners(tagged: Any, truth: Truth) -> List[Mark]:
    """The marks in a graph with the owners that the tags name, merged ones too, sorted."""
    found = []
    for factor, _, tag in _marked(tagged, set(_by_factor(truth.marks))):
        found += [Mark(factor, _short(call)) for call in (tag, *tag.shared)]
    return sorted(found)


def verdicts(tagged: Any, truth: Truth) -> List[Verdict]:
    """For every mark that can be told apart: its node, the true owner and the owner found.

    A factor that the graph has as often as it was multiplied decides each of its nodes in turn.
    Where it has one node for several marks of equal values, equal calls were merged: the first call
    must be the owner and the others must be listed as shared. If the values differ, all marks but
    one were computed in advance, from weights alone: the owner must be one of the calls. Any other
    count decides nothing.
    """
    marks = _by_factor(truth.marks)
    nodes: Dict[float, List[Tuple[onnx.NodeProto, Any]]] = {}
    for factor, node, tag in _marked(tagged, set(marks)):
        nodes.setdefault(factor, []).append((node, tag))
    decided = []
    for factor, found in nodes.items():
        expected = [mark.owner for mark in marks[factor]]
        if len(found) == len(expected):
            for (node, tag), owner in zip(found, expected):
                decided.append(Verdict(_label(node), (owner,), _short(tag), _short(tag) == owner))
        elif len(found) == 1:
            node, tag = found[0]
            others = [_short(call) for call in tag.shared]
            if len({mark.given for mark in marks[factor]}) == 1:
                right = _short(tag) == expected[0] and set(expected[1:]) <= set(others)
            else:
                right = _short(tag) in expected and not others
            shown = f"{_short(tag)} shared with {others}"
            decided.append(Verdict(_label(node), tuple(expected), shown, right))
    return decided


def contamination(tagged: Any, truth: Truth) -> Contamination:
    """Nodes with a wrong owner, over the nodes whose owner the marks decide.

    Args:
        tagged: an ``htp.TaggedModel``, or anything with ``model`` and ``nodes()`` like it.
        truth: from ``truth_of`` or by hand.
    """
    found = verdicts(tagged, truth)
    return Contamination(sum(not verdict.right for verdict in found), len(found))


_READS_WEIGHT = {
    "Linear": ("MatMul", "Gemm"),
    "Conv1D": ("MatMul", "Gemm"),
    "Conv1d": ("Conv",),
    "Conv2d": ("Conv",),
    "Embedding": ("Gather",),
    "LayerNorm": ("LayerNormalization",),
}
"""The operators that a class of modules runs on its own ``weight``. Other uses of a weight, such as
a functional call by another module, are not looked at."""


def misplaced_weights(
    tagged: Any, model: nn.Module, called: Set[str], folder: Optional[str] = None
) -> List[Verdict]:
    """A verdict on every operator that reads a weight which only one module has.

    Args:
        tagged: the tagged model.
        model: the model that was exported.
        called: paths of the modules that ran (a weight of another one is used by someone else).
        folder: where the data files lie.
    """
    weights = list(_unique_weights(model, called))
    found = []
    for node, tag, known in tagged_nodes(tagged, folder):
        arrays = [known[name] for name in node.input if name in known and known[name].ndim >= 1]
        for operators, names, weight in weights:
            if node.op_type in operators and any(_equal(array, weight) for array in arrays):
                right = tag.path in names
                found.append(Verdict(_label(node), tuple(names), _short(tag), right))
    return found


def _unique_weights(
    model: nn.Module, called: Set[str]
) -> Iterator[Tuple[Tuple[str, ...], List[str], "np.ndarray"]]:
    modules = dict(model.named_modules())
    names = names_by_module(model)
    candidates = []
    for module in modules.values():
        weight = getattr(module, "weight", None)
        operators = _READS_WEIGHT.get(type(module).__name__)
        paths = names[id(module)]
        if operators and weight is not None and called.intersection(paths):
            candidates.append((operators, paths, weight.detach().cpu().numpy()))
    for operators, paths, array in candidates:
        equal = sum(_equal(array, other) for _, _, other in candidates)
        if equal == 1 and array.size > 1:
            yield operators, paths, array


def _equal(array: "np.ndarray", weight: "np.ndarray") -> bool:
    if array.shape == weight.shape and np.array_equal(array, weight):
        return True
    return array.shape == weight.T.shape and bool(np.array_equal(array, weight.T))
