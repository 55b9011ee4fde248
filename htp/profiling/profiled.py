"""htp.profile: how long each module takes, here or where a report comes from."""

from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Tuple

from htp import rewritten as rewriting
from htp.errors import HTPError, InvalidModelError
from htp.file.garbage import no_search
from htp.file.model_file import ModelFile
from htp.profiling.attribution import owned, owned_through
from htp.profiling.compiled import compiled
from htp.profiling.kernels import OwnedKernel, Report
from htp.profiling.measuring import Part, Wanted, measured
from htp.profiling.placement import placed_by
from htp.profiling.reports import reading
from htp.profiling.reports.onnxruntime import Trace
from htp.profiling.result import Profile
from htp.profiling.subject import Subject
from htp.profiling.timeline import joined
from htp.tagged import TaggedModel, load

if TYPE_CHECKING:
    from htp.use.types import Shapes

__all__ = ["profile"]

CPU = ("CPUExecutionProvider",)


def profile(
    tagged: Any,
    inputs: Any = None,
    *,
    runs: int = 10,
    warmup: int = 1,
    session_options: Any = None,
    providers: Optional[Sequence[Any]] = None,
    shapes: "Optional[Shapes]" = None,
    placement: bool = False,
    report: Any = None,
) -> Profile:
    """How long each module call takes, rolled up the module tree.

    onnxruntime runs the file with its profile on. The graph that it makes of the file is saved by
    the same session, tags are carried onto it, and each kernel is joined to its node. With
    ``report`` nothing is run: the times come from elsewhere.

    Args:
        tagged: a ``TaggedModel``, or whatever ``htp.load`` takes: the file as the runtime was
            given it.
        inputs: an array for each input by name, several such dicts, or the path of a file or folder
            of samples (``.npz``, ``.npy``, ONNX's test data); None makes them up.
        runs: how many runs are measured.
        warmup: how many runs come before those.
        session_options: onnxruntime's ``SessionOptions``; they are afterwards as they were.
        providers: onnxruntime's execution providers, the first one first; None is the CPU's.
        shapes: the lengths of dynamic axes, for inputs that are made up: ``{"batch": 1}``.
        placement: whether to ask onnxruntime which provider took which node, too.
        report: the path of a report, or several that belong together: onnxruntime's profile, and
            the model that it saved as it ran it; what trtexec wrote for ``--exportProfile`` and
            ``--exportLayerInfo``; OpenVINO's executable graph and benchmark_app's counters.

    Raises:
        HTPError: onnxruntime is missing; an argument does not fit; a report cannot be read.
        InvalidModelError: the file cannot be loaded or run.
        TypeError: an argument is of another type.
    """
    source = tagged if isinstance(tagged, TaggedModel) else load(tagged)
    told = source.file
    for name, number, least in (("runs", runs, 1), ("warmup", warmup, 0)):
        if not isinstance(number, int) or isinstance(number, bool):
            raise TypeError(f"{name} is a whole number; found {type(number).__name__}.")
        if number < least:
            raise HTPError(f"{name} is {number}; it is {least} at least.", f"say {name}={least}.")
    wanted = Wanted(inputs, shapes, runs, warmup, session_options, tuple(providers or CPU))
    if report is None:
        with no_search():
            return _measured(told, wanted, placement)
    if inputs is not None or session_options is not None or placement:
        raise HTPError(
            "A report is of runs elsewhere; inputs, session_options placement are of runs here.",
            "leave out the one or the others.",
        )
    with no_search():
        return _reported(told, report)


def _measured(file: ModelFile, wanted: Wanted, placement: bool) -> Profile:
    subject = Subject(file)
    with measured(file, wanted) as made:
        kernels, report, remarks = _joined(file, subject, made.trace, made.optimised, made.parts)
        runs, said = report.runs, (*made.remarks, *remarks, *report.remarks)
    where = placed_by(file, wanted, made.shapes) if placement else None
    return Profile(file, kernels, runs, report.tool, said, where)


def _joined(
    file: ModelFile,
    subject: Subject,
    trace: Trace,
    optimised: Optional[ModelFile],
    parts: Sequence[Part] = (),
) -> Tuple[List[OwnedKernel], Report, Tuple[str, ...]]:
    """The kernels of a trace: by the optimised file where there is one, else by their names."""
    remarks: Tuple[str, ...] = ()
    if optimised is not None:
        try:
            carried, said = rewriting.carried(rewriting.source_of(file), optimised)
        except InvalidModelError as error:
            remarks = (f"tags cannot be carried onto the optimised model: {error}",)
        else:
            made = Subject(carried)
            report = joined(made, trace)
            return owned_through(report, made, said.nodes, subject), report, ()
    report = compiled(subject, joined(subject, trace, guess=True), parts)
    return owned(report, subject), report, remarks


def _reported(file: ModelFile, report: Any) -> Profile:
    subject = Subject(file)
    found = reading.read_reports(report, subject)
    if found.trace is not None:
        kernels, said, remarks = _joined(file, subject, found.trace, found.optimised)
        return Profile(file, kernels, said.runs, said.tool, (*remarks, *said.remarks))
    assert found.report is not None
    layers = found.report
    return Profile(file, owned(layers, subject), layers.runs, layers.tool, layers.remarks)
