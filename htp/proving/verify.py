"""htp.verify: which module of a file is wrong."""

from typing import Any, Mapping, Optional

from htp.errors import HTPError
from htp.proving.tolerances import Tolerances
from htp.proving.verification import Verification
from htp.running.session import Settings
from htp.tagged import TaggedModel, load

__all__ = ["verify"]


def verify(
    model: Any,
    args: Any = (),
    tagged: Any = None,
    kwargs: Optional[Mapping[str, Any]] = None,
    *,
    level: str = "all",
    atol: Optional[float] = None,
    rtol: Optional[float] = None,
) -> Verification:
    """Compare a file with PyTorch, or with the file that a tool made it of, module by module.

    ``htp.verify(model, args, tagged)``: the model runs once, and the file as onnxruntime runs it.
    Each module call is told how far what it returns is from PyTorch's, and whether the error arises
    there: whether its own operations go wrong when they get what PyTorch gives them.

    ``htp.verify(reference, candidate, samples)``: the same without PyTorch, for two files.

    Args:
        model: the ``nn.Module``, which is left as it was; or the file that is right: a
            ``TaggedModel``, or whatever ``htp.load`` takes.
        args: its positional arguments, as for ``torch.onnx.export``; or the file that may be wrong.
        tagged: the file that may be wrong: a ``TaggedModel``, or whatever ``htp.load`` takes. It
            may be optimised, or of less precision. Or inputs of the two files: a path, a dict of
            arrays, or several.
        kwargs: its keyword arguments.
        level: how far onnxruntime optimises the file before it is looked into: ``none``, ``basic``,
            ``extended`` or ``all``, as its sessions do by default.
        atol: how far an element may be off; the default follows from the precision of the file.
        rtol: the same in relation to its size and that of the others.

    Returns:
        A row for each module call, and the first in which an error arises.

    Raises:
        HTPError: the model fails, its arguments or the samples do not fit the file, or onnxruntime
            is missing.
        InvalidModelError: a file cannot be read or run.
    """
    settings, tolerances = Settings(level=level), Tolerances(atol, rtol)
    if hasattr(model, "named_modules"):
        from htp.proving.against_torch import against_torch

        positional = args if isinstance(args, tuple) else (args,)
        named = dict(kwargs or {})
        return against_torch(model, positional, named, _file(tagged), settings, tolerances)
    from htp.proving.files import between_files

    if kwargs is not None:
        raise HTPError(
            f"Keyword arguments are those of a model; the first argument is {_kind(model)}.",
            "htp.verify(model, args, tagged) takes an nn.Module first.",
        )
    return between_files(_file(model), args, tagged, settings, tolerances)


def _file(f: Any) -> TaggedModel:
    if f is None:
        raise HTPError(
            "There is no file to verify.",
            "htp.verify(model, args, tagged), or htp.verify(reference, candidate, samples).",
        )
    return f if isinstance(f, TaggedModel) else load(f)


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
