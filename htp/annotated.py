"""``htp.annotate``: tags for a file that was exported without HTP."""

from itertools import chain
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from htp.annotating.joined import FLOW, SOURCES, Annotated, annotated
from htp.annotating.model import Model, model_of
from htp.annotating.parameters import parameters_of
from htp.annotating.samples import Weight, sample
from htp.annotating.subject import Subject
from htp.errors import InvalidModelError
from htp.file import data, encode, keys, sources, winml, wire
from htp.file.arrays import arrays
from htp.file.document import bodies_of, parse, text_of
from htp.file.model_file import ModelFile
from htp.file.records import record_model
from htp.graph.records import CallRecord, Capture, GraphRecord
from htp.scope import Coverage, Stack, Tag
from htp.steps import step
from htp.tagged import TaggedModel

if TYPE_CHECKING:
    import onnx

__all__ = ["Report", "annotate", "annotate_with_report", "subject_of"]


class Report(NamedTuple):
    """What came of it.

    Attributes:
        tagged: the model with its tags.
        sources: how many nodes each source gave the owner of, those that gave none included.
        unknown: how many nodes are left without an owner.
    """

    tagged: TaggedModel
    sources: Dict[str, int]
    unknown: int


def annotate(f: Any, model: Any = None) -> TaggedModel:
    """Tag the nodes of a file that was exported without HTP, as far as anything tells of them.

    What is asked, the most telling first: torch's own metadata (``dynamo=True``), the names that
    the TorchScript exporter gives to nodes, WinML's tags with the file beside the model, the
    attribute ``hierarchy_tag``, names and contents of weights, and at last the data flow between
    nodes whose owner is known. Each node takes what one source tells. All tags are ``inferred``;
    what nothing tells is ``unknown``, never the root for want of better.

    Args:
        f: what ``htp.load`` takes. It is not changed.
        model: the ``nn.Module`` that the file was exported from. Its modules make names exact, its
            parameters are known again in the file's weights. It is not run. Without it neither
            torch is needed, nor are classes known that the file does not tell.

    Returns:
        The tagged model. Without its tags it is the file's very bytes; its ``backend`` is ``""``.

    Raises:
        InvalidModelError: there is no such file, it is damaged, it has HTP's tags already, or
            nothing tells of modules.
        TypeError: ``model`` is no ``nn.Module``.
    """
    return annotate_with_report(f, model).tagged


def annotate_with_report(f: Any, model: Any = None) -> Report:
    """The same, with what each source gave."""
    known = None if model is None else model_of(model)
    opened = _opened(f, known)
    found = annotated(opened.subject)
    if not any(tag.stack for tag in found.tags):
        raise InvalidModelError(
            f"{opened.name}: neither metadata, nor names, nor weights tell of modules.",
            "give the model that it was exported from: htp.annotate(f, model)."
            if model is None
            else "is it the model that the file was exported from?",
        )
    counts = dict.fromkeys((*(source.name for source in SOURCES), FLOW), 0)
    for told in filter(None, found.sources):
        counts[told] += 1
    step("tagging")
    return Report(TaggedModel(_written(opened, found)), counts, Coverage.of(found.tags).unknown)


def subject_of(f: Any, model: Any = None) -> Subject:
    """What sources are asked about: for those who ask them one by one."""
    return _opened(f, None if model is None else model_of(model)).subject


class _Opened(NamedTuple):
    """A file without HTP's tags, in the forms in which it is needed."""

    name: str
    file: ModelFile
    content: bytes
    outline: "onnx.ModelProto"
    subject: Subject


def _opened(f: Any, model: Optional[Model]) -> _Opened:
    file, name = sources.opened(f)
    content = wire.join(file.chunks)
    with file.naming():
        outline = parse(wire.without_weights(content))
    _refuse(outline, name)
    subject = _subject(outline, content, file, model, winml.beside(f))
    return _Opened(name, file, content, outline, subject)


def _refuse(model: "onnx.ModelProto", name: str) -> None:
    """Refuse what is no model, and a file that HTP wrote something into."""
    if not model.HasField("graph"):
        raise InvalidModelError(
            f"{name} is not an ONNX model: it has no graph.", "export the model again."
        )
    if any(_is_ours(prop.key) for prop in model.metadata_props):
        tagged = any(_is_ours(prop.key) for node in _nodes(model) for prop in node.metadata_props)
        raise InvalidModelError(
            f"{name} has HTP's tags already."
            if tagged
            else f"{name} was tagged by HTP, and a tool dropped the tags of its nodes.",
            "htp.load reads them, htp.carry brings them onto what a tool made of the file, "
            "and 'htp strip' takes them out."
            if tagged
            else "htp.load carries them from the origin that the file still holds.",
        )
    holders: Iterator[Any] = chain(_nodes(model), model.graph.initializer)
    if any(_is_ours(prop.key) for each in holders for prop in each.metadata_props):
        raise InvalidModelError(
            f"{name} has tags of HTP's, but does not say where they come from.",
            "htp.load reads them; 'htp strip' takes them out.",
        )


def _is_ours(key: Any) -> bool:
    return isinstance(key, str) and key.startswith(keys.PREFIX)


def _nodes(model: "onnx.ModelProto") -> Iterator["onnx.NodeProto"]:
    """Every node as a record walks them, those of functions that nothing calls included."""
    graphs: List[Any] = [*reversed(model.functions), model.graph]
    pending = [iter(each.node) for each in graphs]
    while pending:
        node = next(pending[-1], None)
        if node is None:
            pending.pop()
            continue
        yield node
        pending += [iter(body.node) for body in reversed(bodies_of(node))]


def _subject(
    outline: "onnx.ModelProto",
    content: bytes,
    file: ModelFile,
    model: Optional[Model],
    sidecar: Mapping[str, Mapping[str, str]],
) -> Subject:
    nodes = list(_nodes(outline))
    for node in nodes:
        for name in (node.name, node.op_type, node.domain, *node.input, *node.output):
            text_of(name)
    graph = record_model(outline)
    weights = {} if model is None else _weights(content, file)
    props = [_texts(node.metadata_props) if node.metadata_props else {} for node in nodes]
    return Subject(graph, props, list(map(_tag, nodes)), sidecar, model, weights)


def _texts(props: Any) -> Dict[str, str]:
    return {prop.key: prop.value for prop in props if isinstance(prop.value, str)}


def _tag(node: "onnx.NodeProto") -> str:
    for attribute in node.attribute:
        if attribute.name == "hierarchy_tag":
            return attribute.s.decode("utf-8", "replace")
    return ""


def _weights(content: bytes, file: ModelFile) -> Dict[str, Weight]:
    found = {}
    for name, array in arrays(parse(content), _folders(file)):
        weight = sample(array)
        if weight is not None:
            found[name] = weight
    return found


def _folders(file: ModelFile) -> List[str]:
    return [each for each in (file.folder, file.linked) if each is not None]


def _written(opened: _Opened, found: Annotated) -> ModelFile:
    """The file with its tags, written as those of an export are."""
    _, file, content, outline, subject = opened
    subject.graph.parameters.update(parameters_of(subject))
    calls = tuple(map(CallRecord, _calls(_stacks(subject.graph, found.tags))))
    torch = text_of(outline.producer_version) if outline.producer_name == "pytorch" else ""
    places = [data.located(each, _folders(file)) for each in data.locations(outline)]
    written = encode.Written(content, outline, [each for each in places if each is not None])
    made = encode.made(written, Capture(subject.graph, calls=calls), found.tags, "", torch=torch)
    tagged = encode.with_tags(content, made, "annotate")
    tagged.folder, tagged.linked = file.folder, file.linked
    return tagged


def _stacks(graph: GraphRecord, tags: Sequence[Tag]) -> List[Stack]:
    """The stacks of the nodes in the order in which they ran.

    First those of nodes that compute from what the graph is given: of the others, an exporter puts
    some where they are read, and some before all that ran.
    """
    given = set(graph.inputs) - set(graph.initializers)
    ran: List[Stack] = []
    others: List[Stack] = []
    for node, tag in zip(graph.walk(), tags):
        computes = not given.isdisjoint(node.inputs)
        if computes:
            given.update(filter(None, node.outputs))
        (ran if computes else others).append(tag.stack)
    return [*ran, *others]


def _calls(stacks: List[Stack]) -> List[Stack]:
    """The stack of every call: those that a call made follow it, in the order of the nodes."""
    below: Dict[Stack, List[Stack]] = {(): []}
    for stack in dict.fromkeys(stacks):
        known = len(stack)
        while stack[:known] not in below:
            known -= 1
        for depth in range(known, len(stack)):
            below[stack[:depth]].append(stack[: depth + 1])
            below[stack[: depth + 1]] = []
    found, pending = [], below[()][::-1]
    while pending:
        found.append(pending.pop())
        pending += reversed(below[found[-1]])
    return found
