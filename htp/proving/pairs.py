"""Two files of one model, a reference and what a tool made of it, and which values are the same."""

from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from htp.carried import file_of, renamed
from htp.errors import HTPError, InvalidModelError
from htp.proving.circuit import Circuit
from htp.running.exposing import expose
from htp.running.prepared import Apart, apart, folders_of, joined
from htp.running.session import AS_IT_IS, Slot, opened
from htp.tagged import TaggedModel, load
from htp.use.places import GRAPH, placed

if TYPE_CHECKING:
    from htp.file.model_file import ModelFile
    from htp.scope import Tag

__all__ = ["INSIDE", "Pair", "Side", "same_values", "tagged_of"]

INSIDE = "its operations stand in a nested graph or a function, which is swapped as a whole"
"""Why a module cannot be swapped by itself."""


def tagged_of(f: Any) -> TaggedModel:
    """A tagged model, or what ``htp.load`` reads."""
    return f if isinstance(f, TaggedModel) else load(f)


_KINDS = {
    1: "float",
    6: "int32",
    7: "int64",
    9: "bool",
    10: "float16",
    11: "double",
    16: "bfloat16",
}
"""onnxruntime's words for the types of weights that take a value's place."""


def same_values(
    tagged: TaggedModel, candidate: Any, one: Circuit, two: Circuit
) -> Tuple[Dict[str, str], Tuple[str, ...]]:
    """For each value of the reference that the candidate has, its name there; and remarks.

    Args:
        tagged: the reference.
        candidate: the other file.
        one: the main graph of the first.
        two: that of the other, as it is or as it runs.

    Raises:
        InvalidModelError: the second was not made from the first.
    """
    names = {name: name for name in one.made_by if name in two}
    try:
        return {**names, **renamed(tagged, candidate)}, ()
    except InvalidModelError:
        same = sum(1 for name in names if _operator(one, name) == _operator(two, name))
        if 2 * same < len(one.nodes):
            raise
    return names, ("all weights are others, so the files were matched by the names of values",)


def _operator(circuit: Circuit, name: str) -> str:
    number = circuit.made_by.get(name)
    return "" if number is None else str(circuit.nodes[number].op_type)


class Side:
    """One of the files.

    Attributes:
        apart: the model, and its weights beside it.
        circuit: its main graph.
        inputs: what it takes.
        outputs: the names of what it gives.
    """

    def __init__(self, file: "ModelFile") -> None:
        self.apart: Apart = apart(file.proto, folders_of(file))
        self.circuit = Circuit(self.apart.model)
        whole = type(self.apart.model)()
        whole.CopyFrom(self.apart.model)
        expose(whole, self.circuit.made_by)
        session = opened(joined(Apart(whole, self.apart.weights)), AS_IT_IS)
        self.inputs = {n: s for n, s in session.inputs.items() if n in self.circuit.inputs}
        self.outputs = list(self.circuit.outputs)
        self._slots: Dict[str, Slot] = {**session.inputs, **session.gives}

    def slot(self, name: str) -> Optional[Slot]:
        """The type and the shape of a value of the main graph, as onnxruntime tells them."""
        tensor = self.circuit.constants.get(name)
        if tensor is None or name in self._slots:
            return self._slots.get(name)
        kind = _KINDS.get(tensor.data_type, f"type {tensor.data_type}")
        return Slot(name, None, tuple(tensor.dims), f"tensor({kind})")


class Pair:
    """A reference and a candidate.

    Args:
        reference: the file that is right: a tagged model, or what ``htp.load`` takes.
        candidate: what a tool made of it, tagged or not.

    Attributes:
        tagged: the reference.
        one: the reference.
        two: the candidate.
        tags: of each node of the reference's main graph.
        inside: the modules all of whose operations stand in nested graphs or functions of it, where
            nothing can be swapped: they go with the module that holds them.
        names: for each value of the reference that the candidate has, its name there.
        remarks: what is to be known of how they were matched.

    Raises:
        InvalidModelError: one cannot be read, or the second was not made from the first.
        HTPError: they take other inputs or give other outputs.
    """

    def __init__(self, reference: Any, candidate: Any) -> None:
        self.tagged = tagged_of(reference)
        file = self.tagged.file
        self.one, self.two = Side(file), Side(file_of(candidate))
        rows = placed(file)
        self.tags: List[Tag] = [row.tag for row in rows if row.place == GRAPH]
        here = {tag.path for tag in self.tags}
        paths = [row.tag.path for row in rows if row.tag.stack and row.tag.path not in here]
        self.inside = tuple(dict.fromkeys(paths))
        self.names, self.remarks = same_values(
            self.tagged, candidate, self.one.circuit, self.two.circuit
        )
        for what in ("inputs", "outputs"):
            self._join(what, list(getattr(self.one, what)), list(getattr(self.two, what)))

    def _join(self, what: str, here: List[str], there: List[str]) -> None:
        """Inputs and outputs are the same by name, else in order."""
        if len(here) != len(there):
            raise HTPError(
                f"The files do not belong together: the reference has {len(here)} {what}, the "
                f"candidate {len(there)}.",
                "give two files of one model.",
            )
        by_name = set(here) == set(there)
        self.names.update(zip(here, here if by_name else there))
