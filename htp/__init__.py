"""HTP (Hierarchy Tracing and Propagation): which module call did this ONNX node come from?

    import htp

    tagged = htp.export(model, (tokens,), "model.onnx")
    for node, tag in tagged.nodes():
        print(node.name, tag.path, tag.call, tag.provenance)

Importing HTP imports neither torch nor onnx, and never fails for want of them.
"""

from typing import Optional

from htp.errors import (
    BackendUnavailableError,
    CaptureError,
    HTPError,
    InvalidModelError,
    UnknownModuleError,
    UnsupportedTorchError,
)
from htp.export import export
from htp.registry import BackendInfo, BackendSpec, backends, default_name, register_backend
from htp.scope import Coverage, ModuleCall, Provenance, Tag
from htp.tagged import TaggedModel, load
from htp.tree import ModuleTree
from htp.version import VERSION as __version__

backend: Optional[str] = default_name()
"""Name of the capture backend chosen at import, or None."""

# fmt: off
__all__ = [
    # doing
    "export", "load", "backend", "backends", "register_backend",
    # values
    "BackendInfo", "BackendSpec", "Coverage", "ModuleCall", "ModuleTree", "Provenance", "Tag",
    "TaggedModel",
    # errors
    "BackendUnavailableError", "CaptureError", "HTPError", "InvalidModelError",
    "UnknownModuleError", "UnsupportedTorchError",
    "__version__",
]
# fmt: on
