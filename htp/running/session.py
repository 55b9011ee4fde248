"""Sessions of onnxruntime, made of files whose paths are not trusted."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from htp.errors import HTPError, InvalidModelError, did_you_mean
from htp.running.prepared import Prepared, prepared_file

if TYPE_CHECKING:
    from htp.file.model_file import ModelFile

__all__ = ["AS_IT_IS", "Session", "Settings", "Slot", "onnxruntime", "opened"]

LEVELS = {
    "none": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "all": "ORT_ENABLE_ALL",
}
_ERRORS = 3
"""Of onnxruntime's log: errors, no warnings."""
_LARGEST = 1 << 30
"""Bytes of a model beyond which its optimised form is saved with its weights in a data file."""


def onnxruntime() -> Any:
    """The package.

    Raises:
        HTPError: it is not installed.
    """
    try:
        import onnxruntime as package
    except ImportError as error:
        raise HTPError(
            f"Running a model needs onnxruntime, which cannot be imported: {error}.",
            'install it, or HTP with it: pip install "htp-onnx[runtime]".',
        ) from error
    return package


@dataclass(frozen=True)
class Settings:
    """How a session is made.

    Attributes:
        providers: onnxruntime's execution providers, the first one first.
        level: how far it optimises: ``none``, ``basic``, ``extended`` or ``all``; None leaves it
            to ``options``, or to onnxruntime, which takes ``all``.
        optimised: the path to save the model to as it is run.
        options: onnxruntime's ``SessionOptions`` to begin with. The object is changed: it serves
            for one session.
        without: optimisers of onnxruntime's that are left out, by its own names for them.
    """

    providers: Sequence[Any] = ("CPUExecutionProvider",)
    level: Optional[str] = None
    optimised: Optional[str] = None
    options: Any = None
    without: Sequence[str] = ()


AS_IT_IS = Settings(level="none")
"""A file as it stands, each node run for itself."""


class Slot(NamedTuple):
    """An input or output of a session.

    Attributes:
        name: its name.
        dtype: its element type as numpy spells it, ``"float32"``; None where numpy has none.
        shape: a number, the name of an axis, or None for each axis; None where it is no tensor.
        kind: its type in onnxruntime's words: ``tensor(float)``, ``seq(tensor(int64))``.
    """

    name: str
    dtype: Optional[str]
    shape: Optional[Tuple[Any, ...]]
    kind: str = ""


class Session:
    """A session, ready to run.

    Attributes:
        raw: onnxruntime's own.
        inputs: what it takes, by name.
        gives: what it gives, by name.
        outputs: the names of these.
        providers: those that it really uses.
    """

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.inputs = {each.name: _slot(each) for each in raw.get_inputs()}
        self.gives = {each.name: _slot(each) for each in raw.get_outputs()}
        self.outputs: List[str] = list(self.gives)
        self.providers: List[str] = raw.get_providers()

    def run(
        self, feeds: Mapping[str, Any], names: Optional[Sequence[str]] = None
    ) -> Dict[str, Any]:
        """The outputs of one sample, by name.

        Raises:
            HTPError: onnxruntime cannot run it.
        """
        wanted = self.outputs if names is None else list(names)
        try:
            return dict(zip(wanted, self.raw.run(wanted, dict(feeds))))
        except Exception as error:  # whatever onnxruntime raises: a node may fail in any way
            raise HTPError(
                f"onnxruntime cannot run this model: {_first_line(error)}",
                "look whether its inputs fit, and whether the file is whole.",
            ) from error


_TYPES = {"float": "float32", "double": "float64"}
_KNOWN = frozenset(
    f"{kind}{bits}" for kind in ("int", "uint", "float") for bits in (8, 16, 32, 64)
) - {"float8"} | {"bool"}


def _slot(said: Any) -> Slot:
    """From onnxruntime's words: ``tensor(float)``, ``seq(tensor(int64))``."""
    if not said.type.startswith("tensor("):
        return Slot(said.name, None, None, said.type)
    kind = said.type[len("tensor(") : -1]
    kind = _TYPES.get(kind, kind)
    return Slot(said.name, kind if kind in _KNOWN else None, tuple(said.shape), said.type)


def opened(model: "Prepared | ModelFile", settings: Settings = Settings()) -> Session:
    """A session of a model.

    Args:
        model: a file, or what ``prepared`` made of a model in memory.
        settings: how it is made.

    Raises:
        HTPError: onnxruntime is missing, or a setting is none that it knows.
        InvalidModelError: it cannot load the model, or a data file is missing or lies outside.
    """
    package = onnxruntime()
    ready = model if isinstance(model, Prepared) else prepared_file(model)
    options = _options(package, settings, ready)
    providers = _checked(package, settings.providers)
    more = {"disabled_optimizers": list(settings.without)} if settings.without else {}
    try:
        return Session(package.InferenceSession(ready.data, options, providers=providers, **more))
    except Exception as error:  # whatever onnxruntime raises: the model may be anything
        raise InvalidModelError(
            f"onnxruntime {package.__version__} cannot load this model: {_first_line(error)}",
            "onnx.checker.check_model may tell more; a newer onnxruntime may know its operators.",
        ) from error


def _first_line(error: BaseException) -> str:
    """What onnxruntime says, cut where it is long."""
    text = str(error).strip() or type(error).__name__
    return text.split("\n", 1)[0][:400]


def _options(package: Any, settings: Settings, ready: Prepared) -> Any:
    options = settings.options
    if options is None:
        options = package.SessionOptions()
        options.log_severity_level = _ERRORS
        if settings.level == "none":  # many small runs: threads that wait busily slow them down
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if settings.level is not None:
        if settings.level not in LEVELS:
            raise HTPError(
                f"There is no level of optimisation {settings.level!r}.",
                did_you_mean(str(settings.level), LEVELS),
            )
        level = getattr(package.GraphOptimizationLevel, LEVELS[settings.level])
        options.graph_optimization_level = level
    if settings.optimised is not None:
        _save_optimised(options, settings.optimised, ready)
    if ready.weights:
        _hand_over(package, options, ready)
    return options


def _save_optimised(options: Any, path: str, ready: Prepared) -> None:
    options.optimized_model_filepath = os.fspath(path)
    size = len(ready.data) + sum(each.nbytes for each in ready.weights.values())
    if size > _LARGEST:
        name = f"{os.path.basename(path)}.data"
        for key, value in (("file_name", name), ("min_size_in_bytes", "1024")):
            options.add_session_config_entry(
                f"session.optimized_model_external_initializers_{key}", value
            )


def _hand_over(package: Any, options: Any, ready: Prepared) -> None:
    """Give the weights beside the model; on the CPU onnxruntime works on these very arrays."""
    values = [package.OrtValue.ortvalue_from_numpy(each) for each in ready.weights.values()]
    try:
        options.add_external_initializers(list(ready.weights), values)
    except RuntimeError as error:
        raise HTPError(
            "These session options were used before, and hold the weights of that session.",
            "make new SessionOptions for each session.",
        ) from error


def _checked(package: Any, providers: Sequence[Any]) -> List[Any]:
    """The providers, if this onnxruntime has them: it passes over others with a warning."""
    known = package.get_available_providers()
    for each in providers:
        name = each if isinstance(each, str) else each[0]
        if name not in known:
            raise HTPError(
                f"This onnxruntime has no provider {name!r}.", did_you_mean(str(name), known)
            )
    return list(providers)
