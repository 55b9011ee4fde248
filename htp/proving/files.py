"""A file against another one that a tool made of it, over many samples, without PyTorch.

The reference is run with the values at the borders between modules exposed, and so is the
candidate, as it runs; and the nodes behind each value of the candidate once more by themselves, on
what the reference has at the nearest borders before them::

    reference   x ----- a ----- b ----- y
    whole       x ----- a ----- b'----- y'          b differs, y differs
    alone                a -> b'     b -> y         b is to blame, y is not
"""

from typing import Any, Dict, List, Optional, Tuple

from htp.carried import file_of
from htp.errors import HTPError
from htp.file.garbage import no_search
from htp.proving.beside import Beside
from htp.proving.circuit import Circuit
from htp.proving.judging import Calls
from htp.proving.measure import Measure, measure
from htp.proving.pairs import same_values, tagged_of
from htp.proving.pieces import BUDGET, Bench
from htp.proving.rounded import Rounded
from htp.proving.running import AsItRuns, as_it_runs
from htp.proving.tape import Tape
from htp.proving.tolerances import Tolerances
from htp.proving.verification import Verification, in_order
from htp.running.prepared import folders_of
from htp.running.samples import Samples, samples_of
from htp.running.session import AS_IT_IS, Settings, opened
from htp.steps import step
from htp.tagged import TaggedModel
from htp.use.places import GRAPH, placed

__all__ = ["between_files"]


def between_files(
    reference: Any,
    candidate: Any,
    samples: Any,
    settings: Settings,
    tolerances: Tolerances,
    budget: int = BUDGET,
) -> Verification:
    """Compare two files of one model, module by module; see ``htp.verify``.

    Args:
        reference: the file that is right: a ``TaggedModel``, or what ``htp.load`` takes.
        candidate: what a tool made of it, tagged or not.
        samples: inputs in any form.
        settings: how the candidate is run.
        tolerances: what is allowed.
        budget: bytes of values that are held at a time.

    Raises:
        HTPError: the samples don't fit, or onnxruntime is missing.
        InvalidModelError: a file cannot be read or run, or they are of different models.
    """
    right = tagged_of(reference)
    file = right.file
    other = TaggedModel(file_of(candidate))
    with Tape() as tape, no_search(), as_it_runs(other, settings) as run:
        one = Circuit(file.proto)
        names, told = _values(right, one, run)
        tags = [row.tag for row in placed(file) if row.place == GRAPH]
        calls = Calls(file.origins, one, tags, names, run.circuit)
        beside = Beside(
            Bench(one, folders_of(file), AS_IT_IS, budget),
            Bench(run.circuit, run.folders, run.settings, budget),
            calls.values,
            tape,
            tolerances,
            run.half,
        )
        whole = opened(file, AS_IT_IS)
        given = samples_of(samples, whole.inputs)
        remarks: Dict[str, None] = dict.fromkeys(told)
        outputs: Optional[Measure] = None
        for number, feeds in enumerate(given):
            step("comparing samples", number, len(given))
            wanted = list(whole.run(feeds).values())
            there = _fed(run, given, feeds)
            found = run.session.run(there)
            outputs = _together(outputs, wanted, list(found.values()), remarks)
            beside.compare(feeds, there)
            remarks.update(_exposing_changes(found, beside.outputs))
    rows, others = calls.rows(beside.found)
    return Verification(in_order(rows), tuple(others), outputs, len(given), tuple(remarks))


def _values(
    right: TaggedModel, one: Circuit, run: AsItRuns
) -> Tuple[Dict[str, str], Tuple[str, ...]]:
    """For each value of the reference what is like it in the candidate as it runs; and remarks."""
    names, told = same_values(right, run.file.proto, one, run.circuit)
    rounded = Rounded(run.circuit)
    found: Dict[str, str] = {}
    for name, number in one.made_by.items():
        there = rounded.as_read(run.name_of(names.get(name, name)))
        if not rounded.is_cut(there, one.nodes[number].op_type):
            found[name] = there
    return found, told


def _fed(run: AsItRuns, given: Samples, feeds: Dict[str, Any]) -> Dict[str, Any]:
    """A sample under the names of the candidate's inputs, and in its types."""
    inputs = run.session.inputs
    if set(inputs) != set(feeds):
        if len(inputs) != len(feeds):
            raise HTPError(
                f"The files do not belong together: the reference takes {len(feeds)} inputs, the "
                f"candidate {len(inputs)}.",
                "give two files of one model.",
            )
        feeds = dict(zip(inputs, feeds.values()))
    return samples_of(feeds, inputs)[0]


def _together(
    before: Optional[Measure], wanted: List[Any], found: List[Any], remarks: Dict[str, None]
) -> Optional[Measure]:
    """How far the results are apart, with those of the samples before."""
    for one, two in zip(wanted, found):
        kinds = [getattr(getattr(each, "dtype", None), "kind", "") for each in (one, two)]
        if "" in kinds or not set(kinds) <= set("biuf") or one.shape != two.shape:
            remarks[
                "a result is no tensor of numbers, or of another shape, and was not compared"
            ] = None
        else:
            before = (before or Measure()).with_(measure(one, two))
    return before


def _exposing_changes(untouched: Dict[str, Any], exposed: Dict[str, Any]) -> Dict[str, None]:
    """Whether the candidate gives something else when values are exposed in it."""
    said: Dict[str, None] = {}
    for name, array in exposed.items():
        other = untouched.get(name)
        told = hasattr(array, "dtype") and array.dtype.kind == "f" and other is not None
        if told and measure(other, array).max_abs:
            said[f"with values exposed {name!r} is not what the untouched session gives"] = None
    return said
