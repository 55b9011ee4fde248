"""Tags that a file is owed: a tool dropped them from its nodes, and its origin still tells them.

Nothing is carried before tags are asked for, and nothing at all where the nodes have theirs::

    every node has a tag, and the nodes are those of the origin      nothing is owed
    every node has a tag, and each is as the origin knows its name   nothing is owed: a half, a part
    a node has no tag, or is another operation than its tag is of    carried from the origins
"""

from typing import TYPE_CHECKING, Dict, Iterable, Iterator, Optional, Set, Tuple

from htp.carry_report import CarryReport
from htp.errors import InvalidModelError
from htp.file.document import nodes_of
from htp.file.model_file import ModelFile
from htp.file.origin import digest
from htp.file.records import record_model
from htp.file.tags import is_tagged
from htp.graph.records import GraphRecord
from htp.rewritten import carried, renewed
from htp.scope import Coverage, Evidence
from htp.skeletons import held, source_of_skeletons
from htp.steps import step
from htp.warned import warn

if TYPE_CHECKING:
    import onnx

__all__ = ["check", "current", "settled", "told"]


def check(file: ModelFile, name: str) -> None:
    """Look whether a file that was opened tells of modules, or did, and warn where it only did.

    Raises:
        InvalidModelError: it has no graph, or nothing in it tells of modules.
    """
    if not file.outline.HasField("graph"):
        raise InvalidModelError(
            f"{name} is not an ONNX model: it has no graph.", "export the model again."
        )
    if not file.origins and not any(tag.stack for _, tag in file.seen()):
        if not file.parameters():
            raise InvalidModelError(
                f"{name} has no tags, and neither metadata nor node names tell of modules.",
                "export it with htp.export. htp.annotate(f, model) tags a file that is there.",
            )
        warn(
            f"{name} was tagged by HTP, but a tool that rewrote it dropped tags and origin; its "
            "initializers alone still name their parameters. htp.carry(tagged, rewritten) carries "
            "the tags of the file that it was made from."
        )
    if file.origins and not _can_be_owed(file) and file.is_bare:
        made = ", ".join(dict.fromkeys(f"{o.backend}, torch {o.torch}" for o in file.origins))
        warn(
            f"{name} was tagged by HTP (backend {made!r}), but no node of it has a tag any more: "
            "a tool that rewrote it dropped them. Owners are inferred from other metadata and from "
            "names, as far as those tell of modules."
        )


def _can_be_owed(file: ModelFile) -> bool:
    """Whether an origin says what its graph was."""
    return any(origin.has_skeleton for origin in file.origins)


def _is_owed(file: ModelFile) -> bool:
    """Whether tags are missing, or are of other nodes than those that have them."""
    nodes = list(nodes_of(file.outline))
    if not all(map(is_tagged, nodes)):
        return all(origin.has_skeleton for origin in file.origins) or file.is_bare
    if _fits(file, nodes):
        return False
    try:
        return _is_stale(file)
    except InvalidModelError as error:
        warn(f"All nodes have tags, but whether those still fit can't be told: {error}")
        return False


def _fits(file: ModelFile, nodes: Iterable["onnx.NodeProto"]) -> bool:
    """Whether these are the nodes that its only origin says."""
    known = [origin.nodes for origin in file.origins]
    return len(known) == 1 and digest((node.op_type, node.output) for node in nodes) == known[0]


def _is_stale(file: ModelFile) -> bool:
    """Whether a node is another operation than the one whose value had its name."""
    known: Dict[str, Set[str]] = {}
    for skeleton in held(file.origins).values():
        for name, op in _named(record_model(skeleton.model)):
            known.setdefault(name, set()).add(op)
    return any(op not in known.get(name, (op,)) for name, op in _named(record_model(file.outline)))


def _named(record: GraphRecord) -> Iterator[Tuple[str, str]]:
    for node in record.walk():
        for name in filter(None, node.outputs):
            yield name, node.op


def settled(file: ModelFile) -> Tuple[ModelFile, Optional[CarryReport]]:
    """The file with the tags that it is owed, which its own origins tell.

    Returns:
        Where nothing is owed, the file itself and None; else another one, and how its nodes were
        matched.

    Raises:
        InvalidModelError: an origin that is needed is damaged, or is that of another model.
    """
    if not _can_be_owed(file) or file.is_sealed or not _is_owed(file):
        return file, None
    step("reading the file's origin")
    return carried(source_of_skeletons(file.origins, file), file)


def told(file: ModelFile, name: str) -> str:
    """What is said of a file whose tags were carried."""
    tags = [tag for _, tag in file.seen()]
    kept = sum(tag.evidence is Evidence.KEPT for tag in tags)
    lost = Coverage.of(tags).unknown
    return (
        f"{name} was tagged by HTP and then rewritten by a tool. Its tags are carried from the "
        f"origin that it holds: of {len(tags)} nodes {kept} kept theirs, "
        f"{len(tags) - kept - lost} were matched, {lost} are unresolved. "
        "htp.load(f).save(f) keeps them."
    )


def current(file: ModelFile) -> ModelFile:
    """The file as it is saved: with an origin of the graph that it holds now.

    Raises:
        InvalidModelError: the origin is damaged.
    """
    step("writing the file")
    if file.is_sealed:
        return file
    nodes = list(nodes_of(file.outline))
    one = len(file.origins) == 1 and file.origins[0].has_skeleton
    if not one or _fits(file, nodes) or not all(map(is_tagged, nodes)):
        return file
    return renewed(source_of_skeletons(file.origins, file), file)
