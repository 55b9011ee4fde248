"""A file that parts are cut out of: looked at once, cut as often as one likes."""

from typing import TYPE_CHECKING, Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from htp.errors import ExtractionError
from htp.file import wire
from htp.file.document import nodes_of, text_of, walk
from htp.file.garbage import no_search
from htp.file.model_file import ModelFile
from htp.file.origin import Origin
from htp.file.records import record_model
from htp.graph.records import Operation, ValueRecord
from htp.scope import ModuleCall, Tag
from htp.use.calls import Calls
from htp.use.extracting.build import Built, Bytes
from htp.use.extracting.folded import NOTHING, Folded
from htp.use.extracting.graphs import Graphs, Key
from htp.use.extracting.owners import Owned, Owners
from htp.use.extracting.part import File, Part, settled
from htp.use.extracting.report import Extraction
from htp.use.extracting.sizes import Sizes
from htp.use.extracting.tagging import new, tagged
from htp.use.extracting.types import Types
from htp.use.extracting.wish import RefusedError, Wish
from htp.use.places import placed

if TYPE_CHECKING:
    import onnx

__all__ = ["Cut", "Extractor"]


class Cut:
    """A part that was cut out; its bytes are made when they are asked for.

    Attributes:
        report: what it takes and gives, and what of that is not the module's own.
    """

    def __init__(self, extractor: "Extractor", part: Part) -> None:
        self._extractor, self._part = extractor, part
        self._built: Optional[Built] = None
        count = sum(extractor.graphs.ends[at] - at for at in part.nodes)
        self.report = Extraction(
            part.wish.name,
            part.wish.calls,
            tuple(part.inputs),
            tuple(part.outputs),
            tuple(part.rows),
            tuple(part.remarks),
            count,
        )

    @property
    def inputs(self) -> Tuple[str, ...]:
        """The names of what it takes: as in the whole file."""
        return tuple(port.name for port in self.report.inputs)

    @property
    def outputs(self) -> Tuple[str, ...]:
        """The names of what it gives."""
        return tuple(port.name for port in self.report.outputs)

    def remarking(self, texts: Iterable[str]) -> "Cut":
        """The same, with more remarks."""
        self.report = self.report._replace(remarks=(*self.report.remarks, *texts))
        return self

    def _made(self) -> Built:
        if self._built is None:
            self._built = self._extractor.built(self._part)
        return self._built

    def model(self) -> bytes:
        """The part as a model, to be run: its nodes say what they said in the file.

        Data files lie where the file's do (``Extractor.file.folder``).
        """
        return wire.join(self._made().chunks)

    def file(self) -> ModelFile:
        """The part with tags and an origin of its own."""
        return self._extractor.tagged(self._part, self._made())


class Extractor:
    """What is known of a file for all parts that are cut out of it.

    It tells of the file as it was when it was made.

    Args:
        file: with its tags.

    Attributes:
        file: the same.
        graphs: its graphs.
        owners: whose its nodes are.
        calls: its module calls.

    Raises:
        InvalidModelError: the file is damaged.
    """

    def __init__(self, file: ModelFile) -> None:
        self.file = file
        self._outline = file.outline
        with no_search():
            rows = placed(file)
            for row in rows:
                for name in (row.node.op_type, row.node.domain, row.node.name):
                    text_of(name)
            self.graphs = Graphs(self._outline.graph)
            self.owners = Owners(rows, file.origins)
            self._functions = [row.tag for row in rows[len(self.graphs.nodes) :]]
            self.calls = Calls(rows, file.origins)
        self._readers: Optional[Dict[Key, List[int]]] = None
        types = _types(file)
        sizes = Sizes(self.graphs, types, self.readers)
        self._file = File(self.graphs, types, sizes, self.readers, file.parameters)
        self._bytes: Optional[Bytes] = None
        self._folded: Dict[str, Folded] = {}
        self._known: Dict[Tuple[ModuleCall, str], _Tried] = {}

    def readers(self) -> Dict[Key, List[int]]:
        """Who reads each value."""
        if self._readers is None:
            self._readers = self.graphs.readers()
        return self._readers

    def cut(self, path: str, call: int = 0) -> Cut:
        """Cut out one module call.

        Args:
            path: of the module; ``"block@1"`` is its second call.
            call: which of its calls.

        Raises:
            UnknownModuleError: there is no such call.
            ExtractionError: it cannot be cut out.
            InvalidModelError: the file is damaged.
        """
        with no_search():
            found = self.calls.asked(path, call)
            tried = self._tried(*found)
            if tried.part is not None:
                return Cut(self, tried.part)
            assert tried.refused is not None
            raise self._refusal(found.call, found.origin, tried.refused)

    def _tried(self, call: ModuleCall, origin: Optional[Origin]) -> "_Tried":
        key = (call, self.owners.mark(origin))
        if key not in self._known:
            try:
                part = settled(self._file, self._wish(call, origin))
                self._known[key] = _Tried(part, None)
            except RefusedError as refused:
                self._known[key] = _Tried(None, refused)
        return self._known[key]

    def _wish(self, call: ModuleCall, origin: Optional[Origin]) -> Wish:
        owned: Owned = self.owners.of(call, origin)
        record = self.owners.record(call, origin)
        return Wish(
            str(call),
            (call,),
            frozenset(owned.own),
            frozenset(owned.merged),
            frozenset(owned.fused),
            owned.inner,
            _alone(record.inputs) if record else None,
            record.outputs if record else None,
            folded=self._folded_of(origin),
        )

    def _folded_of(self, origin: Optional[Origin]) -> Folded:
        """What the exporter did in advance, as long as the graph is the one that it wrote."""
        if origin is None:
            return NOTHING
        if origin.fingerprint not in self._folded:
            self._folded[origin.fingerprint] = Folded(lambda: _folded(origin, self._outline))
        return self._folded[origin.fingerprint]

    def _refusal(
        self, call: ModuleCall, origin: Optional[Origin], refused: RefusedError
    ) -> ExtractionError:
        above = list(self.owners.stack(call))[:-1]
        fits = next((c for c in reversed(above) if self._tried(c, origin).part is not None), None)
        name = None if fits is None else str(fits)
        hint = "no module around it can be cut out, either."
        if name is not None:
            hint = f"the smallest around it that can be cut out is {name or 'the whole model'!r}."
        return ExtractionError(
            f"{str(call) or 'The whole model'!r} cannot be cut out: {refused.why}.",
            hint,
            reason=refused.reason,
            ancestor=name,
        )

    def part(self, wish: Wish) -> Cut:
        """Cut out what is wished for.

        Raises:
            ExtractionError: it cannot be cut out.
        """
        try:
            return Cut(self, settled(self._file, wish))
        except RefusedError as refused:
            raise ExtractionError(
                f"{wish.name!r} cannot be cut out: {refused.why}.", reason=refused.reason
            ) from None

    def built(self, part: Part) -> Built:
        """A part as a model."""
        if self._bytes is None:
            data = wire.join(self.file.chunks)
            self._bytes = Bytes(data, self._outline, self.graphs)
        return self._bytes.of(self._file, part)

    def tagged(self, part: Part, built: Built) -> ModelFile:
        """The same with its tags."""
        calls = part.wish.calls
        mine = new(self.owners.stack(calls[0]) if len(calls) == 1 else ())
        marks = self.owners.marks
        some = next((marks[at] for at in built.origins if at >= 0), "")
        rows = [
            (self.owners.tags[at], marks[at]) if at >= 0 else (mine, some) for at in built.origins
        ]
        rows += [(tag, some) for tag in self._inner(built)]
        return tagged(self.file, built.chunks, rows, calls, (part.unread, part.works))

    def _inner(self, built: Built) -> List[Tag]:
        """The tags of the nodes of its functions."""
        if not built.functions:
            return []
        found: List[Tag] = []
        given = iter(self._functions)
        for function in _called(self._outline):
            tags = [next(given) for _ in walk(function.node)]
            found += tags if (function.domain, function.name) in built.functions else []
        return found


def _types(file: ModelFile) -> Types:
    """The types of its values, which are inferred once as long as nobody changes it."""
    read, held = file.aside.get("types", (None, None))
    if isinstance(held, Types) and read is not None and read is file.as_read:
        return held
    found = Types(file.outline)
    file.aside["types"] = (file.as_read, found)
    return found


def _folded(origin: Origin, outline: "onnx.ModelProto") -> Sequence[Operation]:
    operations = origin.folded()
    skeleton = origin.skeleton() if operations else None
    if skeleton is None or _edges(skeleton.model) != _edges(outline):
        return ()
    return operations


def _edges(model: "onnx.ModelProto") -> Any:
    nodes = [(n.domain, n.op_type, list(n.input), list(n.output)) for n in nodes_of(model)]
    return nodes, sorted(text_of(tensor.name) for tensor in model.graph.initializer)


def _called(outline: "onnx.ModelProto") -> "List[onnx.FunctionProto]":
    """The functions that something calls, in order."""
    record = record_model(outline)
    unused = {id(body) for body in record.uncalled()}
    pairs = zip(record.functions, outline.functions)
    return [function for body, function in pairs if id(body) not in unused]


class _Tried(NamedTuple):
    """What came of trying to cut out a call."""

    part: Optional[Part]
    refused: Optional[RefusedError]


def _alone(values: Optional[Tuple[ValueRecord, ...]]) -> Optional[Tuple[ValueRecord, ...]]:
    return None if values is None else tuple(each.alone() for each in values)
