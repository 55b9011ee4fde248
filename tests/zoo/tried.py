"""The zoo as parameters of tests, with what is expected to fail."""

import json
from pathlib import Path
from typing import Any, Iterator

import pytest
from expected import strict

import htp
from zoo import subjects

__all__ = ["KNOWN", "USABLE", "rows"]

USABLE = [info.name for info in htp.available_backends() if info.usable]

KNOWN = json.loads(Path(__file__).with_name("expected_failures.json").read_text("utf-8"))
"""What is expected to fail, in the form of ``htp.testing.expectations``."""


def rows(test: str) -> Iterator[Any]:
    """Each architecture by each backend, for a test of that name."""
    for subject in subjects():
        for backend in USABLE:
            marks = strict(KNOWN, backend, subject.name, test)
            yield pytest.param(backend, subject, id=f"{backend}-{subject.name}", marks=marks)
