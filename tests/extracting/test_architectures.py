"""Every module call of every architecture: a part that is the module, or a refusal."""

import json
from pathlib import Path

import pytest

import htp
from extracting.measuring import NotExportedError, measure
from extracting.subjects import AXES, judged
from htp.testing.expectations import reason_to_fail
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.running import shown

pytestmark = [LET_TORCH_WARN, pytest.mark.accuracy]

USABLE = [info.name for info in htp.available_backends() if info.usable]
KNOWN = json.loads((Path(__file__).parent / "expected_failures.json").read_text("utf-8"))


def rows():
    for axes in AXES:
        for model in judged(axes):
            for backend in USABLE:
                if backend in model.without:
                    continue
                reason = reason_to_fail(KNOWN, backend, model.name, axes)
                marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
                name = f"{backend}-{axes}-{model.name}"
                yield pytest.param(backend, model, id=name, marks=marks)


@pytest.mark.parametrize(("backend", "model"), list(rows()))
def test_every_part_is_its_module(backend, model, tmp_path, record_property):
    try:
        found = measure(model, backend, str(tmp_path))
    except NotExportedError as error:
        pytest.skip(str(error)[:200])
    record_property("extract", found.to_json())
    assert not found.wrong, shown(f"{name}: {lines}" for name, lines in found.wrong.items())
    assert found.calls
