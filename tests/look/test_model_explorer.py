"""Model Explorer's own adapter and node data, by the packages that people install."""

import json
from pathlib import Path

import onnx
import pytest
from proving import faulty
from viewing.nested import nested

import htp
from htp.viewing.colours import ARISES, RIGHT, SCALE
from htp.viewing.spots import spots

pytestmark = pytest.mark.look

FILES = sorted((Path(__file__).resolve().parents[1] / "files").glob("*.onnx"))
each_file = pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])

OWN = ("(Phi)", "(Capture)", "Input", "Output", "Initializer", "InitializedInput")
"""What the adapter draws that is no node of the file."""


def drawn(path):
    """The nodes of a file as the adapter draws them, by graph and id."""
    from model_explorer_onnx.main import ONNXAdapter

    graphs = ONNXAdapter().convert(str(path), {})["graphs"]
    return {(graph.id, each.id): each for graph in graphs for each in graph.nodes}


def groups(stack):
    return [f"{call.path}: {call.type}" for call in stack]


def ways(tag, stacks):
    """The groups of the owner; and those of the other modules that a node is fused from."""
    return [groups(tag.stack), *(groups(stacks[call]) for call in tag.shared if call in stacks)]


@each_file
def test_its_groups_are_the_modules(path):
    tagged = htp.load(path)
    found = drawn(path)
    tags = [tag for _, tag in tagged.nodes()]
    stacks = {call: tag.stack[: at + 1] for tag in tags for at, call in enumerate(tag.stack)}
    modules = {group for tag in tags for way in ways(tag, stacks) for group in way}
    seen = 0
    for spot, tag in zip(spots(tagged.model), tags):
        if found[spot].label != "Constant":  # which it draws beside what reads it
            parts = found[spot].namespace.split("/")
            named = list(dict.fromkeys(part for part in parts if part in modules))
            assert named in ways(tag, stacks), (spot, named)
            seen += named == groups(tag.stack)
    assert seen >= 10


def keys_of(found):
    return {key for key, each in found.items() if each.label not in OWN}


@each_file
def test_every_node_has_its_key(path):
    assert {*map(tuple, spots(htp.load(path).model))} == keys_of(drawn(path))


def test_bodies_and_functions_have_theirs(tmp_path):
    onnx.save(nested(), tmp_path / "nested.onnx")
    assert set(filter(None, spots(nested()))) == keys_of(drawn(tmp_path / "nested.onnx"))


def built(document):
    """A document as the package's own classes build it, which refuse what they do not know."""
    from dacite import Config, from_dict
    from model_explorer.node_data_builder import GraphNodeData, ModelNodeData

    strict = Config(strict=True)
    return ModelNodeData(
        {name: from_dict(GraphNodeData, each, config=strict) for name, each in document.items()}
    )


def test_a_profile_is_node_data(tmp_path):
    onnx.save(faulty.layers(), tmp_path / "model.onnx")
    tagged = htp.load(tmp_path / "model.onnx")
    profile = htp.profile(tagged, faulty.samples(), runs=2)
    document = htp.node_data(tagged, profile).to_json()
    made = built(document)
    (name, data), *more = made.graphsData.items()
    assert not more
    found = drawn(tmp_path / "model.onnx")
    assert {(name, each) for each in data.results} <= keys_of(found)
    assert [vars(stop)["bgColor"] for stop in data.gradient] == [hue for _, hue in SCALE]
    written = json.loads(made.to_json_string())[name]
    assert document[name].items() <= written.items()
    assert sum(each.value for each in data.results.values()) == pytest.approx(profile.seconds * 1e6)


def test_a_verification_is_node_data(tmp_path):
    onnx.save(faulty.layers(), tmp_path / "right.onnx")
    onnx.save(faulty.layers(faults=[3]), tmp_path / "wrong.onnx")
    tagged = htp.load(tmp_path / "wrong.onnx")
    found = htp.verify(tmp_path / "right.onnx", tagged, faulty.samples(), level="none")
    ((name, data),) = built(htp.node_data(tagged, found).to_json()).graphsData.items()
    nodes = drawn(tmp_path / "wrong.onnx")
    colours = {nodes[name, each].id: result.bgColor for each, result in data.results.items()}
    wrong = [node.name for node, _ in tagged.find("layer.3.linear")]
    assert [each for each, colour in colours.items() if colour == ARISES] == wrong
    assert {colours[node.name] for node, _ in tagged.find("layer.2.*")} == {RIGHT}
    assert all(data.results[each].value > 0.01 for each in wrong)
