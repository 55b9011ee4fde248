"""What the accuracy sessions recorded, read back."""

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple

from packaging.version import Version

__all__ = ["METHODS", "Run", "Totals", "runs", "share", "totals"]

METHODS = {
    "parameters": "parameters",
    "names": "node names",
    "torch": "torch's metadata",
    "htp": "HTP",
}
"""The ways that are compared, as the results call them and as a reader does."""


class Run(NamedTuple):
    """What one backend did on one torch release.

    Attributes:
        torch: its version.
        backend: the backend's name.
        entry: what the session recorded of it.
        code: the fingerprint of the code that was measured; "" where the session kept none.
    """

    torch: str
    backend: str
    entry: Mapping[str, Any]
    code: str = ""

    @property
    def label(self) -> str:
        """For the chart."""
        return f"{'.'.join(self.torch.split('.')[:2])} {self.backend}"


Totals = Dict[str, Dict[str, int]]
"""By way: decided, exact, contaminated and silent nodes."""


def runs(folder: Path) -> List[Run]:
    """Every recorded run, the oldest torch first."""
    found = []
    for path in folder.glob("torch*.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        torch, code = result["torch"], result.get("code", "")
        found += [Run(torch, name, entry, code) for name, entry in result["backends"].items()]
    return sorted(found, key=lambda run: (Version(run.torch), run.backend))


def totals(run: Run) -> Totals:
    """The sums over all architectures."""
    sums: Totals = {}
    for methods in run.entry.get("comparison", {}).values():
        for method, score in methods.items():
            line = sums.setdefault(method, dict.fromkeys(score, 0))
            for name, count in score.items():
                line[name] += count
    return sums


def share(part: int, whole: int) -> str:
    """A part of a whole as a reader wants it: neither nothing nor all unless it is exactly that."""
    if not whole:
        return "-"
    percent = 100 * part / whole
    if 0 < part < whole:
        percent = min(max(percent, 0.1), 99.9)
    return f"{percent:.1f} %"
