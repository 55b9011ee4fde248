"""Doc strings of nodes without the lines that HTP put there.

Asked for doc strings, the TorchScript exporter writes the Python stack under which each operation
was traced, and HTP's functions that run around torch's stand in it:

    .../torch/nn/modules/module.py(860): _slow_forward
    .../htp/backends/torchscript/scopes.py(178): __call__      goes
    my_model.py(9): forward
"""

import os
from typing import List

from htp.file.protobuf import fields, head
from htp.file.wire import SCHEMA

__all__ = ["without_frames"]

_DOC_STRING = 6  # of a node
_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
_MODELS = (os.path.join("testing", ""), os.path.join("cli", "demo_model.py"))
"""What of HTP's own is exported, or exports, as users' code is and does."""


def without_frames(data: bytes) -> bytes:
    """The same model without HTP's own lines in the doc strings of its nodes."""
    if os.fsencode(_FOLDER) not in data:
        return data
    return _message(data, "model", 0, len(data))


def _message(data: bytes, kind: str, at: int, end: int) -> bytes:
    parts: List[bytes] = []
    for field, start, value, stop in fields(data, at, end):
        child = SCHEMA[kind].get(field)
        if kind == "node" and field == _DOC_STRING:
            new = _others(data[value:stop])
        elif child and SCHEMA[child]:
            new = _message(data, child, value, stop)
        else:
            continue
        if len(new) != stop - value:
            parts += [data[at:start], head(field, len(new)), new]
            at = stop
    return b"".join([*parts, data[at:end]])


def _others(text: bytes) -> bytes:
    lines = text.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    kept = "".join(line for line in lines if not _is_ours(line))
    return kept.encode("utf-8", "surrogateescape")


def _is_ours(line: str) -> bool:
    return line.startswith(_FOLDER) and not line.startswith(_MODELS, len(_FOLDER))
