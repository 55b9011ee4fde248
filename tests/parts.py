"""What the tests of cutting out share: small tagged graphs, and running them with onnx itself."""

import numpy as np
import onnx
from literal import checked, known, model, node, value, weight
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from htp.graph.records import ValueRecord

__all__ = ["BLOCK", "INT64", "block", "given", "results", "same", "values_of"]

RANDOM = np.random.default_rng(0)


def given(*rows):
    """Values that a call took or gave: ``"x"``, or ``("mask", "m")`` with its place, ``(place,
    None, reason)`` where it has no name."""
    found = []
    for at, row in enumerate(rows):
        place, name, *reason = (str(at), row) if isinstance(row, str) else row
        found.append(ValueRecord((place,), name, *reason))
    return tuple(found)


def results(made, feeds):
    """What a model computes, by the names of its outputs."""
    names = [output.name for output in made.graph.output]
    return dict(zip(names, ReferenceEvaluator(made).run(None, feeds)))


def values_of(made, feeds):
    """All values of the main graph."""
    whole = onnx.ModelProto()
    whole.CopyFrom(made)
    del whole.graph.output[:]
    seen = dict.fromkeys(name for each in made.graph.node for name in each.output if name)
    whole.graph.output.extend(onnx.ValueInfoProto(name=name) for name in seen)
    weights = {each.name: onnx.numpy_helper.to_array(each) for each in made.graph.initializer}
    return {**weights, **feeds, **results(whole, feeds)}


def same(whole, part, feeds):
    """Check that a part is a valid model that computes what the whole does, and return it."""
    told, made = part.extraction, checked(part.model)
    values = values_of(whole, feeds)
    found = results(made, {port.name: values[port.value] for port in told.inputs})
    assert list(found) == [port.name for port in told.outputs]
    for port in told.outputs:
        np.testing.assert_allclose(found[port.name], values[port.value], rtol=1e-6)
    return made


BLOCK = {
    "x": RANDOM.standard_normal((2, 4), np.float32),
    "m": RANDOM.standard_normal((2, 4), np.float32),
}


def block(**changes):
    """``a`` takes ``x`` and ``m`` and gives two values, the second of which nobody reads.

    x, m -> a { a.mul, a.add with a weight } -> h, k     h -> b -> y
    """
    made = model(
        [
            node("Constant", "", "two", "two", "", attributes={"value_float": 2.0}),
            node("Mul", "x two", "d", "a.mul", "a.mul"),
            node("Add", "d w", "k", "a.add", "a.add"),
            node("Sub", "k m", "h", "a.sub", "a"),
            node("MatMul", "h v", "g", "b.mm", "b"),
            node("Relu", "g", "y", "relu", ""),
        ],
        [value("x", "n", 4), value("m", "n", 4)],
        [value("y", "n", 4)],
        [weight("w", 4, parameter="a.add.bias"), weight("v", 4, 4, parameter="b.weight")],
    )
    values = {
        "": (given("x", "m"), given("y")),
        "a": (given("x", ("mask", "m")), given("h", "k")),
        "a.mul": (given("x"), given("d")),
        "a.add": (given("d"), given("k")),
        "b": (given("h"), given("g")),
        **changes,
    }
    return known(made, values)


INT64 = TensorProto.INT64
