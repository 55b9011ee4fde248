"""Attributes of nodes as keys that are equal where they mean the same, and as text.

An attribute that says what its operator takes by default anyway is left out: some exporters and
tools write those, others don't.
"""

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Mapping, Tuple

from htp.comparing.contents import element_type
from htp.file.document import text_of

if TYPE_CHECKING:
    import onnx

__all__ = ["Attribute", "attributes_of", "constant_of", "defaults", "shown"]

Attribute = Tuple[str, str, Any]
"""Its name, what kind it is, and its value: numbers as their bytes, tensors as their hashes."""

_GRAPHS = (5, 10)
_FLOAT, _INT, _STRING, _TENSOR, _FLOATS, _INTS, _STRINGS = 1, 2, 3, 4, 6, 7, 8
_LONGEST = 60

Digest = Callable[[Any], str]


def attributes_of(
    node: "onnx.NodeProto", defaults: Mapping[str, Attribute], digest: Digest
) -> Tuple[Attribute, ...]:
    """The attributes of a node but for nested graphs, in the order of their names."""
    found = [each for each in _keys(node, digest) if each != defaults.get(each[0])]
    return tuple(sorted(found)) if len(found) > 1 else tuple(found)


def _keys(node: "onnx.NodeProto", digest: Digest) -> Iterator[Attribute]:
    for attribute in node.attribute:
        kind = attribute.type
        if kind in _GRAPHS:
            continue
        name = text_of(attribute.name)
        if attribute.ref_attr_name:
            yield name, "ref", text_of(attribute.ref_attr_name)
        elif kind == _INT:
            yield name, "int", attribute.i
        elif kind == _INTS:
            yield name, "ints", tuple(attribute.ints)
        else:
            yield _other(name, attribute, digest)


def _other(name: str, attribute: Any, digest: Digest) -> Attribute:
    kind = attribute.type
    if kind == _FLOAT:
        return name, "float", struct.pack("<f", attribute.f)
    if kind == _STRING:
        return name, "text", attribute.s
    if kind == _TENSOR:
        return name, "tensor", digest(attribute.t)
    if kind == _FLOATS:
        return name, "floats", struct.pack(f"<{len(attribute.floats)}f", *attribute.floats)
    if kind == _STRINGS:
        return name, "texts", tuple(attribute.strings)
    held = type(attribute).FromString(attribute.SerializeToString())
    held.ClearField("doc_string")
    return name, "other", held.SerializeToString()


@lru_cache(maxsize=4096)
def defaults(op_type: str, domain: str, opset: int) -> Dict[str, Attribute]:
    """What an operator takes for attributes that are left out, as far as onnx knows it."""
    from onnx import defs

    try:
        schema = defs.get_schema(op_type, opset, domain)
    except (defs.SchemaError, RuntimeError, TypeError):  # an operator of somebody else
        return {}
    found: Dict[str, Attribute] = {}
    for name, attribute in schema.attributes.items():
        default = attribute.default_value
        if default.type:
            found[name] = _plain(name, default)
    return found


def _plain(name: str, default: Any) -> Attribute:
    if default.type == _INT:
        return name, "int", default.i
    if default.type == _INTS:
        return name, "ints", tuple(default.ints)
    return _other(name, default, lambda _: "")


_AS_TENSOR = {
    "value_float": ("f", "<f", 1),
    "value_floats": ("floats", "<f", 1),
    "value_int": ("i", "<q", 7),
    "value_ints": ("ints", "<q", 7),
}


def constant_of(node: "onnx.NodeProto") -> Any:
    """The tensor that a Constant holds, made of its numbers where it has those; else None."""
    import onnx

    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx") or len(node.attribute) != 1:
        return None
    held = node.attribute[0]
    if held.ref_attr_name:
        return None
    if held.type == _TENSOR and held.name == "value":
        return held.t
    if held.name in _AS_TENSOR:
        field, form, kind = _AS_TENSOR[held.name]
        several = field in ("floats", "ints")
        value = getattr(held, field) if several else (getattr(held, field),)
        raw = b"".join(struct.pack(form, each) for each in value)
        return onnx.TensorProto(data_type=kind, dims=[len(value)] * several, raw_data=raw)
    if held.name in ("value_string", "value_strings"):
        several = held.name == "value_strings"
        texts = list(held.strings) if several else [held.s]
        return onnx.TensorProto(data_type=8, dims=[len(texts)] * several, string_data=texts)
    return None


_TYPES = frozenset((("Cast", "to"), ("SequenceEmpty", "dtype"), ("EyeLike", "dtype")))


def shown(op: str, attribute: Attribute) -> str:
    """An attribute as people write it: ``axis=1``."""
    name, kind, value = attribute
    if kind == "float":
        told = f"{struct.unpack('<f', value)[0]:g}"
    elif kind == "floats":
        told = str([float(f"{each:g}") for each in struct.unpack(f"<{len(value) // 4}f", value)])
    elif kind == "ints":
        told = str(list(value))
    elif kind == "text":
        told = repr(value.decode("utf-8", "replace"))
    elif kind == "texts":
        told = str([each.decode("utf-8", "replace") for each in value])
    elif kind == "tensor":
        told = f"tensor {value[:8]}"
    elif kind == "other":
        told = "..."
    elif (op, name) in _TYPES:
        told = element_type(value)
    else:
        told = str(value)
    return f"{name}={told}" if len(told) <= _LONGEST else f"{name}={told[:_LONGEST]}..."
