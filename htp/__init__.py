"""HTP (Hierarchy Tracing and Propagation): which module call did this ONNX node come from?

    import htp

    tagged = htp.export(model, (tokens,), "model.onnx")
    for node, tag in tagged.nodes():
        print(node.name, tag.path, tag.call, tag.provenance)

Importing HTP imports neither torch nor onnx, and never fails for want of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, List, Optional

from htp.export import export
from htp.neighbours import warn_of_strangers
from htp.registry import (
    BackendInfo,
    BackendSpec,
    available_backends,
    default_name,
    register_backend,
)
from htp.version import VERSION as __version__

if TYPE_CHECKING:  # what __getattr__ fetches, for those who read types
    from htp.annotated import annotate
    from htp.carried import carry
    from htp.carry_report import CarryReport
    from htp.comparing.diff import Diff, diff
    from htp.drop_in import tagging
    from htp.errors import (
        BackendUnavailableError,
        CaptureError,
        ExtractionError,
        HTPError,
        InvalidModelError,
        UnknownModuleError,
        UnsupportedTorchError,
    )
    from htp.exported import Exported
    from htp.profiling import Profile, profile
    from htp.proving.bisect import Bisection, bisect
    from htp.proving.overflow import Overflow, overflow
    from htp.proving.ranking import Sensitivity
    from htp.proving.sensitivity import sensitivity
    from htp.proving.verification import Verification
    from htp.proving.verify import verify
    from htp.reporting import report
    from htp.scope import Coverage, Evidence, ModuleCall, Provenance, Sharing, Tag
    from htp.steps import Step, progress
    from htp.tagged import TaggedModel, load
    from htp.tree import ModuleTree
    from htp.viewing import NodeData, node_data

    backend: Optional[str]
    """Name of the backend that an export takes when none is named, or None. Asked anew each time:
    a backend may be registered, and ``HTP_BACKEND`` set, after the import."""

warn_of_strangers()

# fmt: off
__all__ = [
    # doing
    "annotate", "export", "load", "carry", "tagging",
    "bisect", "diff", "node_data", "overflow", "profile", "report", "sensitivity", "verify",
    "progress",
    "backend", "available_backends", "register_backend",
    # values
    "BackendInfo", "BackendSpec", "Bisection", "CarryReport", "Coverage", "Diff", "Evidence",
    "Exported", "ModuleCall", "ModuleTree", "NodeData", "Overflow", "Profile", "Provenance",
    "Sensitivity", "Sharing", "Step", "Tag", "TaggedModel", "Verification",
    # errors
    "BackendUnavailableError", "CaptureError", "ExtractionError", "HTPError",
    "InvalidModelError", "UnknownModuleError", "UnsupportedTorchError",
    "__version__",
]

# fmt: on

_HOMES = (
    "htp.steps",
    *("htp.errors", "htp.scope", "htp.tree", "htp.tagged", "htp.exported", "htp.carried"),
    *("htp.carry_report", "htp.drop_in", "htp.annotated", "htp.comparing.diff"),
    *("htp.profiling", "htp.proving.verification", "htp.proving.verify", "htp.proving.bisect"),
    *("htp.proving.overflow", "htp.proving.ranking", "htp.proving.sensitivity", "htp.viewing"),
    "htp.reporting",
)
"""Where those names stand that are not here yet; the file that costs most comes last. They are
fetched when they are first used, so that the import is cheap."""


def __getattr__(name: str) -> Any:
    if name == "backend":
        return default_name()
    for home in _HOMES if name in __all__ else ():
        module = import_module(home)
        if name in module.__all__:
            return globals().setdefault(name, getattr(module, name))
    raise AttributeError(f"module 'htp' has no attribute {name!r}")


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
