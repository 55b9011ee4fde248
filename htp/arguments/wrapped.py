"""Modules that run another one: their own paths are not those of the model that the user knows."""

import sys
from typing import Any, Optional, Tuple

__all__ = ["wrapper_of"]


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
