"""The nodes that a pattern names."""

from typing import Any, List, Optional, Tuple

from htp.scope import Tag
from htp.tagged import TaggedModel

__all__ = ["found"]

Tagged = Tuple[Any, Tag]
"""A node and its tag."""


def found(
    tagged: TaggedModel, pattern: Optional[str], op_types: Tuple[str, ...]
) -> Tuple[List[Tagged], List[Tagged]]:
    """The nodes of a pattern; and where it stands for all, those without a known owner."""
    rows = [row for row in tagged.nodes() if not op_types or row[0].op_type in op_types]
    known, lost = [row for row in rows if row[1].stack], [row for row in rows if not row[1].stack]
    if pattern is None or (pattern == "*" and not known):
        return known, lost
    matching = tagged.find(pattern, op_types or None)
    by_name = any(call.path == "*" for _, tag in matching for call in (*tag.stack, *tag.shared))
    return matching, lost if pattern == "*" and not by_name else []
