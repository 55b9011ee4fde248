"""Where a model comes from: one entry of the model's own metadata for each export.

``onnx.compose.merge_models`` takes the metadata of both models and refuses a key that has two
values, so each export writes one entry, under a key that is its own: ``pkg.htp.`` and the export's
fingerprint. Its value is JSON: ``schema``, ``backend``, ``torch``, ``htp`` (its version) and
``calls``, each module call as ``[path, type, call, depth]`` in the order of the forward pass; what
else it holds is left alone. Every node says in ``pkg.htp.origin`` which export wrote it, so that
two models, were they of one class, stay apart in a merged file.

Schema 1 wrote an entry for each of these: ``pkg.htp.schema`` and so on.
"""

import hashlib
import os
import re
from typing import Any, Dict, Iterable, List, NamedTuple, Sequence, Tuple

from htp.errors import InvalidModelError
from htp.file import keys, wire
from htp.file.entries import Props
from htp.scope import ModuleCall, Stack

__all__ = ["Origin", "encode", "fingerprint", "read"]

SCHEMA = "2"
READABLE = ("1", SCHEMA)

_KEY = re.compile(r"pkg\.htp\.([0-9a-f]{16})")
_FLAT = {
    f"{keys.PREFIX}{name}": name for name in ("schema", "backend", "torch", "version", "calls")
}
_SAMPLES = 256
"""Bytes that a fingerprint takes of each weight; of data files four times as many pieces."""
_PIECE = 16
"""Bytes of a piece."""


class Origin(NamedTuple):
    """One export that nodes of a file come from.

    Attributes:
        fingerprint: tells it from others; ``""`` in files of schema 1.
        schema: version of the format of the tags.
        backend: the backend that captured them.
        torch: the torch that exported the model.
        version: the HTP that wrote them.
        calls: every module call of the forward pass in order, with its depth: 0 is the root.
    """

    fingerprint: str
    schema: str
    backend: str
    torch: str
    version: str
    calls: Tuple[Tuple[ModuleCall, int], ...]


def encode(backend: str, torch: str, version: str, stacks: Iterable[Stack]) -> str:
    """The value of the entry; the same for the same export."""
    calls = [[*stack[-1], len(stack) - 1] for stack in stacks if stack]
    made = {"schema": SCHEMA, "backend": backend, "torch": torch, "htp": version}
    return keys.dumps({**made, "calls": calls})


def fingerprint(value: str, data: bytes, beside: Sequence[str] = ()) -> str:
    """16 hexadecimal digits that tell this export from others, the same on every run.

    Of weights only samples are read: exports that differ in the graph, or in weights that were
    trained apart, have another fingerprint. For exports that have the same, nothing is lost but
    that a merged file shows both under one root.

    Args:
        value: what ``encode`` gave.
        data: the model as torch wrote it.
        beside: its data files.
    """
    digest = hashlib.sha256(value.encode())
    view, kept = memoryview(data), 0
    for begin, end in wire.weights(data, 2 * _SAMPLES):  # of smaller ones all is read
        digest.update(view[kept:begin])
        digest.update(data[begin : end : _step(end - begin, _SAMPLES)])
        kept = end
    digest.update(view[kept:])
    for path in sorted(beside):
        digest.update(_sampled(path))
    return digest.hexdigest()[:16]


def _step(size: int, samples: int) -> int:
    return size // samples | 1  # odd: not always the same byte of a number


def _sampled(path: str) -> bytes:
    size = os.path.getsize(path) if os.path.isfile(path) else 0
    if not size:  # torch writes one beside a model that needs none
        return b""
    parts = [b"%d:" % size]
    # Not mapped into memory: each byte that is looked at would bring its neighbours along.
    with open(path, "rb", buffering=0) as file:
        for at in range(0, size, _step(size, 4 * _SAMPLES)):
            file.seek(at)
            parts.append(file.read(_PIECE))
    return b"".join(parts)


def read(props: Props) -> List[Origin]:
    """The origins in a model's metadata.

    Raises:
        InvalidModelError: one of them cannot be read, or a newer HTP wrote it.
    """
    flat = {_FLAT[key]: value for key, value in props if key in _FLAT}
    found = [_decode("", flat, flat.get("calls", "[]"))] if "schema" in flat else []
    for key, value in props:
        match = _KEY.fullmatch(str(key))  # a damaged one may be bytes
        if match:
            found.append(_from_json(match.group(1), value))
    return found


def _from_json(mark: str, text: str) -> Origin:
    try:
        held = keys.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise _unreadable(mark, str(error)) from error
    if not isinstance(held, dict):
        raise _unreadable(mark, "it is no object")
    held["version"] = held.pop("htp", "")
    return _decode(mark, held, held.get("calls", []))


def _decode(mark: str, held: Dict[str, Any], calls: Any) -> Origin:
    schema, *made = [held.get(name, "") for name in ("schema", "backend", "torch", "version")]
    if schema not in READABLE:
        raise InvalidModelError(
            f"The file has tags of schema {str(schema)[:80]!r}; "
            f"this HTP reads {', '.join(READABLE)}.",
            "install a newer HTP.",
        )
    if not all(isinstance(value, str) for value in made):
        raise _unreadable(mark, "it holds something else than text")
    where = f"the calls of {keys.PREFIX}{mark or 'calls'}"
    rows = keys.rows(calls, (str, str, int, int), where)
    backend, torch, version = made
    return Origin(mark, schema, backend, torch, version, _calls(rows, where))


def _calls(rows: Sequence[Sequence[Any]], where: str) -> Tuple[Tuple[ModuleCall, int], ...]:
    before = -1
    for _, _, _, depth in rows:
        if not 0 <= depth <= before + 1:
            raise InvalidModelError(
                f"{where} cannot be read: a call at depth {depth} below one at {before}.",
                keys.AGAIN,
            )
        before = depth
    return tuple((ModuleCall(path, kind, call), depth) for path, kind, call, depth in rows)


def _unreadable(mark: str, why: str) -> InvalidModelError:
    return InvalidModelError(f"{keys.PREFIX}{mark} cannot be read: {why}.", keys.AGAIN)
