"""What a file tells at a glance, for a shell that waits: few bytes are read, in little time.

The graph is skipped to reach what the model says of itself, and tensors are skipped within it, so
what is read does not grow with the weights. Nothing is raised: what is damaged tells nothing, and
what would cost too much is left out.

    ModelProto      ir_version   graph { node node ... initializer ... }   metadata metadata
    calls_at                     skipped                                   read
    operators_at                 of each node what stands before its attributes
"""

import json
import os
import time
from typing import Any, BinaryIO, Dict, Iterator, List, Tuple

from htp.errors import HTPError
from htp.file import keys, origin, paths
from htp.file.entries import KEY, VALUE, Props
from htp.file.protobuf import BYTES, text
from htp.scope import ModuleCall

__all__ = ["calls_at", "calls_beside", "operators_at"]

_GRAPH, _METADATA = 7, 14  # of a model: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
_NODE, _OPERATOR = 1, 4  # of a graph, and of a node
_MOST = 1 << 23
"""Bytes of metadata that are read: a model of 160,000 nodes says so much of itself."""
_CALLS = 1 << 19
"""Characters of packed module calls that are unpacked: some 100,000 calls."""
_BEGIN = 1 << 13
"""Bytes of a node within which its operator stands."""
_SECONDS = 0.5
"""How long a file is looked through."""

_ERRORS = (OSError, ValueError, EOFError, RecursionError, AttributeError, TypeError, HTPError)


def calls_at(path: str) -> List[ModuleCall]:
    """The module calls that a model says it had; none where it does not say, or cannot be read."""
    deadline = time.monotonic() + _SECONDS
    found: List[Tuple[str, str]] = []
    left = _MOST
    try:
        with paths.opened(path) as file:
            for field, start, stop in _fields(file, os.fstat(file.fileno()).st_size, deadline):
                left -= stop - start if field == _METADATA else 0
                if field == _METADATA and left >= 0:
                    data = file.read(stop - start)
                    found.append(tuple(text(data, 0, len(data), n) for n in (KEY, VALUE)))  # type: ignore[arg-type]
    except _ERRORS:
        return []
    return _calls(found)


def calls_beside(path: str) -> List[ModuleCall]:
    """The module calls that a sidecar tells; likewise."""
    try:
        with paths.opened(path) as file:
            told = keys.loads(file.read(_MOST).decode())
        values: Dict[str, Any] = told["origins"]
        return _calls([(f"{keys.PREFIX}{mark}", json.dumps(each)) for mark, each in values.items()])
    except (*_ERRORS, KeyError):
        return []


def _calls(props: Props) -> List[ModuleCall]:
    try:
        told = origin.read([each for each in props if _is_small(each[1])])
    except _ERRORS:
        return []
    return list(dict.fromkeys(call for each in told for call, _ in each.calls))


def _is_small(value: str) -> bool:
    """Whether the module calls in an origin are soon unpacked; anything else is."""
    try:
        calls = keys.loads(value).get("calls", "")
    except _ERRORS:
        return True  # no JSON, or none that holds an object
    return len(calls) <= _CALLS


def operators_at(path: str) -> List[str]:
    """The operators of a model's graph, as far as they are found in time; bodies are left out."""
    deadline = time.monotonic() + _SECONDS
    found: Dict[str, None] = {}
    try:
        with paths.opened(path) as file:
            for field, _, stop in _fields(file, os.fstat(file.fileno()).st_size, deadline):
                for inner, at, end in _fields(file, stop, deadline) if field == _GRAPH else ():
                    if inner == _NODE:
                        data = file.read(min(end - at, _BEGIN))
                        found[text(data, 0, len(data), _OPERATOR)] = None
    except _ERRORS:
        pass  # what was found before is there
    return [name for name in found if name]


def _fields(file: BinaryIO, end: int, deadline: float) -> Iterator[Tuple[int, int, int]]:
    """The fields from here on that hold bytes: number, begin and end; the file stands at each."""
    at = file.tell()
    while at < end and time.monotonic() < deadline:
        tag = _varint(file)
        size = {BYTES: 0, 0: 0, 1: 8, 5: 4}.get(tag & 7)
        if size is None:
            return
        number = _varint(file) if tag & 7 in {BYTES, 0} else 0
        start = file.tell()
        at = start + (number if tag & 7 == BYTES else size)
        if at > end:
            return
        if tag & 7 == BYTES:
            yield tag >> 3, start, at
        file.seek(at)


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        (byte,) = file.read(1) or (None,)
        if byte is None:
            raise EOFError
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise ValueError("a number is too long")
