"""The table of backends: which there are, which one an export takes, and why one cannot run here.

What a row says stands in ``htp.spec``. The built-in rows are here; others come by
``register_backend`` and from installed packages.
"""

import os
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, Dict, List, Optional, Set, Tuple

from packaging.version import Version

from htp import plugins, torch_release
from htp.errors import BackendUnavailableError, UnsupportedTorchError, did_you_mean
from htp.spec import EXPORTERS, PROTOCOL, BackendInfo, BackendSpec, select
from htp.usable import usable

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
    "is_supported",
    "load",
    "name_for",
    "reason_against",
    "register_backend",
    "select",
    "specs",
]

OVERRIDE = "HTP_BACKEND"


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
_broken: List[BackendInfo] = []
_said: Set[str] = set()


def _discover() -> None:
    """Add the rows that installed packages announce; a broken one is listed with the reason."""
    with _lock:
        if _discovered:
            return
        _discovered.append(True)
        for plugin in plugins.announced():
            _, fault = plugins.attempt(partial(_take, plugin))
            if fault is not None:
                reason = f"the plug-in {plugin.value} cannot be loaded: {fault}"
                _broken.append(BackendInfo(plugin.name, "", False, reason, False))
                warnings.warn(
                    f"HTP leaves out the backend plug-in {plugin.name!r} ({plugin.value}): {fault}",
                    RuntimeWarning,
                    stacklevel=2,
                )


def _take(plugin: plugins.Announced) -> None:
    register_backend(plugin.load())


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
    """The name of the backend that an export takes when none is named, or None.

    torch is only imported where a probe must decide: for a plug-in that claims this release, and
    for a release newer than any that was tested.
    """
    named = os.environ.get(OVERRIDE)
    if named:
        return named
    spec = _default()
    return spec.name if spec is not None else None


def _default() -> Optional[BackendSpec]:
    """The row that the installed torch selects; one that cannot run gives way to the next.

    Of a tested release the built-in row is not asked whether it can run: its error shall be seen.
    """
    release, rows = torch_release.RELEASE, specs()
    newer = release is not None and (
        release.release[:2] > Version(torch_release.NEWEST_TESTED).release
    )
    first, refused = None, ""
    while True:
        name = select(release, rows)
        spec = next((row for row in rows if row.name == name), None)
        if spec is None:
            return first
        first = first or spec
        reason = reason_against(spec) if newer or spec not in _BUILT_IN else None
        if reason is None:
            if newer or spec is not first:
                _say_once(_told(spec, newer, refused))
            return spec
        refused = refused or f"backend {spec.name!r} cannot run: {reason}"
        rows.remove(spec)


def _told(taken: BackendSpec, newer: bool, refused: str) -> str:
    """Why another backend than the first, or one that was never tried here, is taken."""
    parts = [
        f"torch {torch_release.TORCH} is newer than any that HTP was tested with "
        f"(up to {torch_release.NEWEST_TESTED})"
        if newer
        else "",
        refused,
        f"taking backend {taken.name!r}.",
    ]
    return "; ".join(filter(None, parts))


def _say_once(text: str) -> None:
    with _lock:
        if text in _said:
            return
        _said.add(text)
    warnings.warn(text, RuntimeWarning, stacklevel=4)


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


def is_supported() -> bool:
    """Whether any backend accepts the installed torch."""
    release = torch_release.RELEASE
    return release is not None and any(spec.accepts(release) for spec in specs())


def chosen(name: Optional[str] = None) -> BackendSpec:
    """The row to use: ``name``, else ``HTP_BACKEND``, else what the installed torch selects.

    Raises:
        BackendUnavailableError: there is no backend of that name, or it does not accept this torch.
        UnsupportedTorchError: torch is missing, or no backend accepts it.
    """
    name = name or os.environ.get(OVERRIDE)
    release = torch_release.RELEASE
    if release is None or not is_supported():
        raise _refusal()
    if name is None:
        default = _default()
        if default is None:
            raise _refusal()
        return default
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


def load(spec: BackendSpec) -> "CaptureBackend":
    """Import the backend of a row and ask its probe.

    Raises:
        BackendUnavailableError: it cannot be imported, or its probe says why it cannot run.
    """
    backend, reason = usable(spec)
    if reason is not None:
        others = [row.name for row in specs() if row != spec and reason_against(row) is None]
        hint = "run 'htp doctor' for the state of every backend and companion."
        if others:
            hint = f"backend={others[0]!r} can run here; {hint}"
        raise BackendUnavailableError(
            f"Backend {spec.name!r} cannot run on torch {torch_release.TORCH}: {reason}", hint
        )
    loaded: CaptureBackend = backend
    return loaded


def reason_against(spec: BackendSpec) -> Optional[str]:
    """Why a backend cannot run on the installed torch, in one line, or None when it can."""
    return usable(spec)[1]


def available_backends() -> List[BackendInfo]:
    """Every registered backend: its name, the releases it accepts, and whether it can run here.

    This imports torch, because each backend's probe looks at what it needs.
    """
    rows, default = specs(), default_name()
    infos = []
    for spec in rows:
        reason = reason_against(spec)
        infos.append(
            BackendInfo(spec.name, spec.torch, reason is None, reason, spec.name == default)
        )
    return [*infos, *_broken]
