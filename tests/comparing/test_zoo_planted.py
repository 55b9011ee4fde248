"""Planted changes in every architecture of the zoo."""

import onnx
import pytest

pytest.importorskip("torch")

from comparing.judging import told_apart, told_elsewhere
from oracles.subject import export
from zoo import subjects

import htp
from htp.testing.noise import LET_TORCH_WARN

pytestmark = [LET_TORCH_WARN, pytest.mark.accuracy]

USABLE = [info.name for info in htp.available_backends() if info.usable]


@pytest.mark.parametrize("backend", USABLE)
@pytest.mark.parametrize("subject", subjects(), ids=lambda each: each.name)
def test_planted_changes(backend, subject, tmp_path):
    try:
        exported = export(subject, backend, str(tmp_path))
    except htp.CaptureError as error:
        pytest.skip(f"torch cannot export it: {error}")
    model = onnx.load(exported.path)
    tagged = htp.load(exported.path)
    planted, wrong = told_elsewhere(tagged, model, 1)
    assert planted
    assert not wrong
    assert not told_apart(tagged, model)
