"""A seal: a file that nobody touched since HTP wrote it is known without a look at its nodes.

It stands in the model's metadata beside the origin, as ``pkg.htp.FINGERPRINT.seal``: the CRC-32, in
decimal digits, of the model's bytes without the contents of its large tensors and without its own
metadata. It saves time and proves nothing: whoever can change a file can seal it. In a file that
some other program wrote anew it may be broken, whatever that left as it was.
"""

import zlib

from htp.file import keys
from htp.file.entries import entry
from htp.file.protobuf import fields

__all__ = ["key", "of", "sealed"]

_METADATA = 14
"""Of a model: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"""


def key(fingerprint: str) -> str:
    """The key of the seal that belongs to an origin."""
    return f"{keys.PREFIX}{fingerprint}.seal"


def of(light: bytes) -> str:
    """The seal of a model.

    Args:
        light: what ``wire.without_weights`` gives of it.

    Raises:
        InvalidModelError: the bytes are not a model.
    """
    view, checked = memoryview(light), 0
    for field, start, _, end in fields(light, 0, len(light)):
        if field != _METADATA:
            checked = zlib.crc32(view[start:end], checked)
    return str(checked)


def sealed(light: bytes, fingerprint: str) -> bytes:
    """The entry that seals a model; it is appended to it.

    Args:
        light: as for ``of``, with all that HTP writes but this entry.
        fingerprint: of the model's origin.
    """
    return entry("model", key(fingerprint), of(light))
