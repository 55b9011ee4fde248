"""What a profile is made of: what was timed, and which nodes of a file that stands for."""

from dataclasses import dataclass
from typing import NamedTuple, Tuple

from htp.scope import UNKNOWN, Tag

__all__ = ["Kernel", "OwnedKernel", "Report", "Timed"]


@dataclass(frozen=True)
class Kernel:
    """What was timed under one name.

    Attributes:
        name: what the runtime calls it.
        operator: of which operator it is, as the runtime says.
        seconds: of one run, without what runs inside it and is listed as well; of several the
            median where each is told, else the average.
        count: how often it runs, in one run.
        provider: what executed it: a provider of onnxruntime, or another runtime or its device.
    """

    name: str
    operator: str
    seconds: float
    count: float
    provider: str


class Timed(NamedTuple):
    """A kernel, and the nodes for which it stands.

    Attributes:
        kernel: the kernel.
        nodes: of the file that the runtime was given, by their place; none where nothing is known.
        is_sure: whether these are told, and not guessed from a name that holds theirs.
        reason: why nothing is known, in a few words; ``""``.
    """

    kernel: Kernel
    nodes: Tuple[int, ...] = ()
    is_sure: bool = False
    reason: str = ""


class Report(NamedTuple):
    """What a runtime says of its runs of a file.

    Attributes:
        kernels: what was timed.
        runs: how many runs there were; 0 where it does not say.
        tool: whose report it is.
        remarks: what of it was not taken, or how.
    """

    kernels: Tuple[Timed, ...]
    runs: int
    tool: str
    remarks: Tuple[str, ...] = ()


class OwnedKernel(NamedTuple):
    """A kernel, and whose it is.

    Attributes:
        kernel: the kernel.
        tag: its owner, and the other calls for whose operations it stands.
        exact: whether all operations are known for which it stands, so that the owner is their
            true common ancestor.
        origin: the fingerprint of the export that it comes from; ``""`` where there is only one.
        reason: why the owner is not known; ``""``.
        nodes: those of the tagged file whose work it does, by their place in document order; none
            where nothing is known, or the runtime put it in for itself.
    """

    kernel: Kernel
    tag: Tag = UNKNOWN
    exact: bool = False
    origin: str = ""
    reason: str = ""
    nodes: Tuple[int, ...] = ()
