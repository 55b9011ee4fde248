"""One row of the table of backends, and which of several rows a torch release selects.

Rows name their backend by a string, so that nothing is imported before it is chosen. ``select`` is
a pure function of a release and the rows.
"""

from dataclasses import dataclass
from typing import Optional, Sequence

from packaging.version import InvalidVersion, Version

__all__ = ["EXPORTERS", "PROTOCOL", "BackendInfo", "BackendSpec", "select"]

PROTOCOL = 2
"""The version of ``htp.backends.base`` that HTP speaks. 1 was ``capture(request)``: a backend
called the exporter itself, in place of listening to it."""

EXPORTERS = ("torchscript", "fx")
"""torch's exporters: ``htp.arguments`` knows how to call each."""


@dataclass(frozen=True)
class BackendSpec:
    """One row of the table. Releases are given as bounds: ``since`` is in, ``before`` is out.

    Attributes:
        name: what ``backend=`` and ``HTP_BACKEND`` call it.
        target: where the class stands, ``"package.module:Class"``; called without arguments.
        since: the oldest torch release that it accepts.
        before: the first release that it no longer accepts; ``""`` for none.
        default_since: the oldest release that selects it when nothing else is said; ``""`` where
            no release does.
        default_before: the first release that no longer does; ``""`` for none.
        install: what to install when ``target`` cannot be imported.
        exporter: which of torch's exporters it listens to, ``"torchscript"`` or ``"fx"``; "" for
            the one of the backend's own name.
        protocol: which version of ``htp.backends.base`` it speaks. A row that says nothing is one
            from before there was a second.
    """

    name: str
    target: str
    since: str
    before: str = ""
    default_since: str = ""
    default_before: str = ""
    install: str = ""
    exporter: str = ""
    protocol: int = 1

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise ValueError(f"a backend needs a name, found {self.name!r}")
        if ":" not in self.target:
            raise ValueError(f"backend {self.name!r}: target {self.target!r} is not 'module:Class'")
        if not self.since:
            raise ValueError(f"backend {self.name!r}: since must name the oldest torch release")
        object.__setattr__(self, "exporter", self.exporter or self.name)
        for bound in (self.since, self.before, self.default_since, self.default_before):
            try:
                Version(bound or "0")
            except InvalidVersion as error:
                raise ValueError(f"backend {self.name!r}: {error}") from error

    @property
    def torch(self) -> str:
        """The releases that it accepts, as a specifier: ``>=1.8,<2.9``."""
        return f">={self.since}" + (f",<{self.before}" if self.before else "")

    def accepts(self, release: Version) -> bool:
        """Whether this backend is meant for that release."""
        return _within(release, self.since, self.before)

    def is_default_for(self, release: Version) -> bool:
        """Whether that release selects this backend when nothing else is said."""
        return bool(self.default_since) and _within(
            release, self.default_since, self.default_before
        )


@dataclass(frozen=True)
class BackendInfo:
    """A registered backend and its state on this machine.

    Attributes:
        name: its name.
        torch: the releases that it accepts; "" where its plug-in cannot be loaded.
        usable: whether it can run here.
        reason: why it cannot, or None.
        default: whether it is the one chosen at import.
    """

    name: str
    torch: str
    usable: bool
    reason: Optional[str]
    default: bool


def _within(release: Version, since: str, before: str) -> bool:
    return Version(since) <= release and (not before or release < Version(before))


def select(release: Optional[Version], rows: Sequence[BackendSpec]) -> Optional[str]:
    """The name of the backend that a torch release selects, or None.

    Where no row claims the release as its default, the last one that accepts it is taken.
    """
    if release is None:
        return None
    for claims in (BackendSpec.is_default_for, BackendSpec.accepts):
        for spec in reversed(rows):
            if claims(spec, release) and spec.accepts(release):
                return spec.name
    return None
