"""Which keyword arguments the installed ``torch.onnx.export`` takes, and what others mean to it.

What the installed torch takes goes straight through. ``options.json`` tells which releases take
what; it is made by ``tools/options.py`` from runs on each release.
"""

import inspect
import json
import os
from functools import lru_cache
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from htp import torch_release
from htp.errors import CaptureError, did_you_mean

__all__ = [
    "NotTakenError",
    "by_position",
    "exporter_of",
    "installed",
    "is_program",
    "known",
    "translated",
]


class NotTakenError(CaptureError, TypeError):
    """The installed torch has no such argument: a ``TypeError``, as calling torch itself raises."""


class _Option(NamedTuple):
    """A keyword argument over the releases.

    Attributes:
        releases: those that take it, oldest first.
        defaults: the different defaults that it has there, as text.
    """

    releases: List[str]
    defaults: List[str]


@lru_cache(maxsize=None)
def known() -> Mapping[str, _Option]:
    """Every keyword argument that ``torch.onnx.export`` takes in some release."""
    path = os.path.join(os.path.dirname(__file__), "options.json")
    with open(path, encoding="utf-8") as file:
        table = json.load(file)
    return {name: _Option(row["releases"], row["defaults"]) for name, row in table.items()}


def installed() -> Mapping[str, inspect.Parameter]:
    """The parameters of the installed ``torch.onnx.export``."""
    import torch.onnx

    return inspect.signature(torch.onnx.export).parameters


def by_position(values: Sequence[Any]) -> Dict[str, Any]:
    """The names of arguments that were given by position behind ``f``, as old releases take them.

    Raises:
        NotTakenError: the installed torch takes fewer by position.
    """
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [name for name, each in installed().items() if each.kind in plain][3:]
    if len(values) > len(names):
        raise NotTakenError(
            f"{3 + len(values)} arguments were given by position; torch {torch_release.TORCH} "
            f"takes {3 + len(names)}: {', '.join(['model', 'args', 'f', *names])}.",
            "give the others by name, as in input_names=[...].",
        )
    return dict(zip(names, values))


def is_program(model: Any) -> bool:
    """Whether a model was through ``torch.export``, or brings what that needs."""
    import torch

    kinds = [
        getattr(getattr(torch, "export", None), "ExportedProgram", None),
        getattr(torch.onnx, "ExportableModule", None),
    ]
    return isinstance(model, tuple(kind for kind in kinds if isinstance(kind, type)))


def exporter_of(model: Any, options: Mapping[str, Any]) -> Optional[str]:
    """Which of torch's exporters the call asks for; None where it leaves that open.

    ``dynamo`` decides, and a program of ``torch.export`` has but one:
    https://github.com/pytorch/pytorch/blob/v2.5.0/torch/onnx/__init__.py#L370

    Raises:
        NotTakenError: it asks for one that this torch does not have.
    """
    if is_program(model):
        return "fx"
    if "dynamo" not in options:
        return None
    if options["dynamo"] is True and "dynamic_shapes" not in installed():  # 2.4 has another one
        raise NotTakenError(
            f"dynamo=True was asked for; torch {torch_release.TORCH} has no such exporter.",
            f"torch {torch_release.FX_SINCE} and newer have it; leave dynamo out, or say False.",
        )
    return "fx" if options["dynamo"] is True else "torchscript"


class _Situation(NamedTuple):
    """What an option may mean depends on the exporter, and on whether it writes to a path."""

    exporter: str
    to_path: bool


def translated(options: Mapping[str, Any], exporter: str, *, to_path: bool) -> Dict[str, Any]:
    """The keyword arguments as the installed torch takes them.

    Args:
        options: as given.
        exporter: which of torch's exporters will run.
        to_path: whether it writes to a path.

    Raises:
        NotTakenError: it does not take one, and what that means cannot be said here.
    """
    parameters = installed()
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    found: Dict[str, Any] = {}
    for name, value in options.items():
        if name in parameters or takes_any:
            found[name] = value
        elif name in _MEANINGS:
            found.update(_MEANINGS[name](value, _Situation(exporter, to_path)))
        elif not _asks_for_nothing(name, value):
            raise _not_taken(name, value)
    return found


def _asks_for_nothing(name: str, value: Any) -> bool:
    """Whether a value is the default of every release that knows the option."""
    return name in known() and known()[name].defaults == [repr(value)]


def _not_taken(name: str, value: Any) -> NotTakenError:
    message = f"torch.onnx.export of torch {torch_release.TORCH} does not take {name!r}"
    if name in known():
        releases = known()[name].releases
        return NotTakenError(
            f"{message}, which was {value!r}. Releases that take it: {_ranges(releases)}.",
            "leave it out here; docs/options.md lists every option with its releases.",
        )
    own = ["backend", "kwargs", "dynamic_shapes", *installed()]
    return NotTakenError(f"{message}, and no other release does.", did_you_mean(name, own))


def _ranges(releases: Sequence[str]) -> str:
    """Neighbouring releases as one range: ``1.8 to 1.10, 2.5``."""
    order = sorted({each for option in known().values() for each in option.releases}, key=_numbers)
    runs: List[List[str]] = []
    for release in releases:
        if runs and order.index(release) == order.index(runs[-1][-1]) + 1:
            runs[-1].append(release)
        else:
            runs.append([release])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def _numbers(release: str) -> Tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


def _dynamo(value: Any, here: _Situation) -> Dict[str, Any]:
    """It chose the backend already (``exporter_of``)."""
    return {}


def _external_data(value: Any, here: _Situation) -> Dict[str, Any]:
    """The older exporter was told so by another name once, and finds out by itself since 1.10.

    https://github.com/pytorch/pytorch/pull/67080
    """
    older = installed().get("use_external_data_format")
    heeded = older is not None and older.default is not None
    return {"use_external_data_format": True} if value and here.to_path and heeded else {}


def _use_external_data_format(value: Any, here: _Situation) -> Dict[str, Any]:
    """``fx`` calls it otherwise; the older exporter writes such files where a model needs it."""
    return {"external_data": bool(value)} if here.exporter == "fx" else {}


_MEANINGS: Dict[str, Callable[[Any, _Situation], Dict[str, Any]]] = {
    "dynamo": _dynamo,
    "external_data": _external_data,
    "use_external_data_format": _use_external_data_format,
}
"""What an option of other releases means here: the arguments that say the same."""
