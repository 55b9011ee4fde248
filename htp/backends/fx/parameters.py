"""Which initializers are parameters or buffers of the model."""

import ast
from typing import Any, Dict, Optional, Tuple

from htp.backends.common.modules import ModuleNames
from htp.graph.records import GraphRecord

__all__ = ["ParameterNames"]

_FOLDED_FROM = "pkg.onnxscript.optimizer.folded_from"
"""On values that onnxscript computed while folding, from 0.5.3: the names that went into it.
https://github.com/microsoft/onnxscript/pull/2575"""


class ParameterNames:
    """The names of parameters and buffers, with the aliases of tied ones."""

    def __init__(self) -> None:
        self._names: Dict[str, Tuple[str, ...]] = {}

    def of_module(self, names: ModuleNames) -> None:
        """Take those of an ``nn.Module``."""
        self._names = names.tensors()

    def of_program(self, program: Any) -> None:
        """Take those of an ``ExportedProgram``."""
        self._names = _of_program(program)

    def read(self, model: Any, record: GraphRecord) -> None:
        """Name the initializers of a graph as torch first built it: they have their own names."""
        for name in model.graph.initializers:
            if name in self._names:
                record.parameters[name] = self._names[name]

    def follow(self, model: Any, record: GraphRecord) -> None:
        """Name the initializers that are left, and those that were folded from a single one."""
        for name, value in model.graph.initializers.items():
            origins: Tuple[str, ...] = (name,)
            if name not in self._names:
                origins = _folded_from(value.metadata_props.get(_FOLDED_FROM))
            if len(origins) == 1 and origins[0] in self._names:
                record.parameters[name] = self._names[origins[0]]


def _folded_from(written: Optional[str]) -> Tuple[str, ...]:
    try:
        return tuple(ast.literal_eval(written or "()"))
    except (SyntaxError, ValueError, TypeError):
        return ()


def _of_program(program: Any) -> Dict[str, Tuple[str, ...]]:
    signature = getattr(program, "graph_signature", None)
    if signature is None:
        return {}
    tensors: Dict[str, Any] = {**program.constants, **program.state_dict}
    names = [name for name in (*signature.parameters, *signature.buffers) if name in tensors]
    same: Dict[int, Tuple[str, ...]] = {}
    for name in names:
        same[id(tensors[name])] = (*same.get(id(tensors[name]), ()), name)
    return {name: same[id(tensors[name])] for name in names}
