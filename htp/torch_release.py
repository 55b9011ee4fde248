"""The installed torch release, and every difference between releases as one named constant.

No other file compares versions. torch itself is not imported: its release is read from its package
metadata. Where a difference can be seen (an attribute, a parameter of a signature), the backends
look at it instead and no constant is needed.
"""

import os
import sys
from importlib.util import find_spec
from typing import Final, Optional

from packaging.version import InvalidVersion, Version

__all__ = [
    "FX_IS_DEFAULT_SINCE",
    "FX_SINCE",
    "FX_TAKES_NAMED_AXES_SINCE",
    "NEWEST_TESTED",
    "OLDEST",
    "ONNX_SINCE",
    "PRINTS_WHAT_IT_WAS_BUILDING",
    "READS_WITHOUT_TRACE",
    "RELEASE",
    "TORCH",
    "TRACED_LINES_ARE_RIGHT",
    "installed",
    "release",
]


def installed() -> Optional[str]:
    """The version string of the installed torch, from its package metadata; None without torch.

    The metadata's folder has the version in its name (https://peps.python.org/pep-0376/). Reading
    that costs a tenth of what importing ``importlib.metadata`` does; it is asked where the name
    does not settle the question.
    """
    for folder in sys.path:
        try:
            names = os.listdir(folder or os.curdir)
        except OSError:
            continue
        found = [n for n in names if n.startswith("torch-") and n.endswith(".dist-info")]
        if len(found) == 1:
            return found[0][len("torch-") : -len(".dist-info")]
        if found:
            break
    if find_spec("torch") is None:
        return None
    from importlib import metadata

    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return None


def release(raw: str) -> Version:
    """Reduce a version string to the release that it is a build of.

    Specifiers reject development, alpha and vendor builds, which must select what their release
    selects: ``2.8.0a0+34c6371d24.nv25.08`` and ``2.8.0rc1`` become ``2.8.0``.

    Raises:
        packaging.version.InvalidVersion: ``raw`` is not a version.
    """
    return Version(Version(raw).base_version)


def _installed_release() -> Optional[Version]:
    raw = installed()
    if raw is None:
        return None
    try:
        return release(raw)
    except InvalidVersion:
        return None


TORCH: Final[Optional[str]] = installed()
"""The installed torch as it calls itself, for example ``2.5.1+cu121``."""

RELEASE: Final[Optional[Version]] = _installed_release()
"""The release that the installed torch is a build of, or None."""


OLDEST: Final = "1.8"
"""The oldest release that any backend accepts."""

NEWEST_TESTED: Final = "2.15"
"""The newest minor release that the whole suite has passed on."""

FX_SINCE: Final = "2.5"
"""``torch.onnx.export(dynamo=True)`` exists: https://github.com/pytorch/pytorch/pull/132530"""

FX_TAKES_NAMED_AXES_SINCE: Final = "2.7"
"""``dynamic_shapes`` takes an axis's name alone: https://docs.pytorch.org/docs/2.7/onnx_dynamo.html"""

FX_IS_DEFAULT_SINCE: Final = "2.9"
"""torch's own default exporter: https://docs.pytorch.org/docs/2.9/onnx.html"""

ONNX_SINCE: Final = Version("1.16")
"""The first onnx with node metadata: https://github.com/onnx/onnx/releases/tag/v1.16.0"""

TRACED_LINES_ARE_RIGHT: Final = (
    sys.version_info < (3, 10) or RELEASE is None or Version("2.0") <= RELEASE
)
"""The lines of Python that a TorchScript trace writes down are those that ran. Older releases take
the place in the code for one in bytes, which it is no longer since Python 3.10, and are lines off:
https://github.com/pytorch/pytorch/blob/v2.0.0/torch/csrc/utils/pythoncapi_compat.h#L227"""

PRINTS_WHAT_IT_WAS_BUILDING: Final[bool] = RELEASE is not None and (
    Version("2.15") <= RELEASE or Version("1.12") <= RELEASE < Version("1.13")
)
"""Whether torch prints, where a conversion to ONNX fails, the graph that it was building. It means
to in every release, but catches C++'s ``std::runtime_error`` only, which a Python error was none of
in the releases that were tried, but for 1.12 and from 2.15 on:
https://github.com/pytorch/pytorch/blob/v2.4.1/torch/csrc/jit/passes/onnx.cpp"""

READS_WITHOUT_TRACE: Final = tuple(
    name
    for name, traced_since in (("tolist", "1.10"), ("numpy", "1.13"))
    if RELEASE is not None and Version(traced_since) > RELEASE
)
"""Methods of ``Tensor`` that hand its numbers to Python and leave nothing in a TorchScript trace.
From the release on that is named they are traced, as ``aten::resolve_conj``:
https://github.com/pytorch/pytorch/blob/v1.13.0/torch/csrc/utils/tensor_numpy.cpp"""
