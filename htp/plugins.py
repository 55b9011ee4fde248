"""Backends that installed packages announce under the entry-point group ``htp.backends``.

They are strangers: what goes wrong in one is told of that one, and the others work.
"""

from typing import Any, Callable, Iterator, NamedTuple, Optional, Tuple

__all__ = ["GROUP", "Announced", "announced", "attempt", "one_line"]

GROUP = "htp.backends"


class Announced(NamedTuple):
    """An entry point.

    Attributes:
        name: its name.
        value: the object that it names, ``"package.module:NAME"``.
        load: imports that object.
    """

    name: str
    value: str
    load: Callable[[], Any]


def announced() -> Iterator[Announced]:
    """Every entry point of the group, by name; none is imported yet."""
    from importlib import metadata

    found: Any = metadata.entry_points()
    group = found.select(group=GROUP) if hasattr(found, "select") else found.get(GROUP, ())
    once = {(point.name, point.value): point for point in group}  # a folder may be found twice
    for (name, value), point in sorted(once.items()):
        yield Announced(name, value, point.load)


def attempt(step: Callable[[], Any]) -> Tuple[Any, Optional[str]]:
    """What a stranger's code returns, or what was raised, in one line.

    A library that gives up by ``sys.exit`` must not end the program that only asked for the list.
    """
    try:
        return step(), None
    except (Exception, SystemExit) as error:
        return None, f"{type(error).__name__}: {one_line(error)}"


def one_line(what: object) -> str:
    """A text without line breaks."""
    return " ".join(str(what).split())
