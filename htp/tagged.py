"""A model with its tags: what ``htp.export`` returns and ``htp.load`` reads."""

from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
    Union,
)

from htp import owed as owing
from htp import sidecar
from htp.errors import UnknownModuleError, did_you_mean
from htp.file import sources
from htp.file import store as files
from htp.file.document import nodes_of, text_of
from htp.file.garbage import no_search
from htp.file.model_file import ModelFile
from htp.file.origin import Origin
from htp.pattern import Pattern, operators
from htp.scope import Coverage, Tag
from htp.showing.text import brief
from htp.use.modules import Modules
from htp.use.verbs import Verbs
from htp.warned import warn

if TYPE_CHECKING:
    import onnx

    from htp.carry_report import CarryReport
    from htp.use.extracting.report import Extraction

__all__ = ["TaggedModel", "load"]


class TaggedModel(Verbs):
    """An ONNX model whose nodes say which module call they came from.

    Made by ``htp.export`` and ``htp.load``. The tags live in the nodes' metadata and nowhere else:
    what is changed in ``model`` is seen by every method. Weights are parsed only when ``model``,
    ``nodes`` or ``find`` is used, and weights in data files are never loaded.

    It can be pickled and copied. A copy has a life of its own: what is stripped from one stays in
    the other; ``copy.copy`` shares ``model`` if it was parsed already, ``copy.deepcopy`` does not.
    A deep copy and a pickle are without ``program``.

    Args:
        file: the model and its tags.
        program: torch's own ``ONNXProgram``, where there is one.
        owed: what to call the file if tags are missing in it that its own origin still tells. They
            are carried when tags are first asked for, and a warning says so.
        report: how tags were carried onto it already.
        extraction: what was cut out, of a part.

    Attributes:
        program: what ``torch.onnx.export`` returned: an ``ONNXProgram`` or None. It holds the
            weights of the model that was exported; set it to None to let them go.
        extraction: of a part that was cut out: what it takes and gives, and what of that is not the
            module's own; None of any other model.
    """

    def __init__(
        self,
        file: ModelFile,
        program: Any = None,
        owed: Optional[str] = None,
        report: "Optional[CarryReport]" = None,
        extraction: "Optional[Extraction]" = None,
    ) -> None:
        self._file = file
        self.program = program
        self._owed = owed
        self._report = report
        self.extraction = extraction

    def _settle(self) -> None:
        """Carry the tags that the file is owed."""
        if self._owed is not None:
            name = self._owed
            self._file, self._report = owing.settled(self._file)
            self._owed = None
            if self._report is not None:
                warn(owing.told(self._file, name))

    @property
    def file(self) -> ModelFile:
        """The file with its tags, for HTP's own rooms: what it can do changes with any release."""
        self._settle()
        return self._file

    @property
    def loaded(self) -> ModelFile:
        """The same as it was loaded, whatever tags it is owed; likewise."""
        return self._file

    def __copy__(self) -> "TaggedModel":
        made = (self.program, self._owed, self._report, self.extraction)
        copied = TaggedModel(self._file.copy(), *made)
        copied.functions = self.functions
        return copied

    def _part(self, file: ModelFile, extraction: "Optional[Extraction]" = None) -> "TaggedModel":
        return TaggedModel(file, extraction=extraction)

    def __getstate__(self) -> Dict[str, Any]:
        return {**vars(self), "program": None}

    def __repr__(self) -> str:
        return f"<TaggedModel {self._made}, {self.coverage}>"

    @property
    def carried(self) -> "Optional[CarryReport]":
        """How tags were carried onto this model; None where nothing was to be carried."""
        self._settle()
        return self._report

    @property
    def model(self) -> "onnx.ModelProto":
        """The model. Tensors in data files stay there (``onnx.load_external_data_for_model``)."""
        return self.file.proto

    def nodes(self) -> Iterator[Tuple["onnx.NodeProto", Tag]]:
        """Every node with its tag: main graph and nested bodies, then bodies of called functions.

        A node comes before the nodes of its bodies. A function that nothing calls is left out.
        """
        return self.file.nodes()

    def tag(self, name: str) -> Tag:
        """The tag of the node that has this name, or that computes the value of this name.

        Raises:
            UnknownModuleError: no node has or computes it.
            TypeError: ``name`` is no text.
        """
        if not isinstance(name, str):
            raise TypeError(f"A node or value is named by a text; found {type(name).__name__}.")
        file, maker = self.file, None
        for node in nodes_of(file.outline) if name else ():
            if node.name == name:
                return file.tag(node)
            if maker is None and name in node.output:
                maker = node
        if maker is not None:
            return file.tag(maker)
        nodes = nodes_of(file.outline)
        known = (text_of(each) for node in nodes for each in (node.name, *node.output))
        raise UnknownModuleError(
            f"No node is called {name!r}, and none computes a value of that name.",
            did_you_mean(name, known),
        )

    def find(
        self, pattern: str, op_type: Union[str, Iterable[str], None] = None
    ) -> List[Tuple["onnx.NodeProto", Tag]]:
        """The nodes of the modules that a pattern names, everything below them included.

        A node that stands for several calls is found through each of them. Nodes of which nothing
        is known are not found at all; ``nodes()`` has them.

        Args:
            pattern: a module path; or, where no module is called so, one with shell wildcards:
                ``"encoder.layer.*"``. ``"block@1"`` is only the second call of ``block``. ``""`` is
                the root, and so every known node.
            op_type: only nodes of this operator, or of these: ``"MatMul"``, ``["MatMul", "Gemm"]``.

        Raises:
            UnknownModuleError: no module that a node comes from matches.
            TypeError: an argument is no text.
        """
        wanted = None if op_type is None else operators(op_type)
        matches: Dict[int, int] = {}  # by identity: a tag lives as long as the file
        named = Pattern(pattern, Modules((), self.origins).above)
        found: Tuple[List[Tuple[onnx.NodeProto, Tag]], ...] = ([], [], [], [])  # by how it matches
        with no_search():
            for node, tag in self.nodes():
                matching = matches.get(id(tag))
                if matching is None:
                    matching = matches[id(tag)] = named.of(tag)
                if matching and (wanted is None or node.op_type in wanted):
                    found[matching].append((node, tag))
        best = max(matches.values(), default=0)
        if not best:
            calls = dict.fromkeys(
                call for _, tag in self.nodes() for call in (*tag.stack, *tag.shared)
            )
            raise UnknownModuleError(
                f"No module that owns a node matches {pattern!r}.",
                did_you_mean(pattern, map(str, calls)),
            )
        return found[best]

    def parameters(self) -> Dict[str, Tuple[str, ...]]:
        """For each initializer known to hold one: the parameters' or buffers' full names."""
        return self.file.parameters()

    @property
    def coverage(self) -> Coverage:
        """How many nodes are known in which way."""
        return Coverage.of(tag for _, tag in self.file.seen())

    @property
    def origins(self) -> Sequence[Origin]:
        """The exports that the nodes come from.

        None when HTP did not make the tags; several when models were merged into one file.
        """
        return self._file.origins

    def _said(self, what: str) -> Optional[str]:
        """What the origins say; all that they say where they don't agree."""
        return ", ".join(dict.fromkeys(getattr(each, what) for each in self.origins)) or None

    @property
    def schema(self) -> Optional[str]:
        """Version of the tags' format; None when they were not made by HTP."""
        return self._said("schema")

    @property
    def backend(self) -> Optional[str]:
        """Name of the backend that captured the tags; None when they were not made by HTP.

        Of a file with several origins that differ: all of them, as in ``"torchscript, fx"``.
        """
        return self._said("backend")

    @property
    def _made(self) -> str:
        """By what, in a few words."""
        said = (brief(repr(each)) for each in (self.backend, self.torch))
        return "backend={}, torch={}".format(*said) if self.backend else "inferred"

    @property
    def torch(self) -> Optional[str]:
        """The torch that exported the model; None when the tags were not made by HTP.

        Of a file with several origins that differ: all of them.
        """
        return self._said("torch")

    def save(self, f: Union[files.PathLike, files.Writable]) -> None:
        """Write the model with its tags, atomically. Data files are copied beside it, unread.

        Args:
            f: a path or a binary file object (which cannot take data files along).

        Raises:
            HTPError: it cannot be written, or a data file is missing.
        """
        owing.current(self.file).save(f)

    def strip(self) -> "TaggedModel":
        """Take out everything that HTP wrote, in place: torch's own bytes are left.

        What ``model`` gave before keeps its tags; ask for it again.

        Returns:
            This model, so that ``htp.load("a.onnx").strip().save("b.onnx")`` is one line.
        """
        self._owed = self._report = None
        self._file.strip()
        return self


def load(f: Any) -> TaggedModel:
    """Read a model and its tags. torch is not needed, and weights in data files stay there.

    Where a tool dropped tags, they are carried from the origin that the file still holds as soon as
    they are asked for, and a warning tells; ``Tag.evidence`` says of each how it was matched, and
    saving the model keeps them.

    Tags of other tools (torch's own metadata, ``winml.hierarchy``) and the node names of the
    TorchScript exporter are read as ``inferred`` when the file has no tags of HTP's, and no such
    origin. A sidecar that lies beside a model without tags is read with it.

    Args:
        f: a path, an open binary file, the bytes of a file, an ``onnx.ModelProto`` (which is not
            copied: it is what ``model`` gives), or an ``onnx_ir.Model``.

    Raises:
        InvalidModelError: there is no such file, it is no ONNX model, it is damaged, nothing in it
            tells of modules, or its sidecar belongs to another model.
    """
    file, name = sources.opened(f)
    file = sidecar.found(f, file)
    owing.check(file, name)
    return TaggedModel(file, owed=name)
