"""A model with its tags: what ``htp.export`` returns and ``htp.load`` reads."""

import os
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, Optional, Sequence, Tuple, Union

from htp.errors import InvalidModelError, UnknownModuleError, did_you_mean
from htp.file import keys as metadata
from htp.file import store as files
from htp.file import wire
from htp.scope import Coverage, Stack, Tag
from htp.tree import ModuleTree, build

if TYPE_CHECKING:
    import onnx

__all__ = ["TaggedModel", "load"]


class TaggedModel:
    """An ONNX model whose nodes say which module call they came from.

    Made by ``htp.export`` and ``htp.load``. The tags live in the nodes' metadata and nowhere else:
    what is changed in ``model`` is seen by every method. Weights are parsed only when ``model`` or
    ``nodes`` is used, and weights in data files are never loaded.
    """

    def __init__(
        self,
        chunks: Sequence[wire.Chunk],
        outline: Callable[[], bytes],
        folder: Optional[str] = None,
    ) -> None:
        self._chunks: Sequence[wire.Chunk] = chunks
        self._make_outline = outline
        self._outline: Optional[onnx.ModelProto] = None
        self._proto: Optional[onnx.ModelProto] = None
        self._folder = folder

    def __repr__(self) -> str:
        made = f"backend={self.backend!r}, torch={self.torch!r}" if self.backend else "inferred"
        return f"<TaggedModel {made}, {self.coverage}>"

    @property
    def model(self) -> "onnx.ModelProto":
        """The model. Tensors in data files stay there (``onnx.load_external_data_for_model``)."""
        if self._proto is None:
            self._proto = _parse(wire.join(self._chunks))
            self._chunks = ()
        return self._proto

    @property
    def _view(self) -> "onnx.ModelProto":
        if self._proto is not None:
            return self._proto
        if self._outline is None:
            self._outline = _parse(self._make_outline())
        return self._outline

    def _read(self, node: "onnx.NodeProto") -> Tag:
        props = {prop.key: prop.value for prop in node.metadata_props}
        tag = metadata.decode(props)
        if tag is not None:
            return tag
        return metadata.infer(props, node.name) if self.schema is None else Tag()

    def _tags(self) -> Iterator[Tuple["onnx.NodeProto", Tag]]:
        for node in metadata.nodes_of(self._view):
            yield node, self._read(node)

    def nodes(self) -> Iterator[Tuple["onnx.NodeProto", Tag]]:
        """Every node with its tag: main graph and nested bodies, then bodies of called functions.

        A node comes before the nodes of its bodies. A function that nothing calls is left out.
        """
        for node in metadata.nodes_of(self.model):
            yield node, self._read(node)

    def tag(self, name: str) -> Tag:
        """The tag of the node that has this name, or that computes the value of this name.

        Raises:
            UnknownModuleError: no node has or computes it.
        """
        known: List[str] = []
        by_value: Optional[Tag] = None
        for node, tag in self._tags():
            if node.name == name:
                return tag
            if by_value is None and name in node.output:
                by_value = tag
            known.extend((node.name, *node.output))
        if by_value is not None and name:
            return by_value
        raise UnknownModuleError(
            f"No node is called {name!r}, and none computes a value of that name.",
            did_you_mean(name, known),
        )

    def find(
        self, pattern: str, op_type: Optional[str] = None
    ) -> List[Tuple["onnx.NodeProto", Tag]]:
        """The nodes of the modules that a pattern names, everything below them included.

        Args:
            pattern: a module path with shell wildcards: ``"encoder.layer.*"``. ``"block@1"`` is
                only the second call of ``block``. ``""`` is the root, and so every known node.
            op_type: only nodes of this operator, for example ``"MatMul"``.

        Raises:
            UnknownModuleError: no module that owns a node matches.
        """
        matches: Dict[Stack, bool] = {}
        found = False
        for _, tag in self._tags():
            if tag.stack not in matches:
                matches[tag.stack] = _matches(pattern, tag.stack)
                found = found or matches[tag.stack]
        if not found:
            paths = [str(call) for stack in matches for call in stack]
            raise UnknownModuleError(
                f"No module that owns a node matches {pattern!r}.", did_you_mean(pattern, paths)
            )
        return [
            (node, tag)
            for node, tag in self.nodes()
            if matches.get(tag.stack) and op_type in (None, node.op_type)
        ]

    def tree(self) -> ModuleTree:
        """The module calls with the coverage of their nodes, modules without nodes included."""
        calls = self._model_prop(metadata.MODEL_CALLS)
        stacks = metadata.decode_calls(calls) if calls else ()
        return build((tag for _, tag in self._tags()), stacks)

    def parameters(self) -> Dict[str, Tuple[str, ...]]:
        """For each initializer known to hold one: the parameters' or buffers' full names."""
        names = {}
        for tensor in self._view.graph.initializer:
            for prop in tensor.metadata_props:
                if prop.key == metadata.PARAMETER:
                    names[tensor.name] = metadata.decode_parameter(prop.value)
        return names

    @property
    def coverage(self) -> Coverage:
        """How many nodes are known in which way."""
        return Coverage.of(tag for _, tag in self._tags())

    def _model_prop(self, key: str) -> Optional[str]:
        return next((p.value for p in self._view.metadata_props if p.key == key), None)

    @property
    def schema(self) -> Optional[str]:
        """Version of the tags' format; None when they were not made by HTP."""
        return self._model_prop(metadata.MODEL_SCHEMA)

    @property
    def backend(self) -> Optional[str]:
        """Name of the backend that captured the tags; None when they were not made by HTP."""
        return self._model_prop(metadata.MODEL_BACKEND)

    @property
    def torch(self) -> Optional[str]:
        """The torch that exported the model; None when the tags were not made by HTP."""
        return self._model_prop(metadata.MODEL_TORCH)

    def save(self, f: Union[files.PathLike, files.Writable]) -> None:
        """Write the model with its tags, atomically. Data files are copied beside it, unread.

        Args:
            f: a path or a binary file object (which cannot take data files along).

        Raises:
            HTPError: it cannot be written, or a data file is missing.
        """
        chunks = self._chunks if self._proto is None else [self._serialised()]
        if isinstance(f, (str, os.PathLike)):
            files.write(f, chunks, self._folder, _data_files(self._view))
            return
        files.pour(chunks, f)

    def _serialised(self) -> bytes:
        raw: bytes = self.model.SerializeToString()
        return raw

    def strip(self) -> "TaggedModel":
        """Take out everything that HTP wrote, in place: torch's own bytes are left.

        Returns:
            This model, for chaining: ``htp.load("a.onnx").strip().save("b.onnx")``.
        """
        if self._proto is not None:
            self._chunks = [self._serialised()]
            self._proto = None
        self._chunks = wire.remove(wire.join(self._chunks), metadata.ours)
        outline = wire.without_weights(wire.join(self._chunks))
        self._make_outline, self._outline = (lambda: outline), None
        return self


def _matches(pattern: str, stack: Stack) -> bool:
    import fnmatch

    if "@" in pattern:
        names = [f"{call.path}@{call.call}" for call in stack]
    else:
        names = [call.path for call in stack]
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def _data_files(model: "onnx.ModelProto") -> List[str]:
    locations: Dict[str, None] = {}
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                locations[entry.value] = None
    return list(locations)


def _parse(data: bytes) -> "onnx.ModelProto":
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model: onnx.ModelProto = onnx.ModelProto.FromString(data)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise InvalidModelError(
            f"This is not an ONNX model, or it is damaged: {error}.", "export the model again."
        ) from error
    return model


def load(f: files.PathLike) -> TaggedModel:
    """Read a model and its tags. torch is not needed, and weights in data files stay there.

    Tags of other tools (torch's own metadata, ``winml.hierarchy``) and the node names of the
    TorchScript exporter are read as ``inferred`` when the file has no tags of HTP's.

    Args:
        f: the file's path.

    Raises:
        InvalidModelError: there is no such file, it is no ONNX model, it is damaged, or nothing in
            it tells of modules.
    """
    name = os.fspath(f)
    data = files.read(f)
    outline = wire.without_weights(data)
    if not _parse(outline).HasField("graph"):
        raise InvalidModelError(
            f"{name!r} is not an ONNX model: it has no graph.", "export the model again."
        )
    model = TaggedModel([data], lambda: outline, folder=os.path.dirname(os.path.realpath(f)))
    if model.schema not in (None, metadata.SCHEMA):
        raise InvalidModelError(
            f"{name!r} has tags of schema {model.schema!r}; this HTP reads {metadata.SCHEMA!r}.",
            "install a newer HTP.",
        )
    if model.schema is None and model.coverage.unknown == model.coverage.total:
        raise InvalidModelError(
            f"{name!r} has no tags, and neither metadata nor node names tell of modules.",
            "export it with htp.export.",
        )
    return model
