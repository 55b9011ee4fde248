"""The packages that torch's exporters lean on, and the combinations that were seen to break.

``companions.json`` is the list: one row for each combination that failed in a run, with what worked
in its place. Nothing is guessed, and nothing is imported to look at versions.
"""

import json
import os
from dataclasses import dataclass
from importlib import metadata
from typing import Dict, List, Mapping, Optional

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

__all__ = ["COMPANIONS", "KnownBreak", "installed", "known_breaks"]

COMPANIONS = ("onnx", "onnxscript", "onnx-ir", "protobuf", "onnxruntime", "numpy", "setuptools")
"""Distributions whose versions decide whether an export works."""


@dataclass(frozen=True)
class KnownBreak:
    """A combination that failed in a run.

    Attributes:
        torch: the releases that fail, as a PEP 440 specifier.
        package: the companion's distribution name.
        bad: its versions that fail, as a PEP 440 specifier.
        error: what is seen, in one line.
        works: the pin that works in its place.
        beside: what else must be installed for it to fail, as a requirement; ``""`` for nothing.
    """

    torch: str
    package: str
    bad: str
    error: str
    works: str
    beside: str = ""

    def hits(self, packages: Mapping[str, Optional[str]]) -> bool:
        """Whether the installed versions are such a combination."""
        beside = Requirement(self.beside) if self.beside else None
        return _within(packages.get(self.package), SpecifierSet(self.bad)) and (
            beside is None or _within(packages.get(beside.name), beside.specifier)
        )


def _within(version: Optional[str], specifier: SpecifierSet) -> bool:
    try:
        return specifier.contains(Version(version or ""), prereleases=True)
    except InvalidVersion:
        return False


def installed() -> Dict[str, Optional[str]]:
    """The installed version of each companion, from package metadata; None where it is missing."""
    return {name: _version(name) for name in COMPANIONS}


def _version(name: str) -> Optional[str]:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def known_breaks(release: Optional[Version]) -> List[KnownBreak]:
    """The rows that concern a torch release, whatever versions are installed."""
    path = os.path.join(os.path.dirname(__file__), "companions.json")
    with open(path, encoding="utf-8") as file:
        rows = [KnownBreak(**row) for row in json.load(file)]
    return [row for row in rows if release is not None and release in SpecifierSet(row.torch)]
