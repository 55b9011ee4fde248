"""The tags of a parsed model's nodes. Every distinct text is read once."""

from typing import TYPE_CHECKING, Dict, Mapping, Optional, Tuple

from htp.file import keys
from htp.file.dialects import infer
from htp.scope import UNKNOWN, Tag

if TYPE_CHECKING:
    import onnx

__all__ = ["TagTable"]

_TOLD_BY = (keys.STACK, keys.PROVENANCE, keys.SHARED, keys.SHARING)
_READ = frozenset(_TOLD_BY)

Texts = Tuple[Optional[str], ...]


class TagTable:
    """Reads tags; equal ones are one object."""

    def __init__(self) -> None:
        self._known: Dict[Texts, Tag] = {}

    def read(self, node: "onnx.NodeProto", guess: bool) -> Tag:
        """The tag of a node.

        Args:
            node: it is read anew each time, so changes in it are seen.
            guess: whether other tools' metadata and names are asked where there is no tag.

        Raises:
            InvalidModelError: its tag cannot be read.
        """
        props: Dict[str, str] = {}
        for prop in node.metadata_props:
            key = prop.key
            if key in _READ:
                props[key] = prop.value
        if keys.STACK not in props:
            return _guessed(node) if guess else UNKNOWN
        texts = tuple(map(props.get, _TOLD_BY))
        tag = self._known.get(texts)
        if tag is None:
            tag = self._known[texts] = _decoded(props)
        return tag


def _decoded(props: Mapping[str, str]) -> Tag:
    return keys.decode(props) or UNKNOWN


def _guessed(node: "onnx.NodeProto") -> Tag:
    return infer({prop.key: prop.value for prop in node.metadata_props}, node.name)


def origin_of(node: "onnx.NodeProto") -> str:
    """Fingerprint of the export that wrote a node; ``""`` where the node does not say."""
    return next((prop.value for prop in node.metadata_props if prop.key == keys.ORIGIN), "")
