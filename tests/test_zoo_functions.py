"""Functions of every architecture of the zoo: there and back again."""

import pytest
from oracles.subject import export
from round_trip import round_trip
from zoo.tried import rows

from htp.testing.noise import LET_TORCH_WARN

pytestmark = [LET_TORCH_WARN, pytest.mark.accuracy]


@pytest.mark.parametrize(("backend", "subject"), list(rows("test_round_trip")))
def test_round_trip(backend, subject, tmp_path):
    exported = export(subject, backend, str(tmp_path))
    round_trip(exported.tagged, exported.path, tmp_path)
