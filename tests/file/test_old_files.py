"""Files of every schema that ever landed load for ever, with the same tags."""

import hashlib
import io
import json
from pathlib import Path

import pytest

import htp
from htp.scope import Sharing

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
    expected = [
        f"schema{schema}_{backend}" for schema in "1234" for backend in ("fx", "torchscript")
    ]
    assert expected == NAMES


def test_it_says_what_it_said(pair):
    tagged, expected = pair
    assert rows(tagged) == expected["nodes"]
    assert {str(kind): count for kind, count in tagged.coverage} == expected["coverage"]
    for name in ("backend", "torch", "schema"):
        assert getattr(tagged, name) == expected[name]
    parameters = {name: list(names) for name, names in tagged.parameters().items()}
    assert parameters == expected["parameters"]
    assert [list(branch.call) for branch in tagged.tree().walk()] == expected["calls"]


def test_how_calls_share_a_node(pair):
    """The first schema did not say whether work was merged or fused, so nothing is said."""
    shared = [tag for _, tag in pair[0].nodes() if tag.shared]
    assert shared
    assert {tag.sharing for tag in shared} == {None if pair[0].schema == "1" else Sharing.FUSED}


def test_what_the_origin_says(pair):
    """The third schema is the first that tells the graph, the fourth what was folded."""
    tagged, expected = pair
    (origin,) = tagged.origins
    skeleton = origin.skeleton()
    assert json.loads(json.dumps(origin.folded())) == expected.get("folded", [])
    if tagged.schema < "3":
        assert (skeleton, origin.nodes) == (None, None)
        return
    assert [origin.fingerprint, list(origin.nodes)] == [expected["fingerprint"], expected["digest"]]
    assert list(skeleton.tags) == [tag for _, tag in tagged.nodes()]
    weights = {name: weight._replace(sketch=None) for name, weight in skeleton.weights.items()}
    assert weights == skeleton.weights  # these files were written before there were sketches
    now = tagged._file.weights().items()
    assert weights == {name: weight._replace(sketch=None) for name, weight in now}
    assert {name: [*map(listed, weight[:4])] for name, weight in weights.items()} == (
        expected["weights"]
    )
    assert [
        [[call.stack[-1].path, call.stack[-1].call], told(call.inputs), told(call.outputs)]
        for call in skeleton.calls
    ] == expected["values"]


def listed(value):
    return list(value) if isinstance(value, tuple) else value


def told(values):
    """The rows of values; what an argument is that has no name stands behind its reason."""
    return values and [
        [
            *map(listed, (place, name, reason)),
            *([[kind.dtype, [*kind.shape]], work] if kind else ()),
        ]
        for place, name, reason, kind, work in values
    ]


def test_it_strips_to_the_same_bytes(pair):
    tagged, expected = pair
    buffer = io.BytesIO()
    tagged.strip().save(buffer)
    assert hashlib.sha256(buffer.getvalue()).hexdigest() == expected["stripped_sha256"]
