"""Netron's own page, as the package serves it: files that HTP wrote open, and tags are shown."""

import json
import re
from contextlib import contextmanager
from pathlib import Path

import onnx
import pytest
from proving import faulty

import htp

pytestmark = pytest.mark.look

FILES = Path(__file__).resolve().parents[1] / "files"


@contextmanager
def served(path):
    """The address at which Netron shows a file."""
    import logging

    import netron

    logging.getLogger("netron.server").setLevel(logging.WARNING)
    address = netron.serve(str(path), None, address=("127.0.0.1", 0))
    try:
        yield "http://{}:{}/".format(*address)
    finally:
        netron.stop(address)


def made_on():
    """When this Netron was made: half a year later its page asks for a newer one."""
    import netron

    page = Path(netron.__file__).with_name("index.html").read_text("utf-8")
    return re.search(r'<meta name="date" content="([^" ]+)', page).group(1)


@pytest.fixture
def show(page, watch):
    """``show(url)`` waits until the graph of a served file is drawn."""

    def shown(url):
        watch.allow(url)
        watch.silence("https://analytics.google.com/")  # it counts its users
        page.context.add_cookies([{"name": "consent", "value": "1", "url": url}])
        page.clock.set_fixed_time(made_on())
        page.goto(url)
        page.wait_for_selector("body.default g.node")  # it is laid out, and takes clicks
        return page

    return shown


def properties(page, operator):
    """What Netron says of the first node of an operator once it was clicked."""
    page.locator(".node-item-type", has_text=operator).first.click()
    page.wait_for_selector("#sidebar .sidebar-item")
    items = page.locator("#sidebar .sidebar-item").all()
    names = [each.locator("input").get_attribute("title") for each in items]
    return dict(zip(names, [each.inner_text().strip() for each in items]))


@pytest.mark.parametrize("backend", ["fx", "torchscript"])
def test_the_tags_are_among_a_nodes_properties(show, picture, backend):
    path = FILES / f"schema3_{backend}.onnx"
    nodes = {node.name: (node, tag) for node, tag in htp.load(path).nodes()}
    with served(path) as url:
        page = show(url)
        said = properties(page, "MatMul")
        node, tag = nodes[said["name"]]
        assert (said["type"].lstrip("?").strip(), tag.path) == (node.op_type, "twice")
        assert said["pkg.htp.path"] == "twice"
        assert said["pkg.htp.provenance"] == "captured"
        assert json.loads(said["pkg.htp.stack"]) == [list(call) for call in tag.stack]
        assert "twice: torch.nn.modules.linear.Linear" in said["namespace"]
        picture(page, f"netron_{backend}")


def drawn(page):
    """The operators of the nodes; Netron forbids ``eval``, by which all are had at once."""
    return [each.text_content() for each in page.locator("g.node .node-item-type > text").all()]


def test_a_part_that_was_cut_out_opens(show, picture, tmp_path):
    onnx.save(faulty.layers(), tmp_path / "whole.onnx")
    htp.load(tmp_path / "whole.onnx").extract("layer.3").save(tmp_path / "part.onnx")
    with served(tmp_path / "part.onnx") as url:
        page = show(url)
        assert sorted(drawn(page)) == ["Add", "MatMul", "Tanh"]
        assert properties(page, "Tanh")["pkg.htp.path"] == "layer.3.act"
        picture(page, "netron_part")


def test_modules_as_functions_open(show, picture, tmp_path):
    tagged = htp.load(FILES / "schema3_fx.onnx").as_functions("twice")
    tagged.save(tmp_path / "functions.onnx")
    calls = [node.op_type for node in tagged.model.graph.node]
    assert calls.count("Linear") == 2
    with served(tmp_path / "functions.onnx") as url:
        page = show(url)
        assert set(calls) <= set(drawn(page))
        said = properties(page, "Linear")
        assert said["pkg.htp.path"] == "twice"
        assert said["module"] == "torch.nn.modules.linear"
        picture(page, "netron_functions")
