"""Functions of every architecture of the zoo: there and back again."""

import pytest
from oracles.subject import export
from round_trip import round_trip
from zoo import subjects

import htp
from htp.testing.noise import LET_TORCH_WARN

pytestmark = [LET_TORCH_WARN, pytest.mark.accuracy]

USABLE = [info.name for info in htp.available_backends() if info.usable]


@pytest.mark.parametrize("backend", USABLE)
@pytest.mark.parametrize("subject", subjects(), ids=lambda each: each.name)
def test_round_trip(backend, subject, tmp_path):
    try:
        exported = export(subject, backend, str(tmp_path))
    except htp.CaptureError as error:
        pytest.skip(f"torch cannot export it: {error}")
    round_trip(exported.tagged, exported.path, tmp_path)
