"""Functions of real exports: the same numbers, and inlined again the same graph up to names."""

import pytest

pytest.importorskip("torch")

import torch
from expected import KNOWN, strict
from round_trip import round_trip

import htp
from htp.testing.case import number
from htp.testing.models.table import cases_for
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]
CASES = (
    *("transformer", "whole_transformer", "conv_batchnorm", "scripted_choice", "cond", "loop"),
    *("lstm", "tied_weights", "equal_calls", "shared_constants", "multihead_attention", "siblings"),
)


def rows():
    for backend in USABLE:
        for case in cases_for(backend):
            if case.name in CASES:
                marks = strict(KNOWN, backend, case.name, "test_round_trip")
                yield pytest.param(backend, case, id=f"{backend}-{case.name}", marks=marks)


@pytest.mark.parametrize(("backend", "case"), list(rows()))
def test_round_trip(backend, case, tmp_path):
    torch.manual_seed(0)
    example = case.build()
    number(example.model)
    path = str(tmp_path / "model.onnx")
    given = {"kwargs": dict(example.kwargs) or None, "opset_version": case.opset_version}
    tagged = htp.export(
        example.model.eval(),
        example.args,
        path,
        backend=backend,
        input_names=case.input_names,
        **{name: held for name, held in given.items() if held},
    )
    round_trip(tagged, path, tmp_path)
