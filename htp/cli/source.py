"""From ``MODULE:FUNCTION`` to the arguments of ``htp.export``."""

import importlib
import importlib.util
import os
import sys
import traceback
from types import ModuleType
from typing import Any, Callable, Dict

import click

from htp.arguments.options import known
from htp.errors import HTPError, did_you_mean

__all__ = ["export_arguments", "model_from"]

RETURNS = (
    "return (model, args), (model, args, kwargs), or a dict with 'model' and any of 'args', "
    "'kwargs', 'dynamic_shapes', 'input_names', 'output_names', 'opset_version', 'backend', or "
    "another argument of htp.export."
)
KEYS = frozenset((*RETURNS.split("'")[1::2], "exporter_options"))


def export_arguments(target: str) -> Dict[str, Any]:
    """Import the module, call the function, and name what it returns.

    Args:
        target: ``package.module:function`` or ``path/to/file.py:function``. The current directory
            is importable, and so is the folder of a file.

    Returns:
        Keyword arguments of ``htp.export``, among them ``model``.

    Raises:
        click.BadParameter: ``target`` is not of that form.
        htp.HTPError: the module cannot be imported, has no such function, or the function fails or
            returns something else.
    """
    return _named(_returned(target), target)


def model_from(target: str) -> Any:
    """The model that a function returns: alone, or with what ``export_arguments`` wants.

    Raises:
        click.BadParameter: as ``export_arguments``.
        htp.HTPError: likewise.
    """
    returned = _returned(target)
    return returned if hasattr(returned, "named_modules") else _named(returned, target)["model"]


def _returned(target: str) -> Any:
    """What the function returns."""
    source, colon, name = target.rpartition(":")
    if not (colon and source and name):
        raise click.BadParameter(
            f"{target!r} is not MODULE:FUNCTION, for example 'my_package.models:tiny' or "
            "'path/to/file.py:tiny'.",
            param_hint="MODULE:FUNCTION",
        )
    function = _function(_imported(source), source, name)
    try:
        return function()
    except Exception as error:  # the user's own code may fail in any way
        raise _failure(f"{target} failed", error) from error


def _imported(source: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    is_file = source.endswith(".py") or os.sep in source
    if is_file and not os.path.isfile(source):
        raise HTPError(f"There is no file {source!r}.", "the path is relative to the current one.")
    try:
        return _from_file(source) if is_file else importlib.import_module(source)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{source}.".startswith(f"{error.name}."):
            raise _failure(f"{source} cannot be imported", error) from error
        raise HTPError(
            f"There is no module {source!r}: {error.name!r} was looked for in {os.getcwd()} and "
            "among the installed packages.",
            "give a dotted name, or a file as path/to/file.py:function.",
        ) from error
    except Exception as error:  # the user's own code may fail in any way
        raise _failure(f"{source} cannot be imported", error) from error


def _from_file(path: str) -> ModuleType:
    """Import a file under its own name, so that its classes are called ``file.Class``."""
    folder, base = os.path.split(os.path.abspath(path))
    name = os.path.splitext(base)[0]
    if name in sys.modules:
        name = f"{name}_file"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise HTPError(f"{path!r} is not a Python file.", "its name should end in .py.")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _function(module: ModuleType, source: str, name: str) -> Callable[[], Any]:
    found = getattr(module, name, None)
    if found is None:
        own = [
            key
            for key, value in vars(module).items()
            if callable(value) and getattr(value, "__module__", None) == module.__name__
        ]
        raise HTPError(f"{source} has no function {name!r}.", did_you_mean(name, own))
    if not callable(found) or isinstance(found, type) or hasattr(found, "forward"):
        raise HTPError(
            f"{source}:{name} is a {type(found).__name__}; a function without arguments is needed.",
            f"write one that should {RETURNS}",
        )
    function: Callable[[], Any] = found
    return function


def _named(returned: Any, target: str) -> Dict[str, Any]:
    if isinstance(returned, tuple) and len(returned) in (2, 3):
        return dict(zip(("model", "args", "kwargs"), returned))
    if not isinstance(returned, dict):
        held = f" of {len(returned)}" if isinstance(returned, tuple) else ""
        raise HTPError(
            f"{target} returned a {type(returned).__name__}{held}.", f"it should {RETURNS}"
        )
    for key in returned:
        if key not in KEYS and key not in known():
            raise HTPError(
                f"{target} returned a dict with the key {key!r}.", did_you_mean(str(key), KEYS)
            )
    if "model" not in returned:
        raise HTPError(f"{target} returned a dict without a 'model'.", f"it should {RETURNS}")
    return dict(returned)


def _failure(what: str, error: BaseException) -> HTPError:
    """The last line of the user's traceback and where it was, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return HTPError(
        f"{what}: {type(error).__name__}: {error}{where}",
        "'htp --traceback COMMAND ...' shows the whole traceback.",
    )
