"""The seal: broken by any change but to weights and to the model's own metadata."""

import onnx
import pytest
from onnx import TensorProto, helper

from htp.file import seal, wire
from htp.file.model_file import ModelFile

MARK = "0123456789abcdef"
ORIGIN = '{"schema":"2","backend":"fx","torch":"2.9","htp":"0","calls":[]}'


def model():
    weight = helper.make_tensor("w", TensorProto.FLOAT, [2048], b"\1" * 8192, raw=True)
    nodes = [helper.make_node("Add", ["x", "w"], ["y"], "add")]
    made = helper.make_model(helper.make_graph(nodes, "g", [], [], [weight]))
    made.metadata_props.add(key=f"pkg.htp.{MARK}", value=ORIGIN)
    return made


def sealed(made):
    data = made.SerializeToString()
    return data + seal.sealed(wire.without_weights(data), MARK)


def test_what_nobody_touched_is_sealed():
    assert ModelFile([sealed(model())]).is_sealed
    assert not ModelFile([model().SerializeToString()]).is_sealed


def test_a_parsed_model_may_be_changed():
    file = ModelFile([sealed(model())])
    assert file.is_sealed
    assert file.proto.graph.node
    assert not file.is_sealed


CHANGES = {
    "a name": lambda made: setattr(made.graph.node[0], "name", "another"),
    "a tag": lambda made: made.graph.node[0].metadata_props.add(key="pkg.htp.path", value=""),
    "an operator": lambda made: setattr(made.graph.node[0], "op_type", "Mul"),
    "a node": lambda made: made.graph.node.add(op_type="Relu"),
    "the shape of a weight": lambda made: made.graph.initializer[0].dims.append(1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_not(change):
    made = onnx.ModelProto.FromString(sealed(model()))
    CHANGES[change](made)
    assert not ModelFile([made.SerializeToString()]).is_sealed


def test_weights_and_what_the_model_says_may_change():
    made = onnx.ModelProto.FromString(sealed(model()))
    made.graph.initializer[0].raw_data = b"\2" * 8192
    made.metadata_props.add(key="author", value="somebody")
    assert ModelFile([made.SerializeToString()]).is_sealed
