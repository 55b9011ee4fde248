"""One thing that differs between two files."""

from typing import NamedTuple, Optional, Tuple

from htp.scope import ModuleCall

__all__ = ["DiffRow"]


class DiffRow(NamedTuple):
    """Something that is not equal in one module.

    Attributes:
        path: of the module; None where the owner of the nodes is not known.
        kind: ``module`` (only one file has it), ``class``, ``nodes`` (without a partner in the
            other file), ``operator``, ``attribute``, ``inputs`` (what a node reads), ``weight``,
            ``shape`` (of a value), ``owner`` (the same node is another module's), ``opset``,
            ``input``, ``output`` (of the model).
        before: how it is in the first file; None where it is not.
        after: how it is in the second; likewise.
        call: the call of the module; None where the owner is not known.
        names: of the nodes, weights or values.
    """

    path: Optional[str]
    kind: str
    before: Optional[str]
    after: Optional[str]
    call: Optional[ModuleCall]
    names: Tuple[str, ...]
