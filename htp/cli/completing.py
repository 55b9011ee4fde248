"""What a shell offers when Tab is pressed: files, and what the file on the command line tells.

A file is untrusted, and what is offered ends on a command line: only plain names are, which mean
nothing to a shell. It is looked at for a moment only (``htp.file.glimpse``).
"""

import os
import re
from typing import Callable, Dict, Iterable, List, Sequence

import click
from click.shell_completion import CompletionItem

from htp import sidecar
from htp.file.glimpse import calls_at, calls_beside, operators_at
from htp.scope import ModuleCall

__all__ = ["COMPLETED", "UNKNOWN", "completed", "offered"]

Offers = Callable[[click.Context, str], List[CompletionItem]]
"""Gives what may stand in the place of what was typed so far."""

_PLAIN = re.compile(r"[\w.@+-]{1,500}")
"""What a shell takes as it is, and no terminal does anything at."""


def _files(ctx: click.Context, incomplete: str) -> List[CompletionItem]:
    """Files, which the shell itself finds."""
    return [CompletionItem(incomplete, type="file")]


def _modules(ctx: click.Context, incomplete: str) -> List[CompletionItem]:
    """Paths of modules, and their calls where they have several."""
    calls = _calls(ctx)
    types = {call.path: call.class_name for call in calls}
    return [
        CompletionItem(each, help=_help(types.get(each.partition("@")[0], "")))
        for each in offered(calls, incomplete)
    ]


def _classes(ctx: click.Context, incomplete: str) -> List[CompletionItem]:
    """Classes of modules."""
    return _beginning((call.class_name for call in _calls(ctx)), incomplete)


def _operators(ctx: click.Context, incomplete: str) -> List[CompletionItem]:
    """Operators of the graph."""
    return _beginning(sorted(operators_at(_path(ctx))), incomplete)


def _backends(ctx: click.Context, incomplete: str) -> List[CompletionItem]:
    """Backends, whether they can run here or not."""
    from htp import registry

    return _beginning((spec.name for spec in registry.specs()), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> List[CompletionItem]:
    plain = filter(_PLAIN.fullmatch, dict.fromkeys(names))
    return [CompletionItem(name) for name in plain if name.startswith(incomplete)]


def _help(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else ""


def _path(ctx: click.Context) -> str:
    """The file on the command line; click has not named it yet where an option lacks its value."""
    return os.path.expanduser(ctx.params.get("model") or next(iter(ctx.args), ""))


def _calls(ctx: click.Context) -> List[ModuleCall]:
    path = _path(ctx)
    return calls_at(path) or calls_beside(sidecar.name_of(path))


def offered(calls: Iterable[ModuleCall], incomplete: str) -> List[str]:
    """The names that go on from what was typed: the next level of the tree, as for folders.

    Where only one module is left, those right below it and its calls are offered as well, so that
    the shell goes on::

        e                  encoder, encoder.norm, encoder.layer.0, encoder.layer.1
        encoder.l          encoder.layer.0, encoder.layer.1
        encoder.norm@      encoder.norm@0, encoder.norm@1
    """
    found: Dict[str, List[int]] = {}
    for call in calls:
        if call.path and _PLAIN.fullmatch(call.path):
            found.setdefault(call.path, []).append(call.call)
    path, at, _ = incomplete.rpartition("@")
    if at:
        return [each for each in _numbered(path, found) if each.startswith(incomplete)]
    fitting = [each for each in found if each.startswith(incomplete)]
    first = _uppermost(fitting)
    if len(first) != 1:
        return first
    below = _uppermost([each for each in fitting if each.startswith(f"{first[0]}.")])
    return [*first, *below, *_numbered(first[0], found)]


def _numbered(path: str, calls: Dict[str, List[int]]) -> List[str]:
    numbers = calls.get(path, [])
    return [f"{path}@{number}" for number in numbers] if len(numbers) > 1 else []


def _uppermost(paths: Sequence[str]) -> List[str]:
    """Those that lie below none of the others."""
    known = set(paths)
    return [
        path
        for path in paths
        if not any(path[:at] in known for at in range(len(path)) if path[at] == ".")
    ]


COMPLETED: Dict[str, Offers] = {
    **dict.fromkeys(("model", "a", "b", "tagged", "rewritten", "reference", "candidate"), _files),
    **dict.fromkeys(("output", "outputs", "inputs", "reports", "flame", "target"), _files),
    **dict.fromkeys(("command", "parts", "results"), _files),
    **dict.fromkeys(("path", "paths", "pattern", "patterns", "without"), _modules),
    **dict.fromkeys(("first", "last", "at"), _modules),
    "op_types": _operators,
    "classes": _classes,
    "backend": _backends,
}
"""What is offered for each parameter that takes a text, by its name in all commands alike."""

UNKNOWN = frozenset(("providers", "root", "shapes"))
"""Of which nothing is known without loading a package or parsing a graph."""


class _Text(type(click.STRING)):  # type: ignore[misc]
    """A text of which a shell is offered some."""

    def __init__(self, offers: Offers) -> None:
        self._offers = offers

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> List[CompletionItem]:
        """What is offered; nothing where a pattern is typed already, or anything goes wrong."""
        try:
            return self._offers(ctx, incomplete)
        except Exception:  # whatever a file makes go wrong: a shell is to be told nothing of it
            return []


def completed(command: click.Command) -> None:
    """Have a shell complete the texts that a command takes."""
    for param in command.params:
        if param.type is click.STRING and param.name in COMPLETED:
            param.type = _Text(COMPLETED[param.name])
