"""The table of backends: which there are, which one an export takes, and why one cannot run here.

What a row says stands in ``htp.spec``. The built-in rows are here; others come by
``register_backend`` and from installed packages.
"""

import importlib
import os
import threading
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from packaging.version import Version

from htp import torch_release
from htp.errors import BackendUnavailableError, UnsupportedTorchError, did_you_mean
from htp.spec import EXPORTERS, PROTOCOL, BackendSpec, select

if TYPE_CHECKING:
    from htp.backends.base import CaptureBackend

__all__ = [
    "EXPORTERS",
    "OVERRIDE",
    "PROTOCOL",
    "BackendInfo",
    "BackendSpec",
    "available_backends",
    "chosen",
    "default_name",
    "load",
    "name_for",
    "reason_against",
    "register_backend",
    "select",
    "specs",
]

ENTRY_POINTS = "htp.backends"

OVERRIDE = "HTP_BACKEND"


@dataclass(frozen=True)
class BackendInfo:
    """A registered backend and its state on this machine.

    Attributes:
        name: its name.
        torch: the releases that it accepts.
        usable: whether it can run here.
        reason: why it cannot, or None.
        default: whether it is the one chosen at import.
    """

    name: str
    torch: str
    usable: bool
    reason: Optional[str]
    default: bool


_BUILT_IN: Tuple[BackendSpec, ...] = (
    BackendSpec(
        name="torchscript",
        target="htp.backends.torchscript.listen:TorchScriptBackend",
        since=torch_release.OLDEST,
        default_since=torch_release.OLDEST,
        default_before=torch_release.FX_IS_DEFAULT_SINCE,
        protocol=PROTOCOL,
    ),
    BackendSpec(
        name="fx",
        target="htp.backends.fx.listen:FxBackend",
        since=torch_release.FX_SINCE,
        default_since=torch_release.FX_IS_DEFAULT_SINCE,
        install="onnxscript",
        protocol=PROTOCOL,
    ),
)

_lock = threading.RLock()
_registered: Dict[str, BackendSpec] = {spec.name: spec for spec in _BUILT_IN}
_discovered: List[bool] = []


def _discover() -> None:
    """Add the rows that installed packages announce; a broken one warns and is left out."""
    from importlib import metadata

    with _lock:
        if _discovered:
            return
        _discovered.append(True)
        found: Any = metadata.entry_points()
        group = (
            found.select(group=ENTRY_POINTS)
            if hasattr(found, "select")
            else found.get(ENTRY_POINTS, ())
        )
        once = {(point.name, point.value): point for point in group}  # a folder may be found twice
        for _, point in sorted(once.items()):
            try:
                register_backend(point.load())
            except Exception as error:  # a stranger's package may fail in any way
                warnings.warn(
                    f"HTP leaves out the backend plug-in {point.name!r} ({point.value}): "
                    f"{type(error).__name__}: {error}",
                    RuntimeWarning,
                    stacklevel=2,
                )


def register_backend(spec: BackendSpec) -> None:
    """Add a backend to the table.

    A backend registered later is preferred where its ``default`` claims the same release. The
    entry-point group ``htp.backends`` does the same for installed packages: each entry point
    names a ``BackendSpec``.

    Args:
        spec: the row.

    Raises:
        TypeError: ``spec`` is not a ``BackendSpec``.
        ValueError: a backend of that name is registered already.
    """
    if not isinstance(spec, BackendSpec):
        raise TypeError(f"register_backend takes an htp.BackendSpec, found {type(spec).__name__}")
    with _lock:
        if spec.name in _registered:
            raise ValueError(f"a backend named {spec.name!r} is registered already")
        _registered[spec.name] = spec


def specs() -> List[BackendSpec]:
    """Every row: the built-in ones, then plug-ins in the order in which they came."""
    _discover()
    with _lock:
        return list(_registered.values())


def default_name() -> Optional[str]:
    """The name of the backend that ``import htp`` chooses.

    Plug-ins are not looked for yet, so that the import stays cheap; ``chosen`` takes them into
    account at the first export.
    """
    return os.environ.get(OVERRIDE) or select(torch_release.RELEASE, _BUILT_IN)


def _find(name: str) -> BackendSpec:
    rows = specs()
    for spec in rows:
        if spec.name == name:
            return spec
    names = [spec.name for spec in rows]
    raise BackendUnavailableError(
        f"There is no backend {name!r}. Registered are {', '.join(names)}.",
        did_you_mean(name, names),
    )


def _refusal() -> UnsupportedTorchError:
    rows = "\n".join(f"  {spec.name}: torch{spec.torch}" for spec in specs())
    if torch_release.TORCH is None:
        return UnsupportedTorchError(
            f"torch is not installed. Backends and the releases they accept:\n{rows}",
            "install torch 1.8 or newer, for example with: pip install torch",
        )
    return UnsupportedTorchError(
        f"No capture backend accepts torch {torch_release.TORCH}. "
        f"Backends and the releases they accept:\n{rows}",
        "install one of those torch releases, or register a backend for this one.",
    )


def chosen(name: Optional[str] = None) -> BackendSpec:
    """The row to use: ``name``, else ``HTP_BACKEND``, else what the installed torch selects.

    Raises:
        BackendUnavailableError: there is no backend of that name, or it does not accept this torch.
        UnsupportedTorchError: torch is missing, or no backend accepts it.
    """
    name = name or os.environ.get(OVERRIDE)
    release = torch_release.RELEASE
    if release is None or not any(spec.accepts(release) for spec in specs()):
        raise _refusal()
    if name is None:
        default = select(release, specs())
        return _newest_usable(_find(str(default)))
    spec = _find(name)
    if not spec.accepts(release):
        raise BackendUnavailableError(
            f"Backend {name!r} accepts torch{spec.torch}; found torch {torch_release.TORCH}.",
            "leave out backend= to take the one that fits this torch.",
        )
    return spec


def name_for(exporter: str) -> str:
    """The backend for one of torch's exporters: the default where it listens to that one.

    Args:
        exporter: one of ``EXPORTERS``, which are also the names of HTP's own backends.
    """
    default = default_name()
    listening = [spec.name for spec in specs() if spec.exporter == exporter]
    return default if default in listening else exporter


def _newest_usable(spec: BackendSpec) -> BackendSpec:
    """For a torch newer than any tested: say so once, and take the newest backend that can run."""
    release = torch_release.RELEASE
    if release is None or release.release[:2] <= Version(torch_release.NEWEST_TESTED).release:
        return spec
    candidates = [spec] + [row for row in reversed(specs()) if row != spec and row.accepts(release)]
    usable = next((row for row in candidates if reason_against(row) is None), spec)
    warnings.warn(
        f"torch {torch_release.TORCH} is newer than any that HTP was tested with "
        f"(up to {torch_release.NEWEST_TESTED}); taking backend {usable.name!r}.",
        RuntimeWarning,
        stacklevel=2,
    )
    return usable


def load(spec: BackendSpec) -> "CaptureBackend":
    """Import the backend of a row and ask its probe.

    Raises:
        BackendUnavailableError: it cannot be imported, or its probe says why it cannot run.
    """
    reason = reason_against(spec)
    if reason is not None:
        others = [row.name for row in specs() if row != spec and reason_against(row) is None]
        hint = "run 'htp doctor' for the state of every backend and companion."
        if others:
            hint = f"backend={others[0]!r} can run here; {hint}"
        raise BackendUnavailableError(
            f"Backend {spec.name!r} cannot run on torch {torch_release.TORCH}: {reason}", hint
        )
    return _instance(spec)


def _instance(spec: BackendSpec) -> "CaptureBackend":
    module, _, attribute = spec.target.partition(":")
    backend: CaptureBackend = getattr(importlib.import_module(module), attribute)()
    return backend


def reason_against(spec: BackendSpec) -> Optional[str]:
    """Why a backend cannot run on the installed torch, in one line, or None when it can."""
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
    try:
        return _instance(spec).probe()
    except (ImportError, OSError) as error:  # OSError: a library of torch's cannot be loaded
        hint = f" (install {spec.install})" if spec.install else ""
        return f"cannot be imported: {error}{hint}"


def available_backends() -> List[BackendInfo]:
    """Every registered backend: its name, the releases it accepts, and whether it can run here.

    This imports torch, because each backend's probe looks at what it needs.
    """
    rows = specs()
    default = os.environ.get(OVERRIDE) or select(torch_release.RELEASE, rows)
    infos = []
    for spec in rows:
        reason = reason_against(spec)
        infos.append(
            BackendInfo(spec.name, spec.torch, reason is None, reason, spec.name == default)
        )
    return infos
