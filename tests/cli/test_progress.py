"""The line that tells what a command is busy with: when it is there, and that it goes. No torch."""

import io
import json
import os

import onnx
import pytest
from onnx import TensorProto, helper
from proving import faulty
from rich.cells import cell_len

from htp.cli.progress import DELAY, drawn, is_watched
from htp.steps import Step

CONTROL_C = "\x03"


class TestTheLine:
    def test_of_many_with_a_bar(self):
        line = drawn(Step("comparing", 12, 64, "encoder.layer.3"), 7, 80, plain=True)
        assert line[1:] == " comparing  ###-----------------  12/64  encoder.layer.3  0:07"

    def test_of_nobody_knows_how_many(self):
        line = drawn(Step("matching by structure"), 61.9, 80, plain=True)
        assert line[1:] == " matching by structure  1:01"

    @pytest.mark.parametrize("plain", [True, False])
    @pytest.mark.parametrize(
        "what",
        [
            "",
            "a.b",
            "x" * 300,
            "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 90,
            "e\N{COMBINING ACUTE ACCENT}",
        ],
    )
    def test_it_never_wraps(self, what, plain):
        for width in range(20, 130):
            for total in (None, 3, 10**6):
                line = drawn(Step("running suspects alone", 1, total, what), 59, width, plain)
                assert cell_len(line) < width

    def test_the_end_of_a_module_says_more(self):
        line = drawn(Step("comparing", 1, 2, "encoder." * 20 + "query"), 0, 80, plain=True)
        assert "  1/2  ...." in line
        assert line.endswith(".encoder.query  0:00")

    def test_what_a_file_says_does_nothing(self):
        line = drawn(Step("reading", what="a\x1b[2J\r\n\u202eb"), 0, 80, plain=False)
        assert line.isprintable()

    def test_it_waits_for_two_seconds(self):
        assert DELAY == 2


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal(), {"TERM": "xterm"}, True),
        (Terminal(), {}, True),
        (Terminal(), {"TERM": "xterm", "CI": "false"}, True),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (Terminal(), {"TERM": "xterm", "CI": "true"}, False),
        (Terminal(), {"TERM": "xterm", "CI": "1"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (None, {"TERM": "xterm"}, False),
    ],
)
def test_who_watches(stream, environment, expected):
    assert is_watched(stream, environment) is expected


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "model.onnx"
    onnx.save(faulty.layers(), file)
    return file


def has_line(shown):
    return "\r" in shown.raw


class TestOnATerminal:
    def test_it_is_there_and_then_gone(self, terminal, path, run):
        shown = terminal("nodes", path, NO_COLOR="1")
        assert has_line(shown)
        assert "\x1b" not in shown.raw
        assert shown.code == 0
        assert shown.screen() == run("nodes", path).out.split("\n")

    def test_nothing_before_its_time_nor_where_nobody_watches(self, terminal, path):
        assert not has_line(terminal("nodes", path, delay=1000))
        assert not has_line(terminal("nodes", path, CI="true"))

    def test_in_a_pipe(self, terminal, path, run):
        assert terminal("nodes", path, streams=("out",)).raw == run("nodes", path).out

    def test_it_is_on_standard_error(self, terminal, path):
        """What is piped on has nothing of it, and the terminal has nothing of what is piped on."""
        shown = terminal("nodes", path, streams=("err",))
        assert has_line(shown)
        assert "".join(shown.screen()) == ""

    def test_an_error_stands_alone(self, terminal, path):
        shown = terminal("nodes", path, "nothing", columns=30)
        assert has_line(shown)
        assert shown.code == 3
        assert shown.screen()[0].startswith("Error: No module")

    def test_json_stands_alone(self, terminal, path):
        shown = terminal("tree", path, "--json")
        assert has_line(shown)
        assert json.loads("\n".join(shown.screen()))["schema"] == "htp.tree/1"


@pytest.fixture
def heavy(tmp_path):
    """A file of which 10,000 runs take minutes, so that none ends before Ctrl-C is there."""
    size = 1000
    weight = helper.make_tensor("w", TensorProto.FLOAT, [size, size], [0.0] * size**2)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "/layer/MatMul")]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [size, size]) for n in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight])
    file = tmp_path / "heavy.onnx"
    onnx.save(
        helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), file
    )
    return file


class TestControlC:
    def test_while_a_file_runs(self, terminal, heavy, tmp_path):
        pytest.importorskip("onnxruntime")
        (tmp_path / "temporary").mkdir()
        before = sorted(os.listdir(tmp_path))
        words = ("profile", heavy, "--runs", 10000)
        shown = terminal(*words, press=("running", CONTROL_C), TMPDIR=str(tmp_path / "temporary"))
        assert shown.code == 130
        assert shown.screen() == ["Interrupted.", ""]
        assert sorted(os.listdir(tmp_path)) == before
        left = os.listdir(tmp_path / "temporary")
        assert not [name for name in left if "htp" in name]  # onnxruntime leaves one of its own

    @pytest.mark.filterwarnings("ignore")  # what torch warns of is looked at elsewhere
    def test_in_the_middle_of_an_export(self, run, tmp_path):
        pytest.importorskip("torch")
        text = (
            "import torch\n\n\nclass Net(torch.nn.Module):\n    def forward(self, x):\n"
            "        raise KeyboardInterrupt\n\n\n"
            "def build():\n    return Net(), (torch.ones(1),)\n"
        )
        (tmp_path / "some_net.py").write_text(text, encoding="utf-8")
        before = sorted(os.listdir(tmp_path))
        ran = run("export", "some_net.py:build", "-o", "net.onnx", "--backend", "torchscript")
        assert (ran.code, ran.out, ran.err) == (130, "", "Interrupted.\n")
        assert sorted(os.listdir(tmp_path)) == before
