"""What a model can be read from: a path, an open file, bytes, or a model of another library."""

import contextlib
import os
from importlib import import_module
from typing import Any, Dict, Tuple

from htp.errors import InvalidModelError
from htp.file import paths
from htp.file.model_file import ModelFile
from htp.steps import step

__all__ = ["opened", "serde_of"]


def opened(f: Any) -> Tuple[ModelFile, str]:
    """The model that ``f`` is or holds, and what to call it in an error.

    Raises:
        InvalidModelError: there is none, or it cannot be read.
    """
    if isinstance(f, (str, os.PathLike)):
        step("reading", what=os.fsdecode(f))
        name = repr(os.fspath(f))
        return ModelFile([paths.read(f)], **_places(f), name=name), name
    if isinstance(f, (bytes, bytearray, memoryview)):
        return ModelFile([_filled(bytes(f), "The bytes")]), "What these bytes hold"
    if callable(getattr(f, "read", None)):
        return ModelFile(
            [_content(f)], **_places(getattr(f, "name", None))
        ), "What the open file holds"
    proto = _proto(f)
    if proto is None:
        raise InvalidModelError(
            f"A model cannot be read from {type(f).__name__}.",
            "give a path, an open binary file, bytes, an onnx.ModelProto or an onnx_ir.Model.",
        )
    return ModelFile(proto=proto), "The model"


def _filled(data: bytes, name: str) -> bytes:
    if not data:
        raise InvalidModelError(f"{name} are empty.", "export the model again.")
    return data


def _content(file: Any) -> bytes:
    try:
        data = file.read()
    except (OSError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        raise InvalidModelError(
            f"Cannot read {type(file).__name__}: {error}.", "open it with mode 'rb'."
        ) from error
    if not isinstance(data, bytes):
        raise InvalidModelError(
            f"{type(file).__name__} gives {type(data).__name__}, not bytes.",
            "open it with mode 'rb'.",
        )
    return _filled(data, "The bytes of the open file")


def _places(name: Any) -> Dict[str, Any]:
    """Where a model's data files lie: beside it, when it has a name."""
    if not isinstance(name, (str, os.PathLike)) or not os.fspath(name):
        return {}
    try:
        return dict(zip(("folder", "linked"), paths.folders(name)))
    except (OSError, ValueError):  # an open file may be called anything
        return {}


def _proto(model: Any) -> Any:
    """A ``ModelProto``, or what the intermediate representation of ONNX makes one of."""
    import onnx

    if isinstance(model, onnx.ModelProto):
        return model
    serde = serde_of(model)
    if serde is None:
        return None
    try:
        proto = serde.serialize_model(model)
    except Exception as error:  # whatever its package raises: a model may be in any state
        raise InvalidModelError(
            f"{serde.__name__} cannot serialise this model: {error}.",
            "save it with that package, and load the file.",
        ) from error
    return proto if isinstance(proto, onnx.ModelProto) else None


def serde_of(model: Any) -> Any:
    """The module that serialises a ``Model`` of the package that it comes from, or None."""
    home = type(model).__module__  # the package itself, or a private module of it
    if type(model).__name__ == "Model" and hasattr(model, "opset_imports"):
        for package in (home, home.rpartition(".")[0]):
            with contextlib.suppress(ImportError, ValueError):
                return import_module(f"{package}.serde")
    return None
