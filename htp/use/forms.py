"""Lists in the form of the tool that reads them, and what each tool makes of such a list.

Which tool keys by what, and where it says so:

* onnxruntime's quantisers, ``MatMulNBits`` and float16 conversion look up the exact name of a node,
  in nested graphs too, and pass over names that they don't find:
  https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/python/tools/quantization/base_quantizer.py
  Before its dynamic quantiser looks, it takes each ``Gemm`` apart, into nodes of other names:
  https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/python/tools/quantization/onnx_model.py
* ``TensorQuantOverrides`` are keyed by values and initializers of the main graph; an unknown one is
  an error: ``tensor_quant_overrides.py`` beside it.
* NNCF looks up exact names of the main graph and refuses one that it doesn't find:
  https://github.com/openvinotoolkit/nncf/blob/develop/src/nncf/scopes.py
* ModelOpt takes regular expressions, which need to match the beginning of a name only:
  https://github.com/NVIDIA/Model-Optimizer/blob/main/modelopt/onnx/quantization/graph_utils.py
* trtexec splits at commas, drops quotes, takes ``*`` for any characters, sets the precision of a
  layer that it finds by its exact name whatever that computes, and passes over the others:
  https://github.com/NVIDIA/TensorRT/blob/release/10.0/samples/common/sampleOptions.cpp
* Olive's passes and optimum's configurations hand their list to onnxruntime.
"""

import json
import re
from typing import Any, Callable, Dict, Iterable, List, Sequence, Tuple

from htp.file.document import text_of
from htp.use.chosen import Chosen
from htp.use.places import FLOATS, FUNCTION, GRAPH, Placed, distinct
from htp.use.types import infer

__all__ = ["FORMS"]

Told = Tuple[str, List[str]]
"""A list, and what is to be said of it."""


def _json(document: Any) -> str:
    """In ASCII, so that no name does anything to a terminal."""
    return json.dumps(document, indent=1).replace("\x7f", "\\u007f")


def _lines(names: Iterable[str]) -> Told:
    """One a line: a name with a line break, or other characters that nothing shows, cannot be."""
    fit, remarks = _fit(names, lambda name: name.isprintable() and name == name.strip())
    return "\n".join(fit), remarks


def _fit(names: Iterable[str], can_be: Callable[[str], bool]) -> Tuple[List[str], List[str]]:
    """The names that a form can say, and which it cannot."""
    fit: List[str] = []
    unfit: List[str] = []
    for name in names:
        (fit if can_be(name) else unfit).append(name)
    told = ", ".join(map(ascii, unfit[:3])) + (", ..." if len(unfit) > 3 else "")
    return fit, [f"left out, for this form cannot say them: {told}"] if unfit else []


def _names(rows: Iterable[Placed]) -> Tuple[str, ...]:
    return distinct(text_of(row.node.name) for row in rows)


def _main(chosen: Chosen, tool: str) -> Tuple[Sequence[Placed], List[str]]:
    """The nodes of the main graph, and how many others there are."""
    rows = [row for row in chosen.rows if row.place == GRAPH]
    inner = len(chosen) - len(rows)
    why = f"{inner} nodes in nested graphs and functions are left out: {tool} does not look there"
    return rows, [why] if inner else []


def _parameters(chosen: Chosen) -> Told:
    text, remarks = _lines(chosen.parameters)
    unknown = sum(1 for known in chosen.parameters_of().values() if not known)
    if unknown:
        remarks.append(f"{unknown} initializers are of no known parameter")
    return text, remarks


def _exclude(chosen: Chosen) -> Told:
    return _json(_for_onnxruntime(chosen)), []


def _for_onnxruntime(chosen: Chosen) -> List[str]:
    """The names, and those that its dynamic quantiser gives to the parts of a ``Gemm``."""
    found: List[str] = []
    for node, _, place in chosen.rows:
        if place != FUNCTION and node.name:
            name = text_of(node.name)
            found += [name, f"{name}_MatMul", f"{name}_Add"] if node.op_type == "Gemm" else [name]
    return list(distinct(found))


def _overrides(chosen: Chosen) -> Told:
    rows, remarks = _main(chosen, "onnxruntime")
    types = infer(chosen.outline)
    values = distinct(text_of(name) for row in rows for name in row.node.output)
    fit = [name for name in values if name in types and types[name].type in FLOATS]
    if len(fit) < len(values):
        remarks.append(f"{len(values) - len(fit)} values that hold no fractions are left out")
    return _json({name: [{"quant_type": "QUInt16"}] for name in fit}), remarks


def _nncf(chosen: Chosen) -> Told:
    rows, remarks = _main(chosen, "NNCF")
    return _json({"names": list(_names(rows))}), remarks


def _modelopt(chosen: Chosen) -> Told:
    rows, remarks = _main(chosen, "ModelOpt")
    return _json([rf"{re.escape(name)}\Z" for name in _names(rows)]), remarks


def _trtexec(chosen: Chosen) -> Told:
    rows, remarks = _main(chosen, "trtexec")
    types = infer(chosen.outline)
    whole = [row for row in rows if not _is_whole(row, types)]
    fit, unfit = _fit(
        _names(whole), lambda name: name.isprintable() and not re.search("[,'*]", name)
    )
    if len(whole) < len(rows):
        remarks.append(f"{len(rows) - len(whole)} nodes that compute no fractions are left out")
    remarks.append(
        "trtexec needs --precisionConstraints=obey beside it, passes over layers that are called "
        "otherwise without a word, and a strongly typed network (all of TensorRT 11) has none"
    )
    return ",".join(f"{name}:fp32" for name in fit), remarks + unfit


def _is_whole(row: Placed, types: Dict[str, Any]) -> bool:
    """Whether a node is known to compute nothing but whole numbers and truth values."""
    known = [types[name].type for name in row.node.output if name in types]
    return len(known) == sum(map(bool, row.node.output)) and not any(
        kind == 0 or kind in FLOATS for kind in known
    )


def _configuration(chosen: Chosen) -> Told:
    return _json({"nodes_to_exclude": _for_onnxruntime(chosen)}), []


FORMS: Dict[str, Callable[[Chosen], Told]] = {
    "names": lambda chosen: _lines(chosen.names),
    "values": lambda chosen: _lines(chosen.values),
    "parameters": _parameters,
    "ort-exclude": _exclude,
    "ort-overrides": _overrides,
    "nncf": _nncf,
    "modelopt": _modelopt,
    "trtexec": _trtexec,
    "olive": _configuration,
    "optimum": _configuration,
    "json": lambda chosen: (_json(chosen.to_json()), []),
}
"""For each form what writes a selection in it."""
