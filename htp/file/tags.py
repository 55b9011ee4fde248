"""The tags of a parsed model's nodes. Every distinct text is read once."""

from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Sequence, Tuple

from htp.file import keys
from htp.file.dialects import infer
from htp.scope import UNKNOWN, Tag

if TYPE_CHECKING:
    import onnx

__all__ = ["TagTable", "origin_of"]

_TOLD_BY = (keys.STACK, keys.PROVENANCE, keys.SHARED, keys.SHARING)
_BLOCK = (keys.STACK, keys.PATH, keys.PROVENANCE, keys.ORIGIN)

Texts = Tuple[Optional[str], ...]


class TagTable:
    """Reads tags. Those of equal texts are one object, which lives as long as the table."""

    def __init__(self) -> None:
        self._known: Dict[Texts, Tag] = {}
        self._guesses: Dict[Tag, Tag] = {}
        self._stacks = keys.Stacks()
        self._at = 0
        """Where HTP's block began in the node before: mostly it is there in the next one, too."""

    def read(self, node: "onnx.NodeProto", guess: bool) -> Tag:
        """The tag of a node.

        Args:
            node: it is read anew each time, so changes in it are seen.
            guess: whether other tools' metadata and names are asked where there is no tag.

        Raises:
            InvalidModelError: its tag cannot be read.
        """
        texts = self._unshared(node.metadata_props)
        if texts is None:
            props = {prop.key: prop.value for prop in node.metadata_props}
            if keys.STACK not in props:
                tag = _guessed(props, node.name) if guess else UNKNOWN
                return self._guesses.setdefault(tag, tag)
            texts = tuple(map(props.get, _TOLD_BY))
        tag = self._known.get(texts)
        if tag is None:
            tag = self._known[texts] = keys.decode(texts, self._stacks)
        return tag

    def _unshared(self, props: Sequence[Any]) -> Optional[Texts]:
        """What a node says that no other call shares, if HTP's block is as HTP writes it.

        In that block ``origin`` follows ``provenance`` only where there is no ``shared``.
        """
        at = self._at
        if len(props) < at + len(_BLOCK) or props[at].key != keys.STACK:
            at = next((at for at, prop in enumerate(props) if prop.key == keys.STACK), len(props))
            if len(props) < at + len(_BLOCK):
                return None
            self._at = at
        provenance = props[at + 2]
        if provenance.key != keys.PROVENANCE or props[at + 3].key != keys.ORIGIN:
            return None
        return props[at].value, provenance.value, None, None


def _guessed(props: Mapping[str, Any], name: Any) -> Tag:
    """What others say, as far as it is text: protobuf gives bytes for what is no valid UTF-8."""
    texts = {key: value for key, value in props.items() if isinstance(value, str)}
    return infer(texts, name if isinstance(name, str) else "")


def origin_of(node: "onnx.NodeProto") -> str:
    """Fingerprint of the export that wrote a node; ``""`` where the node does not say."""
    return next((prop.value for prop in node.metadata_props if prop.key == keys.ORIGIN), "")
