"""One export of somebody else's: torch's own, untouched, then tagged.

Nothing in here may break it. What goes wrong in the listening or the tagging is told, and the
export is what it is without HTP.
"""

from dataclasses import replace
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple

from htp import failures, registry, turns
from htp.backends.base import Heard, Listener, Where
from htp.backends.common.unseen import unseen
from htp.errors import CaptureError, HTPError
from htp.exported import Exported, Wishes
from htp.file import encode, memory
from htp.file.data import locations
from htp.file.frames import without_frames
from htp.file.records import outline_of, record_model
from htp.file.theirs import Theirs
from htp.graph.complete import complete
from htp.graph.rooted import rooted
from htp.scope import Coverage
from htp.spec import BackendSpec
from htp.steps import unheard
from htp.tagged import load

__all__ = ["Export"]

_F = 2
"""The place of ``f`` among the arguments of every exporter's entrance."""


_SAID = {"dynamo_export": "torch.onnx.dynamo_export"}


class _Call:
    """The arguments of one export.

    Args:
        args: as torch's function is given them.
        kwargs: likewise.

    Attributes:
        theirs: where the export goes.
    """

    def __init__(self, args: Tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        f = args[_F] if len(args) > _F else kwargs.get("f")
        self.theirs = Theirs(f)
        self.args: List[Any] = list(args)
        self.kwargs: Dict[str, Any] = dict(kwargs)
        if self.theirs.stand_in is not f:
            if len(args) > _F:
                self.args[_F] = self.theirs.stand_in
            else:
                self.kwargs["f"] = self.theirs.stand_in

    @property
    def model(self) -> str:
        """The class name of what is exported; ``dynamo_export`` has it in an object of its own."""
        model = self.args[0] if self.args else self.kwargs.get("model")
        if not callable(model):
            model = getattr(model, "model", model)
        return type(model).__name__

    def writes_a_file(self) -> bool:
        """Whether one model is written: old releases also write archives and folders.

        https://github.com/pytorch/pytorch/blob/v1.8.1/torch/onnx/utils.py#L724
        """
        kind = self.kwargs.get("export_type")
        return kind is None or getattr(kind, "name", str(kind)).endswith("PROTOBUF_FILE")


class Chosen(NamedTuple):
    """Who listens to an export.

    Attributes:
        spec: the backend; None when none does.
        reason: why none does.
        warn: whether that is worth a warning: not where it was asked for.
    """

    spec: Optional[BackendSpec] = None
    reason: str = ""
    warn: bool = True


def chosen(exporter: str, name: Optional[str]) -> Chosen:
    """Who listens to an exporter: the backend of this name, else the latest that can run here."""
    reasons = []
    for spec in reversed(registry.specs()):
        if spec.exporter == exporter and name in (None, spec.name):
            reason = registry.reason_against(spec)
            if reason is None:
                return Chosen(spec)
            reasons.append(f"backend {spec.name!r} cannot run here: {reason}")
    if reasons:
        return Chosen(reason="; ".join(reasons))
    if name is not None:
        return Chosen(reason=f"only backend {name!r} was to listen", warn=False)
    return Chosen(reason=f"no backend listens to {_SAID.get(exporter, exporter)}")


class _Torch:
    """Torch's own function, which is called once whatever HTP does around it.

    Args:
        plain: it.
    """

    def __init__(self, plain: Callable[..., Any]) -> None:
        self._plain = plain
        self.called = False
        self.error: Optional[BaseException] = None
        self._result: Any = None

    @unseen
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it, and keep what it gives."""
        try:
            result = self._plain(*args, **kwargs)
        except BaseException as error:
            self.error = error
            raise
        self._result = result
        self.called = True
        return result

    def given(self) -> Any:
        """What it gave."""
        return self._result


class Export:
    """One export that torch's exporter was asked for.

    Args:
        exporter: whose entrance it came through.
        plain: torch's own function.
        args: its arguments.
        kwargs: likewise.
        wishes: what is wanted of it.

    Attributes:
        inner: exports that took place inside it: torch's fallback to its older exporter.
        exported: what is told of it.
        warn: whether the reason that it was not tagged is worth a warning.
    """

    def __init__(
        self,
        exporter: str,
        plain: Callable[..., Any],
        args: Tuple[Any, ...],
        kwargs: Mapping[str, Any],
        wishes: Wishes,
    ) -> None:
        self.inner: List[Export] = []
        self.warn = True
        self._exporter = exporter
        self._torch = _Torch(plain)
        self._call = _Call(args, kwargs)
        self._wishes = wishes
        self._listener: Optional[Listener] = None
        self._spec: Optional[BackendSpec] = None
        self.exported = Exported(self._call.model, self._call.theirs.path, exporter)

    @unseen
    def run(self) -> Any:
        """Let torch export, tag what it wrote, and return what torch returns.

        Whatever torch's function raises passes through.
        """
        self._guarded(self._choose)
        try:
            result = self._run()
        except BaseException as error:
            self._torch.error = None  # an error that is held holds parts of torch's dead graph
            self._call.theirs.hand_over()
            if self._listener is not None and isinstance(error, Exception):
                _say_where(error, self._where())
            raise
        if self.inner:
            self._guarded(self._take_inner)
        elif self.exported.tagged:
            self._guarded(self._tag, result)
        if self._listener is not None and not self.exported.tagged:
            self._guarded(self._clean)
        self._call.theirs.hand_over()
        return result

    def _guarded(self, step: Callable[..., None], *given: Any) -> None:
        """Run a step of HTP's own; when it fails, that is why the export is not tagged."""
        try:
            step(*given)
        except Exception as error:  # any defect of HTP's or of a plug-in's: told, never raised
            reason = self.exported.reason or _in_one_line(error)
            self.exported = replace(self.exported, coverage=None, reason=reason)

    def _clean(self) -> None:
        """Take HTP's own lines out of the doc strings of a model that stays without tags."""
        theirs = self._call.theirs
        if self._exporter == "torchscript":
            data = theirs.read()
            clean = without_frames(data)
            if clean is not data:
                theirs.replace([clean], data)

    def _choose(self) -> None:
        found = chosen(self._exporter, self._wishes.backend)
        if found.spec is None or not self._call.writes_a_file():
            self.warn = found.warn
            reason = found.reason or "torch writes an archive, not a model's file"
            self.exported = replace(self.exported, reason=reason)
            return
        self._spec = found.spec
        self.exported = replace(self.exported, backend=found.spec.name)
        self._listener = registry.load(found.spec).listener()

    @unseen
    def _run(self) -> Any:
        torch, call = self._torch, self._call
        if self._listener is None:
            return torch(*call.args, **call.kwargs)
        try:
            return self._listener.hear(torch, *call.args, **call.kwargs)
        except Exception as error:
            if error is torch.error:
                raise
            self.exported = replace(self.exported, reason=_in_one_line(error))
        return torch.given() if torch.called else torch(*call.args, **call.kwargs)

    def _tag(self, result: Any) -> None:
        """Write the tags into the file, and into the program that torch returns."""
        if self._listener is None or self._spec is None:
            return
        heard = self._listener.take()
        if not heard:
            raise CaptureError(f"backend {self._spec.name!r} did not hear the export")
        program = result.model if self._exporter == "fx" else None
        coverage = _tagged(heard[-1], self._call.theirs, program, self._spec.name, self._wishes)
        self.exported = replace(self.exported, coverage=coverage, nodes=coverage.total)

    def _take_inner(self) -> None:
        """Torch fell back to another exporter, which was tagged; it may have written that anew."""
        inner = self.inner[-1]
        self.exported, self.warn = inner.exported, inner.warn
        path = self._call.theirs.path
        if self.exported.tagged and path is not None:
            with unheard():
                coverage = load(path).coverage
            self.exported = replace(self.exported, coverage=coverage, nodes=coverage.total)

    def _where(self) -> Where:
        """What torch was busy with when it failed."""
        try:
            return self._listener.where() if self._listener is not None else Where()
        except Exception:  # the error that is passing through is somebody else's, and comes first
            return Where()


def _tagged(heard: Heard, theirs: Theirs, program: Any, backend: str, wishes: Wishes) -> Coverage:
    """Tag what was written, all of it or nothing.

    Raises:
        HTPError: the capture failed, or the file is none that can be tagged.
        OSError: the file system refused.
    """
    data = memory.outline(program) if theirs.is_nowhere and program else theirs.read()
    data = without_frames(data)
    light = outline_of(data)
    capture = rooted(heard.capture(record_model(light)), wishes.root)
    tags = complete(capture)
    written = encode.Written(data, light, theirs.beside(locations(light)))
    made = encode.made(written, capture, tags, backend, wishes.origin)
    if program is not None:
        entries = memory.entries(program, made)
    if not theirs.is_nowhere:
        theirs.replace(encode.with_tags(data, made, backend).chunks, data)
    if program is not None:
        memory.write(entries)
    unused = {id(node) for body in capture.after.uncalled() for node in body.walk()}
    nodes = zip(capture.after.walk(), tags)
    return Coverage.of(tag for node, tag in nodes if id(node) not in unused)


def _say_where(error: Exception, where: Where) -> None:
    """Say on torch's own error, and on standard error, where in the model it arose."""
    text = failures.told(where)
    if not text:
        return
    if hasattr(error, "add_note"):
        error.add_note(text)
    turns.say(text)


def _in_one_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return lines[0] if isinstance(error, HTPError) else f"{type(error).__name__}: {lines[0]}"
