"""docs/profile.md: what it shows runs, on the demo's model."""

import io
import re
import shlex
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import htp
from htp.cli import main

pytestmark = pytest.mark.filterwarnings("ignore")  # what torch warns of while it exports

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "profile.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (htp .*)$", PAGE, re.MULTILINE)
SNIPPETS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TELLS = hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The demo's model, and a profile of it as a device would write it."""
    pytest.importorskip("torch")
    made = tmp_path_factory.mktemp("page")
    with pytest.raises(SystemExit) as stopped, redirect_stdout(io.StringIO()):
        main(["demo", "-o", str(made / "model.onnx")])
    assert not stopped.value.code
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(made / "device")
    options.optimized_model_filepath = str(made / "device_model.onnx")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        str(made / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )
    session.run(None, {"tokens": tokens()})
    shutil.move(session.end_profiling(), str(made / "device_profile.json"))
    return made


def tokens():
    return np.arange(64).reshape(4, 16) % 50


@pytest.mark.parametrize("at", range(len(SNIPPETS)))
def test_the_snippets_run(at, folder, monkeypatch):
    if "placement" in SNIPPETS[at] and not TELLS:
        pytest.skip("this onnxruntime does not tell of placement")
    monkeypatch.chdir(folder)
    names = {"tokens": tokens(), "htp": htp}
    if at:
        names["profile"] = htp.profile("model.onnx", {"tokens": tokens()}, runs=1)
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(SNIPPETS[at], "docs/profile.md", "exec"), names)
    known = names.get("there") or names.get("profile")
    if known is not None:
        assert known.attributed >= 0.99
        exact = [each.exact for each in known.kernels]  # not their times, which chance decides
        assert sum(exact) >= 0.8 * len(exact)


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_run(line, folder, monkeypatch):
    if "--placement" in line and not TELLS:
        pytest.skip("this onnxruntime does not tell of placement")
    monkeypatch.chdir(folder)
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as stopped, redirect_stdout(out), redirect_stderr(err):
        main(shlex.split(line)[1:])
    assert not stopped.value.code, err.getvalue()
    assert out.getvalue()


def test_the_page_has_what_is_run():
    assert len(SNIPPETS) == 4
    assert len(COMMANDS) == 6
