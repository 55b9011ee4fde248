"""What ``htp doctor`` finds out about this installation."""

import platform
import warnings
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, List, Optional, Sequence

from packaging.version import Version

from htp import registry, torch_release
from htp.cli import companions
from htp.cli.companions import KnownBreak
from htp.cli.terminal import Column, Piece, print_table, say, say_all
from htp.errors import HTPError
from htp.registry import BackendInfo
from htp.version import VERSION

__all__ = ["Report", "examine", "print_report"]


@dataclass
class Report:
    """The state of this installation. ``ok`` when an export can be expected to work.

    Attributes:
        packages: version of each companion, None where it is missing.
        chosen: name of the backend that an export takes, or None.
        backends: every registered backend.
        breaks: combinations with this torch that were seen to fail, installed or not.
        problems: what keeps an export from working.
        notes: warnings that came up while looking.
    """

    packages: Dict[str, Optional[str]]
    chosen: Optional[str] = None
    backends: List[BackendInfo] = field(default_factory=list)
    breaks: List[KnownBreak] = field(default_factory=list)
    problems: List[str] = field(default_factory=list)
    notes: List[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.problems

    def as_json(self) -> Dict[str, Any]:
        """What ``htp doctor --json`` prints."""
        return {
            "schema": "htp.doctor/1",
            "ok": self.ok,
            "htp": VERSION,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "torch": torch_release.TORCH,
            "backend": self.chosen,
            "backends": [asdict(info) for info in self.backends],
            "packages": self.packages,
            "known_breaks": [
                {**asdict(row), "installed": row.hits(self.packages)} for row in self.breaks
            ],
            "problems": self.problems,
            "notes": self.notes,
        }


def examine() -> Report:
    """Look at this installation. Imports torch, because the backends' probes do."""
    report = Report(
        packages=companions.installed(), breaks=companions.known_breaks(torch_release.RELEASE)
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        for look in (_choose, _probe):
            try:
                look(report)
            except HTPError as error:
                report.problems.append(str(error))
            except Exception as error:  # a torch whose libraries are missing fails in any way
                report.problems.append(f"torch cannot be used: {type(error).__name__}: {error}")
    report.notes = [
        str(warning.message) for warning in caught if warning.category is RuntimeWarning
    ]
    for info in report.backends:
        if info.name == report.chosen and not info.usable:
            report.problems.append(f"The chosen backend {info.name} cannot run: {info.reason}")
    onnx = report.packages["onnx"]
    if onnx is None or Version(onnx) < torch_release.ONNX_SINCE:
        report.problems.append(
            f"HTP needs onnx>={torch_release.ONNX_SINCE}; found {onnx or 'none'}.\n"
            f"Hint: pip install 'onnx>={torch_release.ONNX_SINCE}'"
        )
    for row in report.breaks:
        version = report.packages.get(row.package)
        if row.hits(report.packages):
            report.problems.append(
                f"{row.package} {version} is known to break exports with torch "
                f"{torch_release.TORCH}: {row.error}\nHint: pip install '{row.works}'"
            )
    return report


def _choose(report: Report) -> None:
    report.chosen = registry.chosen().name


def _probe(report: Report) -> None:
    report.backends = registry.available_backends()


def print_report(report: Report) -> None:
    """Print the report for people."""
    facts = (
        ("HTP", VERSION),
        ("Python", f"{platform.python_version()} ({platform.platform()})"),
        ("torch", torch_release.TORCH or "not installed"),
        ("backend", report.chosen or "none"),
    )
    facts_of: List[List[List[Piece]]] = [[[(name, "bold")], [value]] for name, value in facts]
    _print_grid(facts_of)
    if report.backends:
        _heading("Backends")
        _print_grid([_backend(info, info.name == report.chosen) for info in report.backends])
    _heading("Companions")
    lines: List[List[List[Piece]]] = []
    for package, found in report.packages.items():
        first, *more = _advice(report, package) or [""]
        lines.append([[f"  {package}"], [found or ("not installed", "dim")], [first]])
        lines += [[[], [], [advice]] for advice in more]
    _print_grid(lines)
    if report.notes:
        _heading("Notes")
        for note in report.notes:
            say_all(f"  {note}", style="yellow")
    say()
    for problem in report.problems:
        say_all(f"Problem: {problem}", style="red")
    if report.ok:
        say("No known problem.", style="green")


def _heading(text: str) -> None:
    say()
    say(text, style="bold")


def _print_grid(lines: Sequence[Sequence[Sequence[Piece]]]) -> None:
    print_table([Column() for _ in lines[0]], lines)


def _backend(info: BackendInfo, chosen: bool) -> Sequence[Sequence[Piece]]:
    state = "usable" if info.usable else f"not usable: {info.reason}"
    if chosen:
        state += " (chosen)"
    return [f"  {info.name}"], [f"torch{info.torch}"], [(state, "green" if info.usable else "red")]


def _advice(report: Report, package: str) -> List[Piece]:
    """What is known to break with this torch, next to a companion."""
    rows = [row for row in report.breaks if row.package == package]
    broken = any(row.hits(report.packages) for row in rows)
    texts = (
        f"{row.package}{row.bad} breaks with torch{row.torch}"
        f"{' and ' + row.beside if row.beside else ''}; use {row.works}"
        for row in rows
    )
    return [(text, "red" if broken else "dim") for text in texts]
