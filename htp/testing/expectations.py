"""Failures that are known: data with a reason, strictly applied.

The rows of ``expected_failures.json`` name a backend, the torch releases as a specifier, a case, a
test (or ``*`` for every test of the case) and the reason. A test that passes although a row
expects it to fail is a failure.
"""

import json
import os
from dataclasses import dataclass
from typing import Iterable, List, Mapping, Optional, Tuple

from packaging.specifiers import SpecifierSet

from htp.torch_release import RELEASE

__all__ = ["ExpectedFailure", "reason_to_fail", "shipped"]


@dataclass(frozen=True)
class ExpectedFailure:
    """One row.

    Attributes:
        backend: the backend's name.
        torch: the releases on which it fails, ``""`` for all.
        case: the case's name; ``*`` for every case and for tests without one.
        test: the name of the test function; ``*`` for every one that exports the case.
        reason: why, for a reader of the matrix.
    """

    backend: str
    torch: str
    case: str
    test: str
    reason: str

    def covers(self, backend: str, case: Optional[str], test: str) -> bool:
        """Whether this row is about that test on the installed torch."""
        return (
            self.backend == backend
            and self.case in ("*", case)
            and self.test in ("*", test)
            and RELEASE is not None
            and RELEASE in SpecifierSet(self.torch)
        )


def shipped() -> Tuple[ExpectedFailure, ...]:
    """The rows that ship with HTP."""
    path = os.path.join(os.path.dirname(__file__), "expected_failures.json")
    with open(path, encoding="utf-8") as file:
        return tuple(ExpectedFailure(**row) for row in json.load(file))


def reason_to_fail(
    own: Iterable[Mapping[str, str]], backend: str, case: Optional[str], test: str
) -> Optional[str]:
    """Why a test is expected to fail, or None.

    Args:
        own: rows that a backend's own test class adds.
        backend: the backend's name.
        case: the case's name, None for a test without one.
        test: the name of the test function.
    """
    rows: List[ExpectedFailure] = [*shipped(), *(ExpectedFailure(**row) for row in own)]
    return next((row.reason for row in rows if row.covers(backend, case, test)), None)
