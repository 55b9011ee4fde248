"""Parts of an origin: bytes, compressed, as text.

Whoever reads a part decides what it may cost, whatever it claims: unpacked it is at most ``RATIO``
times as long as the entry that holds it. Whoever writes one keeps to that: what compresses better
is padded with zeros, behind the end that the compressed bytes themselves tell.
"""

import binascii
import zlib
from typing import Any

from htp.errors import InvalidModelError
from htp.file import keys

__all__ = ["RATIO", "damaged", "dump", "load", "pack", "unpack"]

RATIO = 16
"""Bytes that one compressed byte may stand for. Graphs and tags take 4 to 12; zlib could do 1032:
https://zlib.net/zlib_tech.html"""

_SPARE = 1024
"""What any part may hold beside that: short ones take no padding."""


def pack(data: bytes) -> str:
    """Bytes as text."""
    packed = zlib.compress(data).ljust((len(data) - _SPARE) // RATIO, b"\0")
    return binascii.b2a_base64(packed, newline=False).decode("ascii")


def unpack(text: Any, where: str) -> bytes:
    """The bytes that a text holds.

    Args:
        text: what ``pack`` gave.
        where: what it is, for errors.

    Raises:
        InvalidModelError: it is something else, or holds more than it may.
    """
    try:
        packed = binascii.a2b_base64(text.encode("ascii"))
        reader = zlib.decompressobj()
        most = len(packed) * RATIO + _SPARE + RATIO
        data = reader.decompress(packed, most)
        if not reader.eof and not data[most - 1 :]:
            raise ValueError("it is cut")
        if not reader.eof and reader.decompress(reader.unconsumed_tail, 1):
            raise ValueError(f"{len(packed)} bytes claim to stand for more than {most}")
    except (AttributeError, ValueError, zlib.error) as error:
        raise damaged(where, str(error)) from error
    return data


def dump(value: Any) -> str:
    """JSON, packed."""
    return pack(keys.dumps(value).encode())


def load(text: Any, where: str) -> Any:
    """What the JSON in a packed text holds.

    Raises:
        InvalidModelError: there is none.
    """
    data = unpack(text, where)
    try:
        return keys.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise damaged(where, str(error)) from error


def damaged(where: str, why: str) -> InvalidModelError:
    """The error of a part that cannot be read."""
    return InvalidModelError(f"{where} cannot be read: {why[:200]}.", keys.AGAIN)
