"""Model Explorer itself, as its command serves it: a file and its node data, in Chromium."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np
import onnx
import pytest

import htp

pytestmark = pytest.mark.look

FILES = Path(__file__).resolve().parents[1] / "files"


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


def with_another_bias(path):
    """A file that HTP wrote, in which a module that is called twice adds something else."""
    made = onnx.load(path)
    (bias,) = (each for each in made.graph.initializer if each.name == "twice.bias")
    bias.raw_data = (onnx.numpy_helper.to_array(bias) * np.float32(1.5)).tobytes()
    return made


def test_a_file_and_its_node_data(page, watch, picture, tmp_path):
    right, path = FILES / "schema4_fx.onnx", tmp_path / "model.onnx"
    onnx.save(with_another_bias(right), path)
    tagged = htp.load(path)
    samples = [{"x": np.random.default_rng(0).standard_normal((2, 2, 4)).astype(np.float32)}]
    data = htp.node_data(tagged, htp.verify(right, tagged, samples, level="none"))
    data.save(tmp_path / "errors.json")
    asked = {
        "models": [{"url": str(path)}],
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
        values = [row[2].strip() for row in rows if row[0].strip().isdigit() and len(row) == 3]
        assert values.count(repr(most)) == list(data.values.values()).count(most) > 0
        page.get_by_text("unfold_more_double").first.click()
        page.wait_for_timeout(1000)
        page.mouse.move(464, 215)  # the modules that come first, near enough to read their names
        page.keyboard.down("Control")
        page.mouse.wheel(0, -230)
        page.keyboard.up("Control")
        page.wait_for_timeout(1000)
        picture(page, "model_explorer")
        page.goto("about:blank")  # it holds a connection for as long as it is shown
