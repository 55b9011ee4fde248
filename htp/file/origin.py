"""Where a model comes from: one entry of the model's own metadata for each export.

``onnx.compose.merge_models`` takes the metadata of both models and refuses a key that has two
values, so each export writes one entry, under a key that is its own: ``pkg.htp.`` and the export's
fingerprint. Its value is JSON:

    {"schema": "4", "backend": ..., "torch": ..., "htp": its version,
     "nodes": [count, digest],   see ``htp.file.origin.digest``
     "calls": ...,               each module call of the forward pass, see ``htp.file.calls``
     "values": ...,              the values that they took and returned
     "folded": ...,              what was computed of them in advance, see ``htp.file.folded``
     "skeleton": {...}}          what ``htp.file.skeleton`` packs; not with ``origin=False``

What else it holds is left alone. Packed parts are zlib in base64 (``htp.file.packed``). Every node
says in ``pkg.htp.origin`` which export wrote it, so that two models, were they of one class, stay
apart in a merged file. Most tools that rewrite a graph drop what its nodes say, and keep what the
model says: so a rewritten file still tells what its tags were.

Schema 3 did not say what calls do with arguments that have no name, and had nothing ``folded``.
Schema 2 had ``calls`` as plain JSON, and neither ``nodes``, ``values`` nor a skeleton. Schema 1
wrote an entry for each of these: ``pkg.htp.schema`` and so on.
"""

import hashlib
import os
import re
import zlib
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from htp.errors import InvalidModelError
from htp.file import folded, keys, packed, skeleton, wire
from htp.file.calls import Calls, decode_calls, decode_values, encode_values, rows_of
from htp.file.entries import Props
from htp.graph.records import CallRecord, Operation

__all__ = ["Origin", "digest", "encode", "fingerprint", "read"]

SCHEMA = "4"
READABLE = ("1", "2", "3", SCHEMA)

_PACKED = ("values", "folded", "skeleton")

WITH_SKELETON = ("3", SCHEMA)
"""The schemas that can tell what the graph was."""

_KEY = re.compile(r"pkg\.htp\.([0-9a-f]{16})")
_FLAT = {
    f"{keys.PREFIX}{name}": name for name in ("schema", "backend", "torch", "version", "calls")
}
_SAMPLES = 256
"""Bytes that a fingerprint takes of each weight; of data files four times as many pieces."""
_PIECE = 16
"""Bytes of a piece."""


@dataclass(frozen=True)
class Origin:
    """One export that nodes of a file come from.

    Attributes:
        fingerprint: tells it from others; ``""`` in files of schema 1.
        schema: version of the format of the tags.
        backend: the backend that captured them.
        torch: the torch that exported the model.
        version: the HTP that wrote them.
        calls: every module call of the forward pass in order, with its depth: 0 is the root.
        nodes: how many nodes the export had, and their digest; None in files of older schemas.
    """

    fingerprint: str
    schema: str
    backend: str
    torch: str
    version: str
    calls: Calls
    nodes: Optional[Tuple[int, int]] = None
    _packed: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def has_skeleton(self) -> bool:
        """Whether it says what the graph was."""
        return "skeleton" in self._packed

    def records(self) -> Tuple[CallRecord, ...]:
        """The module calls with the values that each took and returned, where known.

        Raises:
            InvalidModelError: they cannot be read.
        """
        return decode_values(self.calls, self._packed.get("values"), f"{self._where} (values)")

    def folded(self) -> Tuple[Operation, ...]:
        """Operations that the exporter did in advance, see ``htp.graph.records.Capture``.

        Raises:
            InvalidModelError: they cannot be read.
        """
        return folded.decode(self._packed.get("folded"), f"{self._where} (folded)")

    def skeleton(self) -> Optional[skeleton.Skeleton]:
        """The graph as it was exported, unpacked anew; None where the file does not say.

        Raises:
            InvalidModelError: it cannot be read.
        """
        if not self.has_skeleton:
            return None
        where = f"the skeleton of {self._where}"
        return skeleton.unpack(self._packed["skeleton"], self.records(), where)

    @property
    def _where(self) -> str:
        return f"{keys.PREFIX}{self.fingerprint}"


def digest(nodes: Iterable[Tuple[str, Sequence[str]]]) -> Tuple[int, int]:
    """How many nodes there are, and the CRC-32 of their operators and the names of their outputs.

    Nodes that are still those of the export, in its order, have the digest that their origin says.
    Each counts as its operator and its outputs, with a line feed behind each of them.

    Args:
        nodes: operator and outputs of each, in document order: see
            ``htp.file.document.nodes_of``.
    """
    told: List[Any] = []
    count = 0
    for operator, outputs in nodes:
        count += 1
        told.append(operator)
        told += outputs
    try:
        return count, zlib.crc32("\n".join((*told, "")).encode())
    except (TypeError, UnicodeError):  # a name that is no text: these are other nodes
        return count, -1


def encode(
    backend: str,
    torch: str,
    version: str,
    calls: Sequence[CallRecord],
    nodes: Tuple[int, int],
    graph: Optional[skeleton.Skeleton] = None,
    operations: Sequence[Operation] = (),
) -> str:
    """The value of the entry; the same for the same export.

    Args:
        backend: the backend that captured it.
        torch: the torch that exported it.
        version: the HTP that writes it.
        calls: its module calls.
        nodes: their digest.
        graph: its skeleton; None leaves it out.
        operations: those that the exporter did in advance.
    """
    made: Dict[str, Any] = {"schema": SCHEMA, "backend": backend, "torch": torch, "htp": version}
    made.update(nodes=nodes, calls=packed.dump(rows_of(calls)))
    made["values"] = packed.dump(encode_values(calls))
    if operations:
        made["folded"] = folded.encode(operations)
    if graph is not None:
        made["skeleton"] = skeleton.pack(graph)
    return keys.dumps(made)


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
    is_packed = schema in WITH_SKELETON and isinstance(calls, str)
    rows = keys.rows(packed.load(calls, where) if is_packed else calls, (str, str, int, int), where)
    backend, torch, version = made
    parts: Dict[str, Any] = {name: held[name] for name in _PACKED if name in held}
    found = decode_calls(rows, where)
    nodes = _nodes(mark, held.get("nodes"))
    return Origin(mark, schema, backend, torch, version, found, nodes, parts)


def _nodes(mark: str, held: Any) -> Optional[Tuple[int, int]]:
    if held is None:
        return None
    if not isinstance(held, list) or list(map(type, held)) != [int, int]:
        raise _unreadable(mark, f"its nodes are {str(held)[:80]!r}")
    return held[0], held[1]


def _unreadable(mark: str, why: str) -> InvalidModelError:
    return packed.damaged(f"{keys.PREFIX}{mark}", why)
