"""Where did my export fail? Planted failures, and whether the module call is named that fails."""

import re
from collections import Counter

import pytest
import torch

import htp
from htp.backends.base import Where
from htp.failures import told
from htp.scope import ModuleCall
from planted_failures import PLANTED, lines

LINE = re.compile(
    r"^while exporting (?P<path>.+) \((?P<type>\w+), call (?P<call>\d+)\)"
    r"(?: at (?P<source>\S+:\d+))?(?:, (?:running|converting) (?P<operator>[^\s,]+))?",
    re.MULTILINE,
)
NO_MODULE = re.compile(
    r"^while converting (?P<operator>\S+)(?: at (?P<source>\S+:\d+))?", re.MULTILINE
)
BACKENDS = [one.name for one in htp.available_backends() if one.usable]
CASES = [(row, name) for row in PLANTED for name in row.backends if name in BACKENDS]
counts = Counter()


def message(row, backend, monkeypatch):
    """What the export that fails says; None where this torch does not fail."""
    torch.manual_seed(0)
    arguments = (torch.rand(*row.shape),)
    try:
        model = row.build().eval()
    except Exception:  # it cannot be written for this torch
        return None
    if row.fault is None:
        return failed(model, arguments, backend, {})
    with row.fault(monkeypatch) as options:
        return None if options is None else failed(model, arguments, backend, options)


def failed(model, arguments, backend, options):
    try:
        htp.export(model, arguments, backend=backend, **options)
    except htp.CaptureError as error:
        if "captured the model without its modules" in str(error):
            return None  # torch 2.5 has traced it instead
        return str(error)
    return None


def safe(text):
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("row", "backend"), CASES, ids=[f"{r.name}-{b}" for r, b in CASES])
def test_where_it_was_planted(row, backend, monkeypatch):
    text = message(row, backend, monkeypatch)
    if text is None:
        counts["exports"] += 1
        pytest.skip("this torch exports it")
    found = (LINE if row.module else NO_MODULE).search(text)
    if row.module is None:
        assert "while exporting" not in text
    if row.module is None and row.mark is None:
        assert not found, text
        return
    assert found, text
    if row.module is not None:
        path, call = row.module
        assert (found["path"], found["call"]) == (safe(path) or "the model", str(call)), text
    if row.mark is not None:
        source = f"planted_failures.py:{lines()[row.mark]}"
        assert found["source"] == source, text
    if backend in row.operator:
        assert found["operator"] == row.operator[backend], text
