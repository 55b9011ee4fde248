"""What is expected to fail, of the tests of a table: data with a reason, strictly applied.

The rows of ``expected_failures.json`` have the form of ``htp.testing.expectations``.
"""

import json
from pathlib import Path

import pytest

from htp.testing.expectations import ExpectedFailure, reason_to_fail

KNOWN = json.loads(Path(__file__).with_name("expected_failures.json").read_text("utf-8"))


class RefusesError(AssertionError):
    """Torch does not do here what the case needs; the one way to fail that a row stands for."""


def param(*values, test, backend, case):
    """A set of parameters, with the mark of its row if it has one."""
    reason = reason_to_fail(KNOWN, backend, case, test)
    strict = pytest.mark.xfail(reason=reason, strict=True, raises=RefusesError)
    return pytest.param(*values, id=f"{case}-{backend}", marks=[strict] if reason else [])


def reason_of(backend, case, test):
    """Why a test of this name is expected to fail, or None."""
    rows = (ExpectedFailure(**row) for row in KNOWN if row["case"] == case and row["test"] == test)
    return next((row.reason for row in rows if row.covers(backend, case, test)), None)


def cases(test):
    """The cases that rows of a test are about."""
    return {row["case"] for row in KNOWN if row["test"] == test}
