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
    marks = strict(KNOWN, backend, case, test, raises=RefusesError)
    return pytest.param(*values, id=f"{case}-{backend}", marks=marks)


def strict(rows, backend, case, test, **more):
    """The mark of a test of which one of these rows, or of the suite's own, says that it fails.

    Returns:
        A list of one mark, or of none.
    """
    reason = reason_to_fail(rows, backend, case, test)
    return [pytest.mark.xfail(reason=reason, strict=True, **more)] if reason else []


def where_known(test, backend):
    """The same for a test without parameters, to be put above it."""
    marks = strict(KNOWN, backend, "", test)
    return marks[0] if marks else lambda function: function


def reason_of(backend, case, test):
    """Why a test of this name is expected to fail, or None."""
    rows = (ExpectedFailure(**row) for row in KNOWN if row["case"] == case and row["test"] == test)
    return next((row.reason for row in rows if row.covers(backend, case, test)), None)


def cases(test):
    """The cases that rows of a test are about."""
    return {row["case"] for row in KNOWN if row["test"] == test}
