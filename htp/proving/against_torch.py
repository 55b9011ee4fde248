"""A file against the model that it was exported from.

One forward pass of PyTorch is recorded, and the file is run as it runs otherwise, with the values
at the borders between modules exposed. Where one differs, the nodes that compute it are run once
more, on what PyTorch has at the nearest borders before them: an error that is still there is
theirs.

    PyTorch     x ----- a ----- b ----- y           recorded
    whole       x ----- a ----- b'----- y'          b differs, y differs
    alone                a -> b'     b -> y         b is to blame, y is not
"""

from dataclasses import replace
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

from htp.errors import HTPError, UnknownModuleError
from htp.file.garbage import no_search
from htp.file.model_file import ModelFile
from htp.file.origin import Origin
from htp.proving.apart import told_apart
from htp.proving.blame import Blame
from htp.proving.borders import Borders
from htp.proving.compared import Comparison
from htp.proving.measure import Measure, measure
from htp.proving.pieces import BUDGET
from htp.proving.recorded import Recording
from htp.proving.recording import record
from htp.proving.running import as_it_runs
from htp.proving.tape import Tape
from htp.proving.tolerances import Tolerances
from htp.proving.verification import Verification, VerificationRow, in_order
from htp.running.session import Session, Settings
from htp.scope import ModuleCall
from htp.steps import step
from htp.tagged import TaggedModel

__all__ = ["against_torch"]


def against_torch(
    model: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    tagged: TaggedModel,
    settings: Settings,
    tolerances: Tolerances,
    budget: int = BUDGET,
) -> Verification:
    """Compare a file with a model, module by module; see ``htp.verify``."""
    origin = _origin(tagged.loaded)  # as it was exported: names mostly survive
    with Tape() as tape, no_search():
        root = origin.calls[0][0].path if origin.calls else ""
        older = origin.backend == "torchscript"
        step("running PyTorch")
        recording = record(model, args, kwargs, tape, root, older)
        case = _Case(tagged, origin, recording, tape, tolerances, budget)
        found = case.look(settings)
        if settings.level != "none" and any(row.group for row in found.culprits):
            before = case.look(replace(settings, level="none", options=None))
            found = told_apart(found, before)
    return found


class _Case(NamedTuple):
    """A file and a forward pass, which may be looked into more than once."""

    tagged: TaggedModel
    origin: Origin
    recording: Recording
    tape: Tape
    tolerances: Tolerances
    budget: int

    def _leaving(self, call: ModuleCall) -> Sequence[str]:
        try:
            return self.tagged.boundary(call.path, call.call).outputs
        except UnknownModuleError:  # none of its nodes is left
            return ()

    def look(self, settings: Settings) -> Verification:
        """Compare the file as it runs with these settings."""
        borders = Borders(self.recording, self.origin.records(), self._leaving)
        with as_it_runs(self.tagged, settings) as run:
            feeds = _feeds(run.session, self.recording, borders, self.tape)
            borders.rename(run.name_of)
            comparison = Comparison(
                run, self.tape, self.recording, borders, self.tolerances, self.budget
            )
            untouched = run.session.run(feeds)
            comparison.in_the_whole(feeds)
            comparison.alone()
            comparison.narrow()
            step("telling which module is to blame")
            rows, others = Blame(comparison, self.recording, borders, run.tags).rows()
            remarks = list(_exposing_changes(untouched, comparison))
            outputs = _results(untouched, self.recording, self.tape, remarks)
        if not rows:
            raise HTPError(
                f"None of {len(others)} module calls can be judged: {others[0].reason}.",
                "export the model by this HTP, and let tools work on that file.",
            )
        remarks += _unexplained(rows, outputs, run.half, self.tolerances)
        return Verification(in_order(rows), tuple(others), outputs, 1, tuple(remarks))


def _origin(file: ModelFile) -> Origin:
    """The export that a file comes from.

    Raises:
        HTPError: it does not say, or was merged from several.
    """
    if len(file.origins) != 1:
        found = f"{len(file.origins)} exports" if file.origins else "no export of HTP's"
        raise HTPError(
            f"The file says that it comes from {found}; it must be one.",
            "take merged models apart, or export the model by htp.export.",
        )
    return file.origins[0]


def _feeds(session: Session, recording: Recording, borders: Borders, tape: Tape) -> Dict[str, Any]:
    """What the file is given: the arguments of the model.

    Raises:
        HTPError: an input is no argument of the model.
    """
    taken = borders.rows[0].taken
    named = {value.name: value.tensor for value in taken if value.name is not None}
    by_place = {place[-1]: tensor for place, tensor in recording.calls[0].taken.items()}
    found = {name: named.get(name, by_place.get(name)) for name in session.inputs}
    if any(tensor is None for tensor in found.values()) and len(taken) == len(found):
        found = dict(zip(session.inputs, (value.tensor for value in taken)))
    feeds = {}
    for name, tensor in found.items():
        laid = None if tensor is None else recording.tensors[tensor].laid
        if laid is None:
            raise HTPError(
                f"The file has an input {name!r}, which is none of the model's arguments.",
                "give the arguments with which the model was exported.",
            )
        array, slot = tape.read(laid), session.inputs[name]
        feeds[name] = array if slot.dtype is None else array.astype(slot.dtype, copy=False)
    return feeds


def _unexplained(
    rows: Sequence[VerificationRow], outputs: Optional[Measure], half: bool, tolerances: Tolerances
) -> Iterator[str]:
    """What is to be said where no module is to blame, and yet something is off."""
    if any(row.arises for row in rows):
        return
    if any(row.diverges for row in rows):
        yield "no call is off by itself: what is within tolerance in each of them adds up"
    elif outputs is not None and outputs.beyond(*tolerances.of_results(half)):
        yield "the results of the whole are off, and no call that can be judged is"


def _exposing_changes(untouched: Mapping[str, Any], comparison: Comparison) -> Iterator[str]:
    """Whether the file gives something else when values are exposed in it."""
    for name, array in comparison.outputs.items():
        found = _difference(untouched.get(name), array)
        if found is None:
            yield f"the result {name!r} could not be compared with that of the untouched session"
        elif found.max_abs and comparison.allowed(name, array).excess(untouched[name], array) > 1:
            yield (
                f"with values exposed the result {name!r} is up to {found.max_abs:.2g} from that "
                "of the untouched session"
            )


def _difference(one: Any, two: Any) -> Optional[Measure]:
    """How far two results are apart; None where they cannot be compared."""
    if not hasattr(one, "shape") or not hasattr(two, "shape") or one.shape != two.shape:
        return None
    return measure(one, two) if one.dtype.kind in "biuf" else None


def _results(
    untouched: Mapping[str, Any], recording: Recording, tape: Tape, remarks: List[str]
) -> Optional[Measure]:
    """How far the results of the file are from those of the model."""
    tensors = [recording.tensors[number].laid for number in recording.results]
    if len(tensors) != len(untouched):
        remarks.append(
            f"the file has {len(untouched)} results and the model returns {len(tensors)} tensors, "
            "so they were not compared"
        )
        return None
    found = Measure()
    for (name, array), laid in zip(untouched.items(), tensors):
        each = None if laid is None else _difference(tape.read(laid), array)
        if each is None:
            remarks.append(f"the result {name!r} is no tensor that could be compared")
        else:
            found = found.with_(each)
    return found
