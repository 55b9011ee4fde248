"""Metadata entries as bytes, to append to a message.

Python joins pieces of text several times as fast as pieces of bytes. So an entry is made as a text
each of whose characters stands for one byte; what is made of several is turned into bytes once.
"""

from functools import lru_cache
from typing import Callable, Sequence, Tuple

from htp.file.protobuf import head, number

__all__ = ["BYTES", "KEY", "PROPS", "VALUE", "Props", "entry", "form"]

Props = Sequence[Tuple[str, str]]
"""Metadata entries in the order in which they are written."""

PROPS = {"model": 14, "node": 9, "tensor": 16}
"""The field of each message that holds its metadata:
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""

KEY, VALUE = 1, 2
"""The fields of an entry."""

BYTES = "latin-1"
"""The encoding in which a character is the byte of its number."""


def entry(kind: str, key: str, value: str) -> bytes:
    """One metadata entry, to append to a message of this kind."""
    return form(kind, key)(value).encode(BYTES)


@lru_cache(maxsize=64)
def form(kind: str, key: str) -> Callable[[str], str]:
    """What makes the entries of this key from their values: texts to encode as ``BYTES``."""
    raw = key.encode()
    field = head(PROPS[kind], 0)[:-1].decode(BYTES)
    before = (head(KEY, len(raw)) + raw + head(VALUE, 0)[:-1]).decode(BYTES)
    fixed = len(before)

    def made(value: str) -> str:
        if not value.isascii():
            value = value.encode().decode(BYTES)
        length = len(value)
        return f"{lengths(length)}{value}"

    @lru_cache(maxsize=1024)
    def lengths(length: int) -> str:
        size = _number(length)
        return f"{field}{_number(fixed + len(size) + length)}{before}{size}"

    return made


@lru_cache(maxsize=4096)  # lengths of texts: the same ones again and again
def _number(value: int) -> str:
    return number(value).decode(BYTES)
