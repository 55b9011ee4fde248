"""Whether nodes of one model mean the same in another, whose opset may be another one."""

from typing import TYPE_CHECKING, Dict, Iterable, Optional

if TYPE_CHECKING:
    import onnx

__all__ = ["differing"]


def differing(
    nodes: "Iterable[onnx.NodeProto]", home: "onnx.ModelProto", other: "onnx.ModelProto"
) -> Optional[str]:
    """The first operator that is not the same in another model; None where all are.

    Args:
        nodes: of the home model.
        home: their model.
        other: the other model. A domain that it does not import can be added to it.
    """
    mine, its = _versions(home), _versions(other)
    for node in nodes:
        before, now = mine.get(_domain(node.domain)), its.get(_domain(node.domain))
        if now not in (None, before) and _since(node, before) != _since(node, now):
            return node.op_type
    return None


def _versions(model: "onnx.ModelProto") -> Dict[str, int]:
    return {_domain(each.domain): each.version for each in model.opset_import}


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _since(node: "onnx.NodeProto", version: Optional[int]) -> Optional[int]:
    """Since which opset the operator is as it is in this one; that one itself where nobody knows.

    onnx.defs says so of ONNX's own: https://onnx.ai/onnx/api/defs.html
    """
    from onnx import defs

    if version is None:
        return None
    try:
        return int(defs.get_schema(node.op_type, version, node.domain).since_version)
    except (defs.SchemaError, TypeError):
        return version
