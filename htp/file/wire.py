"""Adding metadata to a serialised ONNX model, and taking it out, without touching anything else.

Parsing a model to add tags and serialising it again copies every weight twice, and the bytes may
come out in another order. Appending entries to the protobuf messages in place does neither: fields
may stand in any order (https://protobuf.dev/programming-guides/encoding/#order), so what is added
at the end of a message can be cut out again, and what remains are torch's own bytes.

Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from typing import Callable, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from htp.errors import InvalidModelError

__all__ = ["Props", "append", "join", "opset", "remove", "without_weights"]

Props = Sequence[Tuple[str, str]]
"""Metadata entries in the order in which they are written."""

Chunk = Union[bytes, memoryview]

_MODEL_GRAPH, _MODEL_OPSETS, _MODEL_PROPS, _MODEL_FUNCTIONS = 7, 8, 14, 25
_OPSET_VERSION = 2
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_FUNCTION_NODE = 7
_NODE_ATTRIBUTE, _NODE_PROPS = 5, 9
_ATTRIBUTE_GRAPHS = (6, 11)
_TENSOR_NAME, _TENSOR_PROPS = 8, 16
_TENSOR_WEIGHTS = (4, 5, 6, 7, 9, 10, 11)
_LENGTH_DELIMITED = 2


class _Message(NamedTuple):
    """A rewritten message: its pieces and their length in bytes."""

    chunks: List[Chunk]
    size: int


_DROP = _Message([], -1)
_Visit = Callable[[int, int, int], Optional[_Message]]


def _damaged(what: str) -> InvalidModelError:
    return InvalidModelError(
        f"This is not an ONNX model, or it is damaged: {what}.", "export the model again."
    )


def _other_count(how: str, tagged: Sequence[Props]) -> InvalidModelError:
    return InvalidModelError(
        f"The model has {how} nodes than the {len(tagged)} tagged.", "export the model again."
    )


def _varint(view: memoryview, at: int, end: int) -> Tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise _damaged("a number runs past the end of its message")


def _encode(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _fields(view: memoryview, at: int, end: int) -> Iterator[Tuple[int, int, int, int, int]]:
    """``(field, wire type, start of the tag, start of the value, end of the value)``."""
    while at < end:
        start = at
        tag, at = _varint(view, at, end)
        field, wire = tag >> 3, tag & 7
        value = at
        if wire == 0:
            _, at = _varint(view, at, end)
        elif wire == 1:
            at += 8
        elif wire == 5:
            at += 4
        elif wire == _LENGTH_DELIMITED:
            length, value = _varint(view, at, end)
            at = value + length
        else:
            raise _damaged(f"wire type {wire} is unknown to ONNX")
        if at > end:
            raise _damaged("a message runs past the end of the file, which looks cut")
        yield field, wire, start, value, at


def _rewrite(view: memoryview, at: int, end: int, visit: _Visit) -> _Message:
    """Copy a message field by field; ``visit`` may replace or drop the length-delimited ones."""
    chunks: List[Chunk] = []
    size, kept = 0, at
    for field, wire, start, value, stop in _fields(view, at, end):
        new = visit(field, value, stop) if wire == _LENGTH_DELIMITED else None
        if new is None:
            continue
        if start > kept:
            chunks.append(view[kept:start])
            size += start - kept
        if new is not _DROP:
            head = _encode(field << 3 | _LENGTH_DELIMITED) + _encode(new.size)
            chunks.append(head)
            chunks.extend(new.chunks)
            size += len(head) + new.size
        kept = stop
    if end > kept:
        chunks.append(view[kept:end])
        size += end - kept
    return _Message(chunks, size)


def _entry(field: int, key: str, value: str) -> bytes:
    body = b""
    for number, text in ((1, key), (2, value)):
        raw = text.encode()
        body += _encode(number << 3 | _LENGTH_DELIMITED) + _encode(len(raw)) + raw
    return _encode(field << 3 | _LENGTH_DELIMITED) + _encode(len(body)) + body


def _with_props(message: _Message, field: int, props: Props) -> _Message:
    if not props:
        return message
    raw = b"".join(_entry(field, key, value) for key, value in props)
    return _Message([*message.chunks, raw], message.size + len(raw))


def _text(view: memoryview, at: int, end: int, wanted: int) -> str:
    for field, wire, _, value, stop in _fields(view, at, end):
        if field == wanted and wire == _LENGTH_DELIMITED:
            return bytes(view[value:stop]).decode("utf-8", "replace")
    return ""


class _Editor:
    """Walks model, graphs, nodes and tensors in document order; subclasses say what changes."""

    def __init__(self, data: Chunk) -> None:
        self.view = memoryview(data)

    def model(self) -> _Message:
        def visit(field: int, at: int, end: int) -> Optional[_Message]:
            if field == _MODEL_GRAPH:
                return self.graph(at, end)
            if field == _MODEL_FUNCTIONS:
                return self.function(at, end)
            return None

        return _rewrite(self.view, 0, len(self.view), visit)

    def graph(self, at: int, end: int) -> _Message:
        def visit(field: int, at: int, end: int) -> Optional[_Message]:
            if field == _GRAPH_NODE:
                return self.node(at, end)
            if field == _GRAPH_INITIALIZER:
                return self.tensor(at, end)
            return None

        return _rewrite(self.view, at, end, visit)

    def function(self, at: int, end: int) -> _Message:
        return _rewrite(
            self.view,
            at,
            end,
            lambda field, at, end: self.node(at, end) if field == _FUNCTION_NODE else None,
        )

    def node(self, at: int, end: int) -> _Message:
        def visit(field: int, at: int, end: int) -> Optional[_Message]:
            return self.attribute(at, end) if field == _NODE_ATTRIBUTE else None

        return _rewrite(self.view, at, end, visit)

    def attribute(self, at: int, end: int) -> Optional[_Message]:
        fields = _fields(self.view, at, end)
        if not any(field in _ATTRIBUTE_GRAPHS for field, _, _, _, _ in fields):
            return None
        return _rewrite(
            self.view,
            at,
            end,
            lambda field, at, end: self.graph(at, end) if field in _ATTRIBUTE_GRAPHS else None,
        )

    def tensor(self, at: int, end: int) -> Optional[_Message]:
        return None


class _Append(_Editor):
    def __init__(self, data: Chunk, nodes: Iterator[Props], tensors: Mapping[str, Props]) -> None:
        super().__init__(data)
        self.nodes = nodes
        self.tensors = tensors

    def node(self, at: int, end: int) -> _Message:
        props = next(self.nodes)  # before the bodies: document order
        return _with_props(super().node(at, end), _NODE_PROPS, props)

    def tensor(self, at: int, end: int) -> Optional[_Message]:
        props = self.tensors.get(_text(self.view, at, end, _TENSOR_NAME))
        if not props:
            return None
        return _with_props(_Message([self.view[at:end]], end - at), _TENSOR_PROPS, props)


class _Remove(_Editor):
    def __init__(self, data: Chunk, ours: Callable[[Sequence[str]], Sequence[bool]]) -> None:
        super().__init__(data)
        self.ours = ours

    def _without(self, message: _Message, field: int) -> _Message:
        raw = memoryview(join(message.chunks))
        entries = [e for e in _fields(raw, 0, len(raw)) if e[0] == field]
        keys = [_text(raw, value, stop, 1) for _, _, _, value, stop in entries]
        drop = {e[3] for e, ours in zip(entries, self.ours(keys)) if ours}
        if not drop:
            return message
        return _rewrite(raw, 0, len(raw), lambda _, at, end: _DROP if at in drop else None)

    def model(self) -> _Message:
        view = self.view
        entries = [e for e in _fields(view, 0, len(view)) if e[0] == _MODEL_PROPS]
        keys = [_text(view, value, stop, 1) for _, _, _, value, stop in entries]
        drop = {e[3] for e, ours in zip(entries, self.ours(keys)) if ours}

        def visit(field: int, at: int, end: int) -> Optional[_Message]:
            if field == _MODEL_PROPS:
                return _DROP if at in drop else None
            if field == _MODEL_GRAPH:
                return self.graph(at, end)
            if field == _MODEL_FUNCTIONS:
                return self.function(at, end)
            return None

        return _rewrite(view, 0, len(view), visit)

    def node(self, at: int, end: int) -> _Message:
        return self._without(super().node(at, end), _NODE_PROPS)

    def tensor(self, at: int, end: int) -> Optional[_Message]:
        fields = _fields(self.view, at, end)
        if not any(field == _TENSOR_PROPS for field, _, _, _, _ in fields):
            return None
        return self._without(_Message([self.view[at:end]], end - at), _TENSOR_PROPS)


class _WithoutWeights(_Editor):
    def tensor(self, at: int, end: int) -> Optional[_Message]:
        return _rewrite(
            self.view,
            at,
            end,
            lambda field, at, end: _DROP if field in _TENSOR_WEIGHTS else None,
        )


def append(
    data: Chunk, nodes: Sequence[Props], tensors: Mapping[str, Props], model: Props
) -> List[Chunk]:
    """Append metadata entries to a serialised ``ModelProto``.

    Args:
        data: the model's bytes; they are not copied.
        nodes: entries for every node in document order (a node, then its bodies; functions last).
        tensors: entries for initializers, by name.
        model: entries for the model itself.

    Returns:
        The new model in pieces, most of them views of ``data``.

    Raises:
        InvalidModelError: the bytes are not a model, or have another number of nodes.
    """
    given = iter(nodes)
    try:
        message = _Append(data, given, tensors).model()
    except (StopIteration, RuntimeError):
        raise _other_count("more", nodes) from None
    if next(given, None) is not None:
        raise _other_count("fewer", nodes)
    return _with_props(message, _MODEL_PROPS, model).chunks


def remove(data: Chunk, ours: Callable[[Sequence[str]], Sequence[bool]]) -> List[Chunk]:
    """Take metadata entries out of a serialised ``ModelProto``.

    Args:
        data: the model's bytes; they are not copied.
        ours: for the keys of one message in order, which entries go.
    """
    return _Remove(data, ours).model().chunks


def without_weights(data: Chunk) -> bytes:
    """The same model with the contents of its initializers left out: quick to parse."""
    return join(_WithoutWeights(data).model().chunks)


def opset(data: Chunk) -> Optional[int]:
    """The version of the standard operators that a model says it uses; None where it says none."""
    view = memoryview(data)
    for field, _, _, start, stop in _fields(view, 0, len(view)):
        if field == _MODEL_OPSETS and _text(view, start, stop, 1) in ("", "ai.onnx"):
            for inner, _, _, at, end in _fields(view, start, stop):
                if inner == _OPSET_VERSION:
                    return _varint(view, at, end)[0]
    return None


def join(chunks: Sequence[Chunk]) -> bytes:
    """The pieces as one."""
    return b"".join(chunks)
