"""Owners from node names, as the TorchScript exporter writes them from torch 1.13 on.

``/layer1/layer1.0/conv1/Conv_2``: each part is a scope. A part that repeats the one before it and
goes on (``layer1.0`` behind ``layer1``) is the child of a container that was called; any other is
an attribute of the module before it. A second call of a module adds ``_1`` to its scope. Of the
readings of a name, the one that is a module of the model is taken.
"""

from typing import Container, List, Optional, Sequence

import onnx

from baselines.answer import Answer, Guess, nodes_of

__all__ = ["by_names"]


def by_names(model: onnx.ModelProto, paths: Container[str]) -> Answer:
    """Guess the owners.

    Args:
        model: the exported model.
        paths: the paths of the model's modules.
    """
    return Answer(model, [_guess(node.name, paths) for node in nodes_of(model)])


def _guess(name: str, paths: Container[str]) -> Optional[Guess]:
    if not name.startswith("/"):
        return None
    scopes = name.split("/")[1:-1]
    path: List[str] = []
    call = 0
    for scope in scopes:
        plain, number = _without_number(scope, path, paths)
        call = number
        if path and plain.startswith(path[-1] + "."):
            path[-1] = plain
        else:
            path.append(plain)
    found = ".".join(path)
    return Guess(found, call) if found in paths else None


def _without_number(scope: str, above: Sequence[str], paths: Container[str]) -> "tuple[str, int]":
    """A scope without the number of the call, if with it there is no such module."""
    stem, _, number = scope.rpartition("_")
    if not stem or not number.isdigit() or _is_module(scope, above, paths):
        return scope, 0
    return stem, int(number)


def _is_module(scope: str, above: Sequence[str], paths: Container[str]) -> bool:
    joined = ".".join([*above[:-1], scope])
    return ".".join([*above, scope]) in paths or (
        bool(above) and scope.startswith(above[-1] + ".") and joined in paths
    )
