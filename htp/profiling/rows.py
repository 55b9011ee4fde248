"""How long kernels take: of one module call, with all that it calls."""

from dataclasses import dataclass, field
from typing import Mapping

from htp.scope import ModuleCall

__all__ = ["ProfileRow", "Times"]


@dataclass(frozen=True)
class Times:
    """How long some kernels take in one run.

    Attributes:
        seconds: their time.
        count: how often they run.
        exact: how many of the seconds are of kernels of which all operations are known.
        shared: the seconds of kernels that are owned elsewhere and stand for these calls, too.
        providers: the seconds by what executed them, the longest first.
        operators: the seconds by operator, the longest first.
    """

    seconds: float = 0.0
    count: float = 0.0
    exact: float = 0.0
    shared: float = 0.0
    providers: Mapping[str, float] = field(default_factory=dict)
    operators: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ProfileRow:
    """How long one module call takes, with all that it calls.

    Attributes:
        call: the call.
        depth: how many calls are above it.
        times: how long it takes.
        own: seconds of the kernels that exactly this call owns.
        share: of the time of all kernels, from 0 to 1.
        origin: fingerprint of the export; ``""`` where there is only one.
    """

    call: ModuleCall
    depth: int
    times: Times
    own: float
    share: float
    origin: str = ""

    @property
    def seconds(self) -> float:
        """Of one run."""
        return self.times.seconds

    @property
    def count(self) -> float:
        """How often its kernels run, in one run."""
        return self.times.count

    @property
    def providers(self) -> Mapping[str, float]:
        """The seconds by what executed them, the longest first."""
        return self.times.providers

    @property
    def operators(self) -> Mapping[str, float]:
        """The seconds by operator, the longest first."""
        return self.times.operators

    @property
    def shared(self) -> float:
        """The seconds of kernels that are owned elsewhere and stand for this call, too."""
        return self.times.shared
