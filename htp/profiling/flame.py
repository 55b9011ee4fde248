"""Flame graphs: the module calls from the root to a kernel, and how long that takes.

Collapsed stacks are lines of frames, joined by semicolons, with a number behind them, which
flamegraph.pl, speedscope and inferno read. speedscope's own format is a JSON document:
https://www.speedscope.app/file-format-schema.json
"""

from typing import Any, Dict, List, Sequence

from htp.printable import printable
from htp.profiling.kernels import OwnedKernel
from htp.scope import Stack

__all__ = ["collapsed", "speedscope"]

UNKNOWN = "(unknown)"


def collapsed(kernels: Sequence[OwnedKernel]) -> str:
    """A line for each kernel, in nanoseconds."""
    sums: Dict[str, int] = {}
    for each in kernels:
        line = ";".join(_collapsible(frame) for frame in _frames(each))
        sums[line] = sums.get(line, 0) + round(each.kernel.seconds * 1e9)
    return "".join(f"{line} {weight}\n" for line, weight in sums.items() if weight)


def _collapsible(frame: str) -> str:
    """A frame in which nothing ends it: readers cut at semicolons and lines."""
    return printable(frame).replace(";", ":") or UNKNOWN


def speedscope(kernels: Sequence[OwnedKernel], tool: str) -> Dict[str, Any]:
    """A document with a sample for each kernel, in seconds."""
    frames: Dict[str, int] = {}
    samples: List[List[int]] = []
    weights: List[float] = []
    for each in kernels:
        if each.kernel.seconds > 0:
            path = [frames.setdefault(frame, len(frames)) for frame in _frames(each)]
            samples.append(path)
            weights.append(each.kernel.seconds)
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": "htp",
        "name": f"kernels of {tool}",
        "activeProfileIndex": 0,
        "shared": {"frames": [{"name": name} for name in frames]},
        "profiles": [
            {
                "type": "sampled",
                "name": f"kernels of {tool}",
                "unit": "seconds",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": samples,
                "weights": weights,
            }
        ],
    }


def _frames(each: OwnedKernel) -> List[str]:
    stack = each.tag.stack
    calls = [_frame(stack, depth) for depth in range(len(stack))] or [UNKNOWN]
    return [*calls, f"[{each.kernel.operator}] {each.kernel.name}"]


def _frame(stack: Stack, depth: int) -> str:
    """A module below the one above it: ``layer.0 (Layer)``."""
    call, above = stack[depth], stack[depth - 1].path if depth else ""
    name = call.path
    if above and name.startswith(f"{above}."):
        name = name[len(above) + 1 :]
    number = f"@{call.call}" if call.call else ""
    return f"{name or '(root)'}{number} ({call.class_name})"
