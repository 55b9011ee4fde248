"""Planted changes in every architecture of the zoo."""

import onnx
import pytest

pytest.importorskip("torch")

from comparing.judging import told_apart, told_elsewhere
from oracles.subject import export
from zoo.tried import rows

import htp
from htp.testing.noise import LET_TORCH_WARN

pytestmark = [LET_TORCH_WARN, pytest.mark.accuracy]


@pytest.mark.parametrize(("backend", "subject"), list(rows("test_planted_changes")))
def test_planted_changes(backend, subject, tmp_path):
    exported = export(subject, backend, str(tmp_path))
    model = onnx.load(exported.path)
    tagged = htp.load(exported.path)
    planted, wrong = told_elsewhere(tagged, model, 1)
    assert planted
    assert not wrong
    assert not told_apart(tagged, model)
