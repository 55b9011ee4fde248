"""What trtexec writes: times of an engine's layers, and of what these were made.

``--exportProfile``, and ``--exportLayerInfo`` of an engine with detailed profiling verbosity::

    [{"count": 625}, {"name": "/conv/Conv + /relu/Relu", "averageMs": 0.0587, ...}, ...]

    {"Layers": [{"Name": "__myl_Fc_0", "LayerType": "kgen",
                 "Metadata": "[ONNX Layer: /fc/MatMul]<1F>[ONNX Layer: /fc/Add | note]"}, ...]}

The metadata names the nodes of the file, joined by U+001F within a fusion and by U+001E between
groups. Without it only the names of layers are left: those of fused nodes joined by `` + ``,
``PWN(...)`` around pointwise ones, and ``{ForeignNode[a...b]}`` for all that is between two. A node
without a name is called ``node_of_`` and its first output.
"""

import re
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from htp.profiling.kernels import Kernel, Report, Timed
from htp.profiling.reports.document import damaged, entries, number, word
from htp.profiling.subject import Subject

__all__ = ["TOOL", "is_layers", "is_profile", "report"]

TOOL = "TensorRT"

_MARK = "[ONNX Layer: "
_MORE = " | "
"""Behind it stand a node's doc string and the local function that it is from."""
_MOVED = re.compile(r"^Reformatting CopyNode for (?:Input|Output) Tensor \d{1,9} (?:to|from) ")
_FOREIGN = re.compile(r"^\{ForeignNode\[(.*)\]\}$", re.DOTALL)
_NUMBERED = re.compile(r"_myl\d{1,9}_\d{1,9}$")
_POINTWISE = "PWN("
_DEEPEST = 40
_MOST = 8
"""Parts of a text of which the ends are cut off to find a name."""


def is_profile(document: Any) -> bool:
    """Whether a document looks like the times of layers."""
    rows = document[:2] if isinstance(document, list) else []
    return any(isinstance(row, dict) and ("averageMs" in row or "timeMs" in row) for row in rows)


def is_layers(document: Any) -> bool:
    """Whether a document looks like the layers of an engine."""
    return isinstance(document, dict) and isinstance(document.get("Layers"), list)


def report(times: Any, layers: Any, subject: Subject, name: str) -> Report:
    """What both documents tell.

    Args:
        times: the profile.
        layers: the layer information, or None.
        subject: the file of which the engine was built.
        name: what to call the report in errors.

    Raises:
        HTPError: one is damaged.
    """
    known = {} if layers is None else _layers(layers, name)
    runs, found = 0.0, []
    parts = Parts(subject)
    for row in entries(times, name, "the profile"):
        if not isinstance(row, dict):
            raise damaged(name, "an entry is no object")
        if "name" not in row:
            runs = number(row.get("count", 0), name, "the count of runs")
            continue
        called = word(row["name"], name, "the name of a layer")
        seconds = _seconds(row, runs, name)
        layer = known.get(called, _Layer("", ""))
        nodes, is_sure = parts.of(called, layer.metadata)
        kernel = Kernel(called, layer.kind or "layer", seconds, 1.0, TOOL)
        reason = "" if nodes else "neither its metadata nor its name tells of nodes"
        found.append(Timed(kernel, nodes, is_sure, reason))
    return Report(tuple(found), int(runs), TOOL, tuple(_remarks(layers, known)))


def _seconds(row: Mapping[str, Any], runs: float, name: str) -> float:
    if "averageMs" in row:
        return number(row["averageMs"], name, "the time of a layer") / 1e3
    return number(row.get("timeMs"), name, "the time of a layer") / 1e3 / max(runs, 1.0)


def _remarks(layers: Any, known: Mapping[str, "_Layer"]) -> Iterator[str]:
    if layers is None:
        yield (
            "without --exportLayerInfo of an engine with --profilingVerbosity=detailed only the "
            "names of layers tell what they stand for"
        )
    elif not any(layer.metadata for layer in known.values()):
        yield (
            "the layer information has no metadata: build the engine with "
            "--profilingVerbosity=detailed"
        )


class _Layer(NamedTuple):
    """What the layer information says of a layer."""

    kind: str
    metadata: str


def _layers(document: Any, name: str) -> Dict[str, _Layer]:
    found: Dict[str, _Layer] = {}
    for row in entries(document.get("Layers"), name, "the layers"):
        if isinstance(row, str):
            continue  # of an engine without details: its name
        if not isinstance(row, dict):
            raise damaged(name, "a layer is no object")
        called = word(row.get("Name"), name, "the name of a layer")
        kind = word(row.get("LayerType") or "", name, "the type of a layer")
        metadata = row.get("Metadata") or ""
        if not isinstance(metadata, str):
            raise damaged(name, "the metadata of a layer is no text")
        found.setdefault(called, _Layer(kind, metadata))
    return found


Found = Tuple[Tuple[int, ...], bool]


class Parts:
    """Finds the nodes for which layers stand."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._left = _DEEPEST * (len(subject.flat.nodes) + 1)
        self._plain: Optional[Dict[str, int]] = None

    def of(self, name: str, metadata: str) -> Found:
        """The nodes, and whether these are all that it stands for."""
        if _MARK in metadata:
            several = [self._noted(each) for each in _notes(metadata)]
            found = tuple(dict.fromkeys(node for nodes in several for node in nodes))
            return found, all(several)
        moved = _MOVED.match(name)
        nodes, is_sure = self._called(name[moved.end() :] if moved else name, _DEEPEST)
        return tuple(dict.fromkeys(nodes)), is_sure and not moved

    def _named(self, name: str) -> Tuple[int, ...]:
        found = self._subject.named(name)
        if not found and name.startswith("node_of_"):
            found = self._subject.named(name[len("node_of_") :])
        return found

    def _noted(self, note: str) -> Tuple[int, ...]:
        """The nodes of a note, of which the end may be a doc string."""
        for _ in range(_MOST):
            found = self._named(note)
            if found or _MORE not in note:
                return found
            note = note.rpartition(_MORE)[0]
        return self._named(note.partition(_MORE)[0])

    def _called(self, name: str, left: int) -> Tuple[List[int], bool]:
        """The nodes that the name of a layer holds."""
        found = self._named(name)
        if found:
            return list(found), True
        foreign = _FOREIGN.match(name)
        if foreign:
            return self._between(foreign.group(1)), False
        parts = _apart(name) if left else []
        if parts:
            several = [self._called(part, left - 1) for part in parts]
            known = [each for each in several if each[0]]
            nodes = [node for each, _ in known for node in each]
            is_sure = all(sure for _, sure in known) and all(
                each[0] or part in self._subject.weights for each, part in zip(several, parts)
            )
            return nodes, is_sure
        numbered = _NUMBERED.search(name)
        return (self._numbered(name[: numbered.start()]), False) if numbered else ([], False)

    def _numbered(self, name: str) -> List[int]:
        """The node after which a layer is called, in whose name signs are replaced."""
        found = self._named(name)
        if found:
            return list(found)
        if self._plain is None:
            self._plain = {}
            for place, node in enumerate(self._subject.flat.nodes):
                plain = re.sub(r"[^0-9A-Za-z_/]", "_", node.name)
                self._plain[plain] = -1 if plain in self._plain else place
        place = self._plain.get(name, -1)
        return [place] if place >= 0 and name else []

    def _between(self, text: str) -> List[int]:
        """All nodes from one to another, as ``a...b`` says; those two where nothing is between."""
        for at in [match.start() for match in re.finditer(r"(?=\.\.\.)", text)][: _MOST * _MOST]:
            first, last = self._named(text[:at]), self._named(text[at + 3 :])
            if first and last:
                behind = self._reached(first, forward=True)
                before = self._reached(last, forward=False)
                return sorted({*first, *last, *(behind & before)})
        return list(self._named(text))

    def _reached(self, nodes: Sequence[int], forward: bool) -> "set[int]":
        flat, found, pending = self._subject.flat, set(nodes), list(nodes)
        while pending and self._left > 0:
            node = pending.pop()
            self._left -= 1
            values = flat.outputs[node] if forward else flat.inputs[node]
            for value in (each for each in values if each >= 0):
                maker = flat.maker[value]
                made = [] if maker is None else [maker[0]]
                others = [each for each, _ in flat.readers[value]] if forward else made
                for other in others:
                    if other >= 0 and other not in found:
                        found.add(other)
                        pending.append(other)
        return found


def _notes(metadata: str) -> Iterator[str]:
    for group in re.split("[\x1e\x1f]", metadata):
        for note in group.split(_MARK)[1:]:
            yield re.sub(r"\]\s*$", "", note)


def _apart(name: str) -> List[str]:
    """The parts of a name that is made of several: ``a + b``, ``PWN(a, b)``."""
    if name.startswith(_POINTWISE) and _closes(name):
        return list(_split(name[len(_POINTWISE) : -1], ", "))
    parts = list(_split(name, " + "))
    return parts if len(parts) > 1 else []


def _closes(name: str) -> bool:
    """Whether the first bracket is closed by the last sign."""
    depth = 0
    for at, sign in enumerate(name):
        depth += (sign == "(") - (sign == ")")
        if sign == ")" and not depth:
            return at == len(name) - 1
    return False


def _split(text: str, mark: str) -> Iterator[str]:
    """The parts between marks that stand in no brackets."""
    depth, begin = 0, 0
    for at, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if depth <= 0 and text.startswith(mark, at):
            yield text[begin:at]
            begin = at + len(mark)
    yield text[begin:]
