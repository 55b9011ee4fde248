"""The file that WinML, and the tool that it comes from, write beside a model.

{"modules": {"class_name": "Net", "traced_tag": "/Net", "scope": "", "children": {
    "Layer.0": {"traced_tag": "/Net/Layer.0", "scope": "layers.0", ...}}},
 "nodes": {"/layers.0/Add": "/Net/Layer.0", ...}}
"""

import os
from typing import Any, Dict, Mapping

from htp.errors import InvalidModelError
from htp.file import keys, paths

__all__ = ["beside", "read"]

_SUFFIX = "_htp_metadata.json"
_MOST = 1 << 26
"""Bytes of such a file at most."""

Sidecar = Mapping[str, Mapping[str, str]]
"""``nodes``: the tag of each node by its name; ``modules``: the path of each tag."""


def beside(f: Any) -> Sidecar:
    """What the file beside a model tells; empty where there is none.

    Args:
        f: the model's path; beside anything else lies nothing.

    Raises:
        InvalidModelError: it is there and can't be read.
    """
    if not isinstance(f, (str, os.PathLike)):
        return {}
    path = os.path.splitext(paths.text(f))[0] + _SUFFIX
    if not os.path.lexists(path):
        return {}
    try:
        with paths.opened(path) as file:
            content = file.read(_MOST + 1)
        if len(content) > _MOST:
            raise ValueError(f"it is larger than {_MOST} bytes")
        return read(keys.loads(content.decode()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InvalidModelError(
            f"The file {path!r} beside the model can't be read: {error}.",
            "move it away to go without it.",
        ) from error


def read(document: Any) -> Sidecar:
    """What such a document tells; what has another form is left out."""
    if not isinstance(document, dict):
        raise TypeError("it is no object")
    scopes: Dict[str, str] = {}
    pending = [document.get("modules")]
    while pending:
        module = pending.pop()
        if not isinstance(module, dict):
            continue
        tag, scope = module.get("traced_tag"), module.get("scope")
        if isinstance(tag, str) and isinstance(scope, str):
            # Two modules of one tag: it tells of neither.
            scopes[tag] = scope if scopes.get(tag, scope) == scope else _AMBIGUOUS
        children = module.get("children")
        pending += children.values() if isinstance(children, dict) else ()
    nodes = document.get("nodes")
    told = nodes.items() if isinstance(nodes, dict) else ()
    return {
        "modules": {tag: scope for tag, scope in scopes.items() if scope != _AMBIGUOUS},
        "nodes": {name: tag for name, tag in told if isinstance(tag, str)},
    }


_AMBIGUOUS = "\0"
"""No path of a module."""
