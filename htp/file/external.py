"""What a tensor says of its contents that lie in a data file: where, and how many bytes."""

from typing import Any, NamedTuple, Optional

__all__ = ["EXTERNAL", "Place", "place_of"]

EXTERNAL = 1
"""``TensorProto.EXTERNAL``: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""

_DIGITS = 18
"""Those of the largest size that is believed; Python takes the square of their number to read."""


class Place(NamedTuple):
    """A place in a data file.

    Attributes:
        location: the name of the data file, as the model gives it; where it leads is checked by
            ``htp.file.data.located``.
        offset: the first byte.
        length: how many bytes; None where that is not said, and so as many as the shape takes.
    """

    location: str
    offset: int
    length: Optional[int]


def place_of(tensor: Any) -> Optional[Place]:
    """Where the contents of a tensor lie, None where what it says is no place in a file.

    protobuf gives what is no valid UTF-8 as bytes, so nothing that is said need be text.
    """
    said = {entry.key: entry.value for entry in tensor.external_data}
    location, offset = said.get("location", ""), _number(said.get("offset", "0"))
    length = _number(said["length"]) if "length" in said else None
    if not isinstance(location, str) or offset is None or (length is None and "length" in said):
        return None
    return Place(location, offset, length)


def _number(text: Any) -> Optional[int]:
    """A number that a file's size can be, or None."""
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= _DIGITS:
        return int(text)
    return None
