"""What the tests of the pages share: the demo's model, exported once."""

import io
import shutil
from contextlib import redirect_stdout

import pytest

from htp.cli import main


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """A folder with the demo's model."""
    pytest.importorskip("torch")
    made = tmp_path_factory.mktemp("demo")
    with pytest.raises(SystemExit) as stopped, redirect_stdout(io.StringIO()):
        main(["demo", "-o", str(made / "model.onnx")])
    assert not stopped.value.code
    return made


@pytest.fixture(scope="module")
def folder(demo, tmp_path_factory):
    """The same for one page, whose commands write beside it."""
    return shutil.copytree(demo, tmp_path_factory.mktemp("page") / "page")
