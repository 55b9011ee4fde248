"""Files of every schema that ever landed load for ever, with the same tags."""

import hashlib
import io
import json
from pathlib import Path

import pytest

import htp

FILES = Path(__file__).parents[1] / "files"
NAMES = sorted(path.stem for path in FILES.glob("*.onnx"))


@pytest.fixture(params=NAMES)
def pair(request):
    path = FILES / f"{request.param}.onnx"
    return htp.load(path), json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def rows(tagged):
    return [
        {
            "name": node.name,
            "op_type": node.op_type,
            "outputs": list(node.output),
            "stack": [list(call) for call in tag.stack],
            "provenance": str(tag.provenance),
            "shared": [list(call) for call in tag.shared],
        }
        for node, tag in tagged.nodes()
    ]


def test_there_is_one_of_each_backend():
    assert NAMES == ["schema1_fx", "schema1_torchscript"]


def test_it_says_what_it_said(pair):
    tagged, expected = pair
    assert rows(tagged) == expected["nodes"]
    assert {str(kind): count for kind, count in tagged.coverage} == expected["coverage"]
    for name in ("backend", "torch", "schema"):
        assert getattr(tagged, name) == expected[name]
    parameters = {name: list(names) for name, names in tagged.parameters().items()}
    assert parameters == expected["parameters"]
    assert [list(branch.call) for branch in tagged.tree().walk()] == expected["calls"]


def test_how_calls_share_a_node_is_not_told(pair):
    """The first schema did not say whether work was merged or fused, so nothing is said."""
    shared = [tag for _, tag in pair[0].nodes() if tag.shared]
    assert shared
    assert {tag.sharing for tag in shared} == {None}


def test_it_strips_to_the_same_bytes(pair):
    tagged, expected = pair
    buffer = io.BytesIO()
    tagged.strip().save(buffer)
    assert hashlib.sha256(buffer.getvalue()).hexdigest() == expected["stripped_sha256"]
