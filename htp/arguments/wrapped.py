"""Why an export of such a model with such inputs may have failed; asked only once it did."""

import sys
from typing import Any, Mapping, Optional, Tuple

from htp.arguments.inputs import as_read, signature_of
from htp.errors import CaptureError

__all__ = ["hint_for", "misfit", "wrapper_of"]


def wrapper_of(model: Any) -> Optional[Tuple[str, str]]:
    """What wrapped a model, and the attribute under which the model is; None for a plain model.

    ``torch.compile`` makes an ``OptimizedModule``, which dynamo alone defines, so nothing needs to
    be imported to know one: https://docs.pytorch.org/docs/stable/generated/torch.compile.html
    """
    from torch.nn import parallel

    kinds = [parallel.DataParallel, parallel.DistributedDataParallel]
    if isinstance(model, tuple(kinds)):
        return f"torch.nn.{type(model).__name__}", "module"
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    compiled = getattr(dynamo, "OptimizedModule", None)
    if compiled is not None and isinstance(model, compiled):
        return "torch.compile", "_orig_mod"
    return None


def hint_for(model: Any) -> Optional[str]:
    """What to do with a wrapped model that this torch does not export; None for a plain one."""
    wrapper = wrapper_of(model)
    if wrapper is None:
        return None
    return f"{wrapper[0]} wraps the model; export what is inside: model.{wrapper[1]}."


def misfit(model: Any, args: Any, kwargs: Optional[Mapping[str, Any]]) -> Optional[CaptureError]:
    """That the model cannot be called with the inputs; None where it can, or nobody can tell."""
    signature = signature_of(model) if callable(getattr(model, "forward", model)) else None
    if signature is None:
        return None
    positional, keywords = as_read(args, kwargs)
    try:
        signature.bind(*positional, **keywords)
    except TypeError as error:
        return CaptureError(
            f"The example inputs don't fit forward{signature}: {error}.",
            "args and kwargs must be what the model is called with; a dictionary in the last place "
            "of args holds keyword inputs, so put {} behind one that is an input itself.",
        )
    return None
