"""Model Explorer itself, as its command serves it: a file and its node data, in Chromium."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import onnx
import pytest
from proving import faulty

import htp

pytestmark = pytest.mark.look


@contextmanager
def served(folder):
    """The address of a running Model Explorer."""
    import portpicker

    url = f"http://127.0.0.1:{portpicker.pick_unused_port()}/"
    words = ["--extensions=model_explorer_onnx", "--no_open_in_browser", "--host=127.0.0.1"]
    words += [f"--port={url[:-1].rpartition(':')[2]}", "--skip_health_check"]
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "model_explorer", *words], stdout=log, stderr=log
        )
        try:
            wait_for(url)
            yield url
        finally:
            server.terminate()
            server.wait()


def wait_for(url):
    end = time.monotonic() + 60
    while True:
        try:
            urlopen(url).close()
        except URLError:
            assert time.monotonic() < end, "Model Explorer does not start"
            time.sleep(0.1)
        else:
            return


def test_a_file_and_its_node_data(page, watch, picture, tmp_path):
    onnx.save(faulty.layers(), tmp_path / "right.onnx")
    onnx.save(faulty.layers(faults=[3]), tmp_path / "model.onnx")
    tagged = htp.load(tmp_path / "model.onnx")
    found = htp.verify(tmp_path / "right.onnx", tagged, faulty.samples(), level="none")
    data = htp.node_data(tagged, found)
    data.save(tmp_path / "errors.json")
    asked = {
        "models": [{"url": str(tmp_path / "model.onnx")}],
        "nodeData": [str(tmp_path / "errors.json")],
        "nodeDataTargets": [""],
    }
    with served(tmp_path) as url:
        watch.allow(url)
        watch.silence("https://fonts.gstatic.com/")
        page.goto(f"{url}?data={quote(json.dumps(asked))}")
        page.get_by_text("own error").first.wait_for()
        shown = page.locator("body").inner_text()
        assert "Add per-node data" in shown
        most = max(data.values.values())
        rows = [line.split("\t") for line in shown.splitlines() if line.count("\t") >= 1]
        told = [float(row[-1]) for row in rows if row[0].strip() == "Max"]
        assert told == [pytest.approx(most)]
        values = [row for row in rows if row[0].strip().isdigit() and len(row) == 3]
        assert sum(row[2].strip() == repr(most) for row in values) == 1
        page.get_by_text("unfold_more_double").first.click()
        page.wait_for_timeout(1000)
        picture(page, "model_explorer")
        page.goto("about:blank")  # it holds a connection for as long as it is shown
