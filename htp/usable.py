"""Whether a backend can run on the installed torch, and if not, why."""

import importlib
from typing import Any, Optional, Tuple

from htp import torch_release
from htp.plugins import attempt, one_line
from htp.spec import EXPORTERS, PROTOCOL, BackendSpec

__all__ = ["usable"]


def usable(spec: BackendSpec) -> Tuple[Any, Optional[str]]:
    """The backend of a row, and in one line why it cannot run here, or None when it can."""
    backend: Any = None
    reason = _mismatch(spec)
    if reason is None:
        backend, reason = _made(spec)
    if reason is None:
        reason, fault = attempt(lambda: backend.probe())  # noqa: PLW0108 - it may lack one
        reason = f"its probe failed: {fault}" if fault is not None else reason
    if reason is None and not callable(getattr(backend, "listen", None)):
        reason = "it has no listen()"
    return backend, None if reason is None else one_line(reason) or "its probe gives no reason"


def _mismatch(spec: BackendSpec) -> Optional[str]:
    """Why the row itself does not fit this torch, or this HTP."""
    release = torch_release.RELEASE
    if torch_release.TORCH is None:
        return "torch is not installed"
    if release is None:
        return f"torch calls itself {torch_release.TORCH!r}, which is not a version"
    if not spec.accepts(release):
        return f"needs torch{spec.torch}"
    if spec.protocol != PROTOCOL:
        return (
            f"speaks version {spec.protocol} of the backend protocol, HTP speaks {PROTOCOL} "
            "(htp.backends.base)"
        )
    if spec.exporter not in EXPORTERS:
        return f"listens to {spec.exporter!r}; torch's exporters are {' and '.join(EXPORTERS)}"
    return None


def _made(spec: BackendSpec) -> Tuple[Any, Optional[str]]:
    """The backend, or why it cannot be imported or made."""
    module, _, attribute = spec.target.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)(), None
    except (ImportError, OSError) as error:  # OSError: a library of torch's cannot be loaded
        hint = f" (install {spec.install})" if spec.install else ""
        return None, f"cannot be imported: {error}{hint}"
    except (Exception, SystemExit) as error:  # a stranger's code
        return None, f"cannot be made: {type(error).__name__}: {error}"
