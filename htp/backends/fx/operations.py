"""Nodes of the ONNX IR as operations that are remembered."""

from typing import Any, Mapping, Tuple

__all__ = ["SMALL", "UnknownError", "as_tensor", "means_the_same", "said"]

SMALL = 16
"""Elements of a constant that is remembered: those are axes, shapes and numbers."""


class UnknownError(Exception):
    """It is not known what becomes of an argument, or it is not remembered."""


def means_the_same(node: Any, before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    """Whether a node still does what it did in a model of other opsets: torch converts models.

    That it does is believed of operators whose later version has the attributes of the earlier one
    with their defaults, and the inputs.
    """
    from onnx import defs

    domain = node.domain or ""
    first, last = before.get(domain), after.get(domain)
    if first is None or last is None or first == last:
        return first == last
    try:
        one, two = (defs.get_schema(node.op_type, v, domain) for v in (first, last))
    except defs.SchemaError:
        return False
    if [each.name for each in one.inputs] != [each.name for each in two.inputs][: len(one.inputs)]:
        return False
    return all(
        name in two.attributes and two.attributes[name].default_value == held.default_value
        for name, held in one.attributes.items()
    )


def said(node: Any) -> Tuple[Tuple[str, str, Any], ...]:
    """The attributes of a node, likewise.

    Raises:
        UnknownError: there is one of another kind.
    """
    return tuple((str(each.name), *_value(each)) for each in node.attributes.values())


def _value(attribute: Any) -> Tuple[str, Any]:
    kind = str(getattr(attribute.type, "name", ""))
    if getattr(attribute, "ref_attr_name", None):
        raise UnknownError
    if kind == "TENSOR":
        return kind, as_tensor(attribute.value)
    if kind in ("INTS", "FLOATS"):
        return kind, tuple(attribute.value)
    if kind not in ("INT", "FLOAT", "STRING"):
        raise UnknownError
    return kind, attribute.value


def as_tensor(tensor: Any) -> Tuple[Any, ...]:
    """A small tensor, as ``htp.graph.records.Operation`` has it.

    Raises:
        UnknownError: it is too large, or its contents are not known.
    """
    if tensor.size > SMALL:
        raise UnknownError
    try:
        return (int(tensor.dtype), tuple(map(int, tensor.shape)), tensor.tobytes().hex())
    except TypeError as error:  # exported under a FakeTensorMode, weights have none
        raise UnknownError from error
