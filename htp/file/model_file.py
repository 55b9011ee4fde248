"""A model in whichever form it is needed: bytes, an outline without weights, or parsed."""

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Optional, Sequence, Tuple

from htp.errors import InvalidModelError
from htp.file import data, keys, origin, seal, store, wire
from htp.file.document import nodes_of, parse, serialised, text_of
from htp.file.entries import Props
from htp.file.garbage import no_search
from htp.file.tags import TagTable, is_tagged
from htp.file.tensors import tensors_of
from htp.file.weights import inside, weights_of
from htp.graph.records import Weight
from htp.scope import Tag

if TYPE_CHECKING:
    import onnx

__all__ = ["ModelFile"]


class ModelFile:
    """The one thing that knows a model's bytes, outline, parsed form and folder.

    Weights are held in one form at a time: as bytes until ``proto`` is asked for, then parsed. The
    outline has none; it answers what only tags are needed for.

    Args:
        chunks: the serialised model, in pieces.
        outline: makes the same without large weights, or None where there are none; by default
            it is made from ``chunks``.
        proto: the parsed model, in the place of both.
        folder: where its data files lie; None when there is none.
        linked: the folder of the file that its name links to, where that is another.
        name: what it is called, for errors; ``""`` where it has no name.

    Attributes:
        aside: what others found out about it and keep here, each with the ``as_read`` of then.
    """

    def __init__(
        self,
        chunks: Sequence[wire.Chunk] = (),
        outline: Optional[Callable[[], Optional[bytes]]] = None,
        proto: Optional["onnx.ModelProto"] = None,
        folder: Optional[str] = None,
        linked: Optional[str] = None,
        name: str = "",
    ) -> None:
        self.folder, self.linked, self.name = folder, linked, name
        self._chunks = chunks
        self._make_outline = outline
        self._outline: Optional[onnx.ModelProto] = None
        self._is_whole = False
        """Whether there was nothing to leave out of the outline: it is the model."""
        self._seal = ""
        self.aside: Dict[str, Any] = {}
        self._proto = proto
        self._tags = TagTable()
        self._origins: Tuple[Props, Sequence[origin.Origin]] = ((), ())

    @property
    def proto(self) -> "onnx.ModelProto":
        """The model, parsed. From now on it is what this file is, with every change made in it."""
        if self._proto is None:
            whole = self._outline if self._is_whole else None
            with self.naming():
                self._proto = parse(wire.join(self._chunks)) if whole is None else whole
            self._chunks, self._make_outline, self._outline = (), None, None
        return self._proto

    @property
    def outline(self) -> "onnx.ModelProto":
        """The model to look at: without large weights, unless they were parsed anyway."""
        if self._proto is not None:
            return self._proto
        if self._outline is None:
            with self.naming():
                light = (self._make_outline or self._light)()
                small = wire.join(self._chunks) if light is None else light
                self._outline, self._seal = parse(small), seal.of(small)
            self._make_outline, self._is_whole = None, light is None
        return self._outline

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Have an error say which file it is of."""
        try:
            yield
        except InvalidModelError as error:
            error.say(self.name and f"The file is {self.name}.")
            raise

    def _light(self) -> Optional[bytes]:
        whole = wire.join(self._chunks)
        light = wire.without_weights(whole)
        return None if light is whole else light

    @property
    def as_read(self) -> Optional[Sequence[wire.Chunk]]:
        """The same pieces as long as nobody can have changed anything; None once it is parsed."""
        return self._chunks if self._proto is None else None

    @property
    def chunks(self) -> Sequence[wire.Chunk]:
        """The model's bytes as they are now, in pieces."""
        return self._chunks if self._proto is None else [serialised(self._proto)]

    def strip(self) -> None:
        """Take out what HTP wrote."""
        whole = wire.join(self.chunks)
        self._proto, self._outline, self._make_outline, self._is_whole = None, None, None, False
        self._chunks = wire.remove(whole, keys.ours, keys.DIALECTS)

    def save(self, f: Any) -> None:
        """Write to a path, atomically and with the data files, or to a binary file object."""
        if isinstance(f, (str, os.PathLike)):
            folders = [each for each in (self.folder, self.linked) if each is not None]
            store.write(f, self.chunks, folders, data.locations(self.outline))
        else:
            store.pour(self.chunks, f)

    def copy(self) -> "ModelFile":
        """Another of the same content: one that is stripped leaves the other as it is."""
        other = ModelFile()
        other.__dict__.update(self.__dict__, _tags=TagTable(), aside={})
        if self._is_whole:  # it may become the model of one of them
            other._outline, other._is_whole = None, False
        return other

    def __getstate__(self) -> Dict[str, Any]:
        return {"data": wire.join(self.chunks), "folder": self.folder, "linked": self.linked}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        places = {name: state.get(name) for name in ("folder", "linked")}
        self.__init__([state["data"]], **places)  # type: ignore[misc]

    @property
    def origins(self) -> Sequence[origin.Origin]:
        """The exports that it says it comes from.

        Raises:
            InvalidModelError: one cannot be read.
        """
        props = [(prop.key, prop.value) for prop in self.outline.metadata_props]
        if self._origins[0] != props:
            with no_search():
                self._origins = props, origin.read(props)
        return self._origins[1]

    @property
    def is_sealed(self) -> bool:
        """Whether nobody touched it since HTP wrote it; never where it is parsed."""
        props = {prop.key: prop.value for prop in self.outline.metadata_props}
        one = self.origins[0] if self._proto is None and len(self.origins) == 1 else None
        return one is not None and props.get(seal.key(one.fingerprint)) == self._seal

    def nodes(self) -> Iterator[Tuple["onnx.NodeProto", Tag]]:
        """The nodes of ``proto``, each with its tag."""
        return self._tagged(self.proto)

    def seen(self) -> Iterator[Tuple["onnx.NodeProto", Tag]]:
        """The nodes of ``outline``, each with its tag."""
        return self._tagged(self.outline)

    def _tagged(self, model: "onnx.ModelProto") -> Iterator[Tuple["onnx.NodeProto", Tag]]:
        return self._tags.read(nodes_of(model), not self.origins or self.is_bare)

    @property
    def is_bare(self) -> bool:
        """Whether there are nodes and none has a tag of HTP's, whatever the file says of itself."""
        nodes = self.outline.graph.node
        if any(map(is_tagged, nodes)):  # mostly the first
            return False
        return len(nodes) > 0 and not any(map(is_tagged, nodes_of(self.outline)))

    def tag(self, node: "onnx.NodeProto") -> Tag:
        """The tag of one node."""
        ((_, tag),) = self._tags.read([node], not self.origins or self.is_bare)
        return tag

    @property
    def left_out(self) -> Tuple[Optional[bytes], Sequence[str]]:
        """Where the contents are that ``outline`` has not.

        Returns:
            The model's bytes, None where nothing is left out; and the folders of its data files.
        """
        self.outline  # noqa: B018 - it tells whether there is anything to leave out
        data = None if self._proto is not None or self._is_whole else wire.join(self._chunks)
        return data, [each for each in (self.folder, self.linked) if each is not None]

    def weights(self) -> Dict[str, Weight]:
        """Its weights by name. No more than a sample of them is read, here or in data files."""
        data, folders = self.left_out
        return weights_of(tensors_of(self.outline), data, inside(folders))

    def parameters(self) -> Dict[str, Tuple[str, ...]]:
        """What each initializer that says so was made from."""
        return {
            text_of(tensor.name): keys.decode_parameter(prop.value)
            for tensor in self.outline.graph.initializer
            for prop in tensor.metadata_props
            if prop.key == keys.PARAMETER
        }
