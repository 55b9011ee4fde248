"""Protobuf's wire format, as far as metadata needs it: numbers, and fields that hold bytes.

https://protobuf.dev/programming-guides/encoding/
"""

from functools import lru_cache
from typing import Iterator, Optional, Tuple

from htp.errors import InvalidModelError

__all__ = ["BYTES", "Field", "damaged", "fields", "head", "integer", "number", "text"]

BYTES = 2
"""The wire type of text, bytes and messages."""

Field = Tuple[int, int, int, int]
"""Number of the field, where it starts, where its value starts, and where it ends."""


def damaged(what: str) -> InvalidModelError:
    """The error of bytes that are not what they should be."""
    return InvalidModelError(
        f"This is not an ONNX model, or it is damaged: {what}.", "export the model again."
    )


@lru_cache(maxsize=4096)  # lengths of texts: the same ones again and again
def number(value: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def head(field: int, size: int) -> bytes:
    """What stands before a value of ``size`` bytes."""
    return number(field << 3 | BYTES) + number(size)


def varint(data: bytes, at: int, end: int) -> Tuple[int, int]:
    """The number at a place, and where it ends."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise damaged("a number runs past the end of its message")


def fields(data: bytes, at: int, end: int) -> Iterator[Field]:
    """The fields of a message that hold text, bytes or a message."""
    while at < end:
        start = at
        tag, at = (data[at], at + 1) if data[at] < 0x80 else varint(data, at, end)
        wire = tag & 7
        if wire == BYTES:
            if at < end and data[at] < 0x80:
                value = at + 1
                at = value + data[at]
            else:
                length, value = varint(data, at, end)
                at = value + length
            if at <= end:
                yield tag >> 3, start, value, at
        elif wire == 0:
            _, at = varint(data, at, end)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise damaged(f"wire type {wire} is unknown to ONNX")
        if at > end:
            raise damaged("a message runs past the end of the file, which looks cut")


def text(data: bytes, at: int, end: int, wanted: int) -> str:
    """The first text in a field of a message; ``""`` where there is none."""
    for field, _, value, stop in fields(data, at, end):
        if field == wanted:
            return data[value:stop].decode("utf-8", "replace")
    return ""


def integer(data: bytes, at: int, end: int, wanted: int) -> Optional[int]:
    """The first number in a field of a message; None where there is none."""
    while at < end:
        tag, at = varint(data, at, end)
        value, at = varint(data, at, end)
        if tag == wanted << 3:
            return value
        if tag & 7 == BYTES:
            at += value
    return None
