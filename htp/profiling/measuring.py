"""Running a file in onnxruntime with its profile, and the file as it really ran."""

import os
import tempfile
from contextlib import contextmanager
from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    Any,
    Dict,
    Iterator,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from htp.errors import HTPError, InvalidModelError
from htp.file import wire
from htp.file.data import locations
from htp.file.document import parse, serialised
from htp.file.model_file import ModelFile
from htp.file.sources import opened as read_model
from htp.profiling.options import ASSIGNED, FOLDER, LARGE, apply, lent, own, saved_as
from htp.profiling.reports.document import as_json, read
from htp.profiling.reports.onnxruntime import Trace, trace
from htp.running.made_up import made_up
from htp.running.prepared import Prepared, folders_of, prepared_file
from htp.running.samples import Samples, samples_of
from htp.running.session import Session, Settings, onnxruntime, opened
from htp.steps import step

if TYPE_CHECKING:
    from htp.use.types import Shapes

__all__ = ["TELLS", "Measured", "Part", "Wanted", "measured", "session_of"]

NONE: Mapping[str, str] = MappingProxyType({})


class Part(NamedTuple):
    """Nodes that a provider took together, and may have compiled to one kernel."""

    provider: str
    names: Tuple[str, ...]


class Measured(NamedTuple):
    """What a run told.

    Attributes:
        trace: the kernels that ran.
        optimised: the file as it ran; None where onnxruntime cannot save it.
        shapes: of the inputs of the first sample.
        parts: where it cannot be saved, and onnxruntime tells: the names of the nodes that a
            provider took together, with the provider.
        remarks: what could not be done.
    """

    trace: Trace
    optimised: Optional[ModelFile]
    shapes: Mapping[str, Tuple[int, ...]]
    parts: Tuple[Part, ...]
    remarks: Tuple[str, ...]


class Wanted(NamedTuple):
    """How a file is run.

    Attributes:
        inputs: samples in any form, or None for made-up ones.
        shapes: lengths of dynamic axes, for made-up inputs.
        runs: how many runs are measured.
        warmup: how many come before.
        options: the caller's ``SessionOptions``, or None.
        providers: onnxruntime's execution providers.
    """

    inputs: Any
    shapes: "Optional[Shapes]"
    runs: int
    warmup: int
    options: Any
    providers: Sequence[Any]


@contextmanager
def measured(file: ModelFile, wanted: Wanted) -> Iterator[Measured]:
    """Run a file and read the profile. The optimised file is there until the context is left.

    Raises:
        HTPError: onnxruntime is missing, or a provider, an input or an option does not fit.
        InvalidModelError: the file cannot be loaded or run.
    """
    package = onnxruntime()
    step("loading the file into onnxruntime")
    with tempfile.TemporaryDirectory(prefix="htp-profile-") as folder:
        session, path = _opened(package, file, wanted, folder)
        try:
            samples = _samples(file, wanted, session)
            count = wanted.warmup + wanted.runs
            for number in range(count):
                step("running", number, count, still=True)
                session.run(samples[number % len(samples)])
            shapes = {
                name: each.shape for name, each in samples[0].items() if hasattr(each, "shape")
            }
        finally:
            step("reading the profile")
            written = session.raw.end_profiling()
        events = trace(as_json(read(written), "profile"), "profile", wanted.warmup)
        made = None
        if path is not None:
            made = read_model(path)[0]
            made.linked = file.folder  # the weights that it refers to lie there
        parts = () if path else assigned(session)
        yield Measured(events, made, shapes, parts, () if path else (_UNSAVED,))


_UNSAVED = (
    "onnxruntime cannot save this model as it runs it, because a provider compiles parts of it: "
    "kernels are joined by their names, and parts that were compiled as a whole"
)


def _opened(
    package: Any, file: ModelFile, wanted: Wanted, folder: str
) -> Tuple[Session, Optional[str]]:
    """The session, and where the model is saved as it runs; None where that cannot be done."""
    values = {"enable_profiling": True, "profile_file_prefix": os.path.join(folder, "profile")}
    path = os.path.join(folder, "optimised.onnx")
    try:
        return session_of(package, file, wanted, values, path), path
    except InvalidModelError:
        entries = {ASSIGNED: "1"} if hasattr(package.InferenceSession, TELLS) else {}
        return session_of(package, file, wanted, values, entries=entries), None


TELLS = "get_provider_graph_assignment_info"
"""What tells of it, from onnxruntime 1.24 on."""


def assigned(session: Session) -> Tuple[Part, ...]:
    """What providers took, where that was recorded."""
    if not hasattr(session.raw, TELLS):
        return ()
    return tuple(
        Part(each.ep_name, tuple(node.name for node in each.get_nodes()))
        for each in session.raw.get_provider_graph_assignment_info()
    )


def session_of(
    package: Any,
    file: ModelFile,
    wanted: Wanted,
    values: Mapping[str, Any],
    path: str = "",
    entries: Mapping[str, str] = NONE,
) -> Session:
    """A session of a file with options that are changed for it.

    Args:
        package: onnxruntime.
        file: the file.
        wanted: how it is run.
        values: attributes of the options.
        path: where the model is saved as it runs; ``""``: nowhere.
        entries: of the options' configuration.
    """
    ready, more = _ready(file, wanted.options is not None)
    size = size_of(ready)
    told = {**values, "optimized_model_filepath": path}
    entries = {**more, **entries, **saved_as(path, size if path else 0)}
    if wanted.options is None:
        options = own(package)
        apply(options, told, entries)
        return opened(ready, Settings(wanted.providers, options=options))
    with lent(wanted.options, told, entries):
        return opened(ready, Settings(wanted.providers, options=wanted.options))


def _ready(file: ModelFile, theirs: bool) -> Tuple[Prepared, Dict[str, str]]:
    """The model for onnxruntime, and the entries by which it finds the data files itself.

    Weights that are handed over stay in the options, which must not happen to the caller's: they
    become a part of the model, or where that is too large are read by onnxruntime.
    """
    ready = prepared_file(file)  # looks at the data files, whoever reads them
    if not theirs or not ready.weights:
        return ready, {}
    if size_of(ready) <= LARGE:
        return _filled(ready), {}
    for folder in folders_of(file):
        if all(os.path.isfile(os.path.join(folder, each)) for each in locations(file.outline)):
            return Prepared(wire.join(file.chunks), {}), {FOLDER: folder}
    raise HTPError(
        "The data files of this model lie in several folders, which onnxruntime cannot read with "
        "session options of yours.",
        "leave out session_options, or keep the data files beside the model.",
    )


def size_of(ready: Prepared) -> int:
    """The bytes of a model with its weights."""
    return len(ready.data) + sum(int(each.nbytes) for each in ready.weights.values())


def _filled(ready: Prepared) -> Prepared:
    """The same with all weights in the model."""
    model = parse(ready.data)
    for tensor in model.graph.initializer:
        held = ready.weights.get(tensor.name)
        if held is not None:
            tensor.raw_data = held.tobytes()
            tensor.ClearField("data_location")
            del tensor.external_data[:]
    return Prepared(serialised(model), {})


def _samples(file: ModelFile, wanted: Wanted, session: Session) -> Samples:
    given = wanted.inputs
    if given is None:
        given = [made_up(file.outline, wanted.shapes)]
    return samples_of(given, session.inputs)
