"""The way from a model to a tagged file: select, listen, complete, write."""

import os
import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Dict, Mapping, NamedTuple, Optional, Sequence, Union

from htp import failures, registry, turns
from htp.errors import CaptureError
from htp.exported import Exported
from htp.spec import BackendSpec
from htp.steps import step

if TYPE_CHECKING:  # imported where they are used: `import htp` is cheap
    import onnx

    from htp.arguments import Request, Written
    from htp.file.model_file import ModelFile
    from htp.file.store import Destination, Writable
    from htp.graph.records import Capture
    from htp.tagged import TaggedModel

__all__ = ["Recorded", "export", "record"]


def export(
    model: Any,
    args: Any = (),
    f: Union[str, "os.PathLike[str]", "Writable", None] = None,
    *positional: Any,
    kwargs: Optional[Mapping[str, Any]] = None,
    input_names: Optional[Sequence[str]] = None,
    output_names: Optional[Sequence[str]] = None,
    dynamic_shapes: Any = None,
    opset_version: Optional[int] = None,
    backend: Optional[str] = None,
    origin: bool = True,
    exporter_options: Optional[Mapping[str, Any]] = None,
    root: str = "",
    embed: bool = True,
    **torch_options: Any,
) -> "TaggedModel":
    """Export a model to ONNX and tag every node with the module call that it came from.

    It takes what ``torch.onnx.export`` takes, in torch's forms and by torch's names, and reads it
    as the installed torch does. The file equals, byte for byte, what that writes with the same
    arguments, but for the metadata that HTP appends. The forward pass runs once. The model is
    exported as it is: call ``model.eval()`` first for inference.

    Args:
        model: an ``nn.Module``, what ``torch.jit`` scripted, or an ``ExportedProgram``.
        args: example inputs of ``forward``: a tuple, or a single tensor. A dictionary in the last
            place holds keyword inputs; put ``{}`` behind one that is an input itself.
        f: where to write: a path, a binary file object, or None to write nothing. A path is
            written atomically: a failed export leaves what was there before.
        positional: further arguments by position, in the order of the installed torch, where it
            takes them so (1.8 to 2.4).
        kwargs: keyword example inputs of ``forward``.
        input_names: names of the graph's inputs, in order.
        output_names: names of the graph's outputs, in order.
        dynamic_shapes: axes whose size may change: ``{input_name: {axis: "name"}}``, where an input
            goes by its parameter, by its place in ``input_names`` or, within lists and
            dictionaries, by its path (``more_y_0``); or any form of ``torch.export``'s. For
            ``torchscript`` it becomes ``dynamic_axes``, which cannot tell the bounds of a ``Dim``.
        opset_version: the ONNX opset; None for the default of the installed torch.
        backend: name of a capture backend; None for the one that ``dynamo`` says (True is ``fx``,
            False is ``torchscript``), or ``htp.backend``.
        origin: whether the file says of itself what its graph and module tree were, so that tags
            can be given back after a tool dropped them; compressed, some 25 to 115 bytes a node.
        exporter_options: deprecated: give its content as keyword arguments.
        root: where the model is a part of a whole, its path there, as ``"model.encoder"``: every
            path and every parameter's name begins with it, so that parts and whole speak of the
            same modules.
        embed: False leaves the file as torch writes it, and writes what HTP knows of it beside it:
            ``model.htp.json`` for ``model.onnx``. ``htp.load`` and ``htp.carry`` read both.
        torch_options: every further keyword argument of ``torch.onnx.export``. Those of another
            release are translated where they mean the same here (``docs/options.md``).

    Returns:
        The tagged model. It keeps no reference to ``model``; its ``program``, where torch returns
        one, holds the model's weights.

    Raises:
        UnsupportedTorchError: torch is missing or older than any backend accepts.
        BackendUnavailableError: there is no such backend, or it cannot run here.
        CaptureError: the arguments don't fit, torch's exporter failed, or ``f`` can't be written.
            It is a ``TypeError`` as well where this torch has no such argument.
    """
    from htp import arguments, sidecar
    from htp.file import store
    from htp.graph.rooted import checked_root
    from htp.tagged import TaggedModel

    root = checked_root(root)
    _check_sidecar(f, embed, origin)
    given = _merged(torch_options, exporter_options)
    spec = _selected(model, backend, given)
    registry.load(spec)  # before anything is written
    named: Dict[str, Any] = {"kwargs": kwargs, "dynamic_shapes": dynamic_shapes}
    named.update(input_names=input_names, output_names=output_names, opset_version=opset_version)
    _add(given, named)
    _add(given, arguments.by_position(positional))
    with turns.ours(), store.Destination(f) as destination:
        request = arguments.checked(model, args, given, spec.exporter, destination.scratch_path)
        recorded = record(request, spec)
        step("tagging")
        file = _tagged(recorded, destination, root, origin)
        step("writing the file")
        if embed:
            destination.commit(file.chunks)
        else:
            plain = recorded.written.data
            destination.commit([plain], sidecar.encoded(file, plain, destination))
    file.folder = destination.folder
    tagged = TaggedModel(file, recorded.written.program)
    if turns.is_watched():
        _tell(tagged, type(model).__name__, destination.path, spec)
    return tagged


def _tagged(
    recorded: "Recorded", destination: "Destination", root: str, origin: bool
) -> "ModelFile":
    """What torch wrote, with its tags."""
    from htp.file import encode
    from htp.graph.complete import complete
    from htp.graph.rooted import rooted

    written, heard, name, outline = recorded
    capture = rooted(heard, root)
    tags = complete(capture)
    found = encode.Written(written.data, outline, destination.beside())
    made = encode.made(found, capture, tags, name, origin)
    return encode.with_tags(written.data, made, name)


def _check_sidecar(f: Any, embed: bool, origin: bool) -> None:
    """Refuse early what cannot be: a sidecar holds the origin, and lies beside a file."""
    if not embed and not isinstance(f, (str, os.PathLike)):
        raise CaptureError(
            f"embed=False writes a file beside the model's; f is {type(f).__name__}, no path.",
            "give a path, or leave embed out.",
        )
    if not embed and not origin:
        raise CaptureError(
            "embed=False and origin=False contradict each other: the origin is what is written.",
            "leave one of them out.",
        )


def _tell(tagged: "TaggedModel", model: str, path: Optional[str], spec: BackendSpec) -> None:
    """Have the export listed where ``htp.tagging`` lists those of others."""
    coverage = tagged.coverage
    turns.tell(Exported(model, path, spec.exporter, spec.name, coverage, coverage.total))


def _merged(options: Dict[str, Any], older: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    if older is not None:
        warnings.warn(
            "exporter_options is deprecated: give what it holds as keyword arguments, as in "
            "htp.export(model, args, f, verbose=False).",
            DeprecationWarning,
            stacklevel=3,
        )
        own = sorted({"model", "args", "f", "backend"}.intersection(older))
        if own:
            raise CaptureError(
                f"exporter_options holds {', '.join(own)}, which export() sets itself.",
                "give them as arguments of htp.export.",
            )
        _add(options, older)
    return options


def _add(given: Dict[str, Any], more: Mapping[str, Any]) -> None:
    said = {name: value for name, value in more.items() if value is not None or name not in given}
    twice = [name for name in said if given.get(name) is not None]
    if twice:
        raise CaptureError(f"{twice[0]!r} was given twice.", "give it once, by its name.")
    given.update(said)


def _selected(model: Any, backend: Any, options: Mapping[str, Any]) -> BackendSpec:
    """The row to use: as ``backend`` or ``dynamo`` says, else ``HTP_BACKEND``, else the default.

    Raises:
        CaptureError: ``backend`` and ``dynamo`` contradict each other.
    """
    from htp import arguments

    if backend is not None and not isinstance(backend, str):
        names = ", ".join(spec.name for spec in registry.specs())
        raise CaptureError(
            f"backend must be the name of one; found {type(backend).__name__}.",
            f"registered are {names}.",
        )
    if not registry.is_supported():
        return registry.chosen(backend)  # which tells what is wrong with torch
    exporter = arguments.exporter_of(model, options)
    if exporter is None:
        return registry.chosen(backend)
    spec = registry.chosen(backend or registry.name_for(exporter))
    if spec.exporter != exporter:
        asked = f"dynamo={options['dynamo']!r}" if "dynamo" in options else "the kind of the model"
        raise CaptureError(
            f"backend={spec.name!r} and {asked} contradict each other: that backend listens to "
            f"torch's exporter {spec.exporter!r}, and {asked} asks for {exporter!r}.",
            "leave one of them out.",
        )
    return spec


class Recorded(NamedTuple):
    """What came of an export.

    Attributes:
        written: what torch made.
        capture: what was heard.
        backend: the name of the backend that heard it.
        outline: what torch wrote, parsed without the contents of its large tensors.
    """

    written: "Written"
    capture: "Capture"
    backend: str
    outline: "onnx.ModelProto"


def record(request: "Request", spec: BackendSpec) -> Recorded:
    """Let torch export while the backend listens.

    Raises:
        CaptureError: torch's exporter failed, or the backend did not hear it.
    """
    from htp import arguments
    from htp.backends.common.undisturbed import undisturbed
    from htp.file.records import outline_of, record_model

    rows = [spec]
    if request.options.get("fallback"):  # the caller lets torch change to its other exporter
        rows.append(registry.chosen(registry.name_for("torchscript")))
    with turns.ours(), undisturbed(request.model), ExitStack() as stack:
        listening = [(row.name, stack.enter_context(registry.load(row).listen())) for row in rows]
        step("exporting by torch", what=f"backend {spec.name}")
        try:
            written = arguments.exporter(spec.exporter)(request)
        except CaptureError as error:
            told = (failures.told(listener.where()) for _, listener in listening)
            error.say("" if error.asked else next(filter(None, told), ""))
            raise
        step("hearing what was exported")
        heard = [(name, each) for name, listener in listening for each in listener.take()]
    if not heard:
        raise CaptureError(
            f"Backend {spec.name!r} did not hear the export by torch's {spec.exporter} exporter.",
            "run 'htp doctor'; this torch may be newer than any that HTP was tested with.",
        )
    name, last = heard[-1]
    outline = outline_of(written.data)
    return Recorded(written, last.capture(record_model(outline)), name, outline)
