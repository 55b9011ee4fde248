"""The table of all cases."""

from typing import Dict, List, Tuple

from packaging.specifiers import SpecifierSet

from htp.errors import did_you_mean
from htp.testing.case import Case
from htp.testing.models import (
    containers,
    control,
    layers,
    library,
    merging,
    overriding,
    reaching,
    scripted,
    sharing,
    views,
    weights,
)
from htp.torch_release import RELEASE

__all__ = ["CASES", "case", "cases_for"]

CASES: Tuple[Case, ...] = (
    *sharing.CASES,
    *reaching.CASES,
    *overriding.CASES,
    *merging.CASES,
    *containers.CASES,
    *layers.CASES,
    *views.CASES,
    *library.CASES,
    *weights.CASES,
    *scripted.CASES,
    *control.CASES,
)
"""Every model of the suite, also those that the installed torch does not know."""

_BY_NAME: Dict[str, Case] = {row.name: row for row in CASES}


def case(name: str) -> Case:
    """The case of that name."""
    if name not in _BY_NAME:
        raise KeyError(f"no case {name!r}: {did_you_mean(name, _BY_NAME)}")
    return _BY_NAME[name]


def cases_for(backend: str) -> List[Case]:
    """The cases that the installed torch knows and that this backend can take by its nature."""
    return [
        row
        for row in CASES
        if backend not in row.without and RELEASE is not None and RELEASE in SpecifierSet(row.torch)
    ]
