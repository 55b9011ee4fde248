"""Planted changes are told in their own module and nowhere else; what says the same is equal.

The mutator, ``planting.py``, shares no code with the diff and reads owners from the nodes itself.
"""

import collections

import onnx
import pytest
from comparing.judging import told_apart, told_elsewhere
from expected import KNOWN, strict

import htp

pytest.importorskip("torch")

from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

SEEDS = 2
CASES = (
    *("transformer", "whole_transformer", "conv_batchnorm", "scripted_choice", "scripted_model"),
    *("cond", "while_loop", "lstm", "tied_weights", "equal_calls", "shared_constants", "loop"),
)
USABLE = [info.name for info in htp.available_backends() if info.usable]
SEEN = collections.Counter()


def rows(test):
    from htp.testing.models.table import cases_for

    for backend in USABLE:
        for case in cases_for(backend):
            if case.name in CASES:
                marks = strict(KNOWN, backend, case.name, test)
                yield pytest.param(backend, case, id=f"{backend}-{case.name}", marks=marks)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    known = {}

    def export(backend, case):
        if (backend, case.name) not in known:
            from htp.testing.case import number

            example = case.build()
            number(example.model.eval())
            path = str(tmp_path_factory.mktemp("planted") / "model.onnx")
            options = {"input_names": case.input_names, "opset_version": case.opset_version}
            given = {name: held for name, held in options.items() if held}
            htp.export(
                *(example.model, example.args, path),
                kwargs=dict(example.kwargs) or None,
                backend=backend,
                **given,
            )
            model = onnx.load(path)
            known[backend, case.name] = model, htp.load(model)
        return known[backend, case.name]

    return export


@pytest.mark.parametrize(("backend", "case"), list(rows("test_planted_changes")))
def test_planted_changes(backend, case, exported):
    model, tagged = exported(backend, case)
    found, wrong = told_elsewhere(tagged, model, SEEDS)
    SEEN.update(found)
    assert not wrong


@pytest.mark.parametrize(("backend", "case"), list(rows("test_the_same_in_other_words")))
def test_the_same_in_other_words(backend, case, exported):
    model, tagged = exported(backend, case)
    assert not told_apart(tagged, model)


def test_enough_was_planted():
    if not SEEN:
        pytest.skip("nothing was planted in this session")
    assert len(SEEN) >= 30
