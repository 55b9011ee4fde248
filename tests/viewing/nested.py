"""A model of all that a viewer may draw in another place or under another name."""

from literal import model, node, value
from onnx import TensorProto, helper


def graph(name, nodes, outputs):
    return helper.make_graph(nodes, name, [], [value(each, 4, 4) for each in outputs])


def nested():
    """Bodies in bodies, nodes without a name, two of one name, and a function."""
    inner = [node("Relu", "x", "d", "same", "c"), node("Relu", "d", "e", "same", "c")]
    choose = {
        "then_branch": graph("then", [node("Tanh", "x", "t", "", "a")], ["t"]),
        "else_branch": graph("else", inner, ["e"]),
    }
    again = {"body": graph("again", [node("Neg", "x", "n", "deep", "b")], ["n"])}
    rounds = [
        node("If", "flag", "r", "pick", "b", attributes=choose),
        node("Loop", "count flag", "z", "again", "b", attributes=again),
    ]
    bodies = {"body": graph("body", rounds, ["r"])}
    nodes = [
        node("If", "flag", "h", "choose", "top", attributes=choose),
        node("Loop", "count flag", "l", "rounds", "top", attributes=bodies),
        node("Add", "h l", "p", "", "top"),
        node("Add", "p p", "q", "node", "top"),
        node("Half", "q", "y", "half", "f.half", attributes={"domain": "f"}),
    ]
    nodes[-1].domain = "f"
    body = [node("If", "g", "b", "pick", "f", attributes=choose), node("Abs", "b", "o", "", "f")]
    half = helper.make_function("f", "Half", ["g"], ["o"], body, [helper.make_opsetid("", 17)])
    inputs = [value("x", 4, 4), value("flag", kind=TensorProto.BOOL)]
    inputs.append(value("count", kind=TensorProto.INT64))
    return model(nodes, inputs, [value("y", 4, 4)], functions=[half])
