"""The tags of a parsed model's nodes. Every distinct text is read once."""

from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterable,
    Iterator,
    Mapping,
    Optional,
    Sequence,
    Tuple,
)

from htp.file import keys
from htp.file.dialects import infer
from htp.scope import UNKNOWN, Tag

if TYPE_CHECKING:
    import onnx

__all__ = ["TagTable", "is_tagged", "origin_of"]

_TOLD_BY = (keys.STACK, keys.PROVENANCE, keys.SHARED, keys.SHARING, keys.EVIDENCE)
_BLOCK = (keys.STACK, keys.PATH, keys.PROVENANCE, keys.ORIGIN)

Texts = Tuple[Optional[str], ...]
Tagged = Tuple["onnx.NodeProto", Tag]


class TagTable:
    """Reads tags. Those of equal texts are one object, which lives as long as the table."""

    def __init__(self) -> None:
        self._known: Dict[Texts, Tag] = {}
        self._guesses: Dict[Tag, Tag] = {}
        self._stacks = keys.Stacks()

    def read(self, nodes: Iterable["onnx.NodeProto"], guess: bool) -> Iterator[Tagged]:
        """The nodes, each with its tag.

        Args:
            nodes: each is read anew, so changes in it are seen.
            guess: whether other tools' metadata and names are asked where there is no tag.

        Raises:
            InvalidModelError: a tag cannot be read.
        """
        known, at = self._known, 0
        for node in nodes:
            props = node.metadata_props
            if len(props) < at + len(_BLOCK) or props[at].key != keys.STACK:
                at = _place(props)  # mostly it is the same in the next node
            texts = _alone(props, at) if len(props) >= at + len(_BLOCK) else None
            if texts is None:
                yield node, self._other(node, guess)
                continue
            tag = known.get(texts)
            if tag is None:
                tag = known[texts] = keys.decode(texts, self._stacks)
            yield node, tag

    def _other(self, node: "onnx.NodeProto", guess: bool) -> Tag:
        """The tag of a node in which HTP's block is not as it mostly is."""
        props = {prop.key: prop.value for prop in node.metadata_props}
        if keys.STACK not in props:
            tag = _guessed(props, node.name) if guess else UNKNOWN
            return self._guesses.setdefault(tag, tag)
        texts = tuple(map(props.get, _TOLD_BY))
        if texts not in self._known:
            self._known[texts] = keys.decode(texts, self._stacks)
        return self._known[texts]


def _place(props: Sequence[Any]) -> int:
    """Where HTP's block begins; behind the end where it does not."""
    return next((at for at, prop in enumerate(props) if prop.key == keys.STACK), len(props))


def _alone(props: Sequence[Any], at: int) -> Optional[Texts]:
    """What a node says that no other call shares, if HTP's block is as HTP writes it.

    In that block ``origin`` follows ``provenance`` only where there is neither ``evidence`` nor
    ``shared``.
    """
    provenance = props[at + 2]
    if provenance.key != keys.PROVENANCE or props[at + 3].key != keys.ORIGIN:
        return None
    return props[at].value, provenance.value, None, None, None


def _guessed(props: Mapping[str, Any], name: Any) -> Tag:
    """What others say, as far as it is text: protobuf gives bytes for what is no valid UTF-8."""
    texts = {key: value for key, value in props.items() if isinstance(value, str)}
    return infer(texts, name if isinstance(name, str) else "")


def is_tagged(node: "onnx.NodeProto") -> bool:
    """Whether a node says whose it is."""
    return any(prop.key == keys.STACK for prop in node.metadata_props)


def origin_of(node: "onnx.NodeProto") -> str:
    """Fingerprint of the export that wrote a node; ``""`` where the node does not say."""
    return next((prop.value for prop in node.metadata_props if prop.key == keys.ORIGIN), "")
