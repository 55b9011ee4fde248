"""Pages about the demo's file: each runs from top to bottom, and prints what it shows."""

import shutil
import sys

import pytest
from page import NEWEST, called, run_page

from htp.torch_release import NEWEST_TESTED

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # what torch warns of is looked at elsewhere
    pytest.mark.skipif(not NEWEST, reason=f"the pages show torch {NEWEST_TESTED}"),
]

PAGES = {
    "docs/annotate.md": {},
    "docs/carry.md": {},
    "docs/doctor.md": {},
    "docs/export.md": {},
    "docs/extract.md": {},
    "docs/functions.md": {},
    "docs/reading.md": {"htp nodes model.onnx encoder.layer.5": 3, "htp tree nothing.onnx": 3},
    "docs/tagging.md": {},
    "docs/tags.md": {},
    "docs/use.md": {"htp select model.onnx encoder.layer.0.attn": 3},
}
"""Each page with the commands in it that do not end with 0."""

NEEDS = {"htp run -- yolo": "another library, see docs/libraries.md"}
"""Commands that do not run here."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The files of ``htp demo -o model.onnx``."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("HTP_BACKEND", raising=False)
        assert called("htp demo -o model.onnx")[0] == 0
        assert called("htp strip model.onnx -o plain.onnx")[0] == 0
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_the_page_runs(name, demo, tmp_path, monkeypatch):
    for path in demo.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HTP_BACKEND", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for module in ("net", "export"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    _, ended = run_page(name, left_out=NEEDS)
    assert {line: code for line, code in ended.items() if code} == PAGES[name]
