"""Arguments that are no values of the file: nothing reads them, or the exporter folded them."""

import numpy as np
import onnx
import pytest
import torch
from literal import checked, known, model, node, value, weight
from onnx import TensorProto, numpy_helper
from parts import BLOCK, given, results, same

import htp
from htp.graph.records import Kind, Operation
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
TABLE = np.arange(1, 5, dtype=np.float32)
AXES = ("value", "TENSOR", (INT64, (1,), np.array([0]).tobytes().hex()))
UNSQUEEZE = Operation("Unsqueeze", ("#0", "#1"), ("#2",))
WORK = (
    Operation("Constant", (), ("#1",), (AXES,)),
    UNSQUEEZE,
    Operation("Neg", ("#2",), ("t",)),
)
READ = ("table", None, "folded", Kind(FLOAT, (4,)), "#0")


USABLE = [info.name for info in htp.available_backends() if info.usable]


def layers(work=WORK, table=READ, after=(), first="n", weights=(), **changes):
    """``a`` takes x and a table of which the exporter computed t; ``b`` is made of two like it."""
    made = model(
        [
            node("Mul", "x t", "h", "a.mul", "b.a"),
            node("Mul", "h t", "y", "c.mul", "b.c"),
            *after,
        ],
        [value("x", first, 4)],
        [value("y", first, 4)],
        [weight("t", value=-TABLE[None]), *weights],
    )
    values = {
        "b": (given("x", table), given("y")),
        "b.a": (given("x", table), given("h")),
        "b.c": (given("h", table), given("y")),
        **changes,
    }
    return known(made, values, work)


@pytest.mark.parametrize("path", ["b", "b.a", "b.c"])
def test_what_a_module_computes_of_a_folded_argument_is_done_again(path):
    whole = layers()
    part = whole.extract(path)
    made = checked(part.model)
    assert part.extraction.exact
    assert [port.name for port in part.extraction.inputs][1:] == ["table"]
    assert [port.places for port in part.extraction.inputs][1:] == [(("table",),)]
    assert not made.graph.initializer
    for table in (TABLE, TABLE[::-1] * 3):
        x = BLOCK["x"]
        (found,) = results(made, {made.graph.input[0].name: x, "table": table}).values()
        np.testing.assert_allclose(found, x * table**2 if path == "b" else -x * table, rtol=1e-6)


def test_a_weight_that_only_what_was_folded_reads():
    work = (Operation("Identity", ("scale",), ("#1",)), Operation("Mul", ("#0", "#1"), ("t",)))
    scale = np.full(4, 2, np.float32)
    part = layers(work, weights=[weight("scale", value=scale)]).extract("b.a")
    made = checked(part.model)
    assert [each.name for each in made.graph.initializer] == ["scale"]
    x = BLOCK["x"]
    (found,) = results(made, {made.graph.input[0].name: x, "table": TABLE}).values()
    np.testing.assert_allclose(found, x * TABLE * 2)


def test_it_is_tagged_and_can_be_cut_again(tmp_path):
    layers().extract("b").save(tmp_path / "b.onnx")
    part = htp.load(tmp_path / "b.onnx")
    assert {str(tag.owner) for n, tag in part.nodes() if n.op_type == "Neg"} == {"b"}
    assert part.boundary("b").inputs == part.boundary("b.a").inputs == ("x", "table")
    again = part.extract("b.a")
    assert [port.name for port in again.extraction.inputs] == ["x", "table"]
    x = BLOCK["x"]
    (found,) = results(checked(again.model), {"x": x, "table": TABLE}).values()
    np.testing.assert_allclose(found, -x * TABLE)


def test_an_argument_that_nothing_reads_is_an_input_of_its_type():
    table = ("table", None, "folded", Kind(INT64, (4, None)))
    for first, shape in (("n", [0, 0]), (2, [4, 0])):
        whole = layers((), table, first=first)
        part = whole.extract("b.a")
        made = checked(part.model)
        assert part.extraction.exact
        kind = made.graph.input[1].type.tensor_type
        assert kind.elem_type == INT64
        assert [axis.dim_value for axis in kind.shape.dim] == shape
        assert [port.value for port in part.extraction.inputs] == ["x", ""]
        assert "is not read by the module" in str(part.extraction)
        feeds = {"x": BLOCK["x"], "table": np.zeros((4, 1), np.int64)}
        np.testing.assert_allclose(results(made, feeds)["h"], -BLOCK["x"] * TABLE)
        assert part.boundary("b.a").inputs == ("x", "table")


def test_one_tensor_in_two_places_is_one_input():
    twice = (given("x", READ, ("again", *READ[1:])), given("h"))
    part = layers(**{"b.a": twice}).extract("b.a")
    assert [port.places for port in part.extraction.inputs][1:] == [(("table",), ("again",))]


def test_names_are_free():
    table = ("h", None, "folded", Kind(FLOAT, (4,)), "#0")
    part = layers(table=table).extract("b.a")
    assert len({port.name for port in part.extraction.inputs}) == 2
    assert "h" not in {port.name for port in part.extraction.inputs}
    assert checked(part.model)
    part = layers(**{"b.a": (given("x", ("1", *READ[1:])), given("h"))}).extract("b.a")
    assert part.extraction.inputs[1].name == "argument.1"


def folded(whole, path="b.a"):
    part = whole.extract(path)
    same(whole.model, part, BLOCK)
    return [(row.kind, row.place) for row in part.extraction.rows] == [("folded", ("table",))]


def test_what_is_not_known_stays_an_exception():
    """The origin does not say it, or a tool has rewritten the graph since."""
    assert folded(layers(work=()))
    assert folded(layers(table=("table", None, "folded")))
    whole = layers()
    for change in (
        lambda graph: graph.initializer.append(numpy_helper.from_array(TABLE, "more")),
        lambda graph: graph.node[1].input.__setitem__(1, "x"),
    ):
        made = onnx.ModelProto()
        made.CopyFrom(whole.model)
        change(made.graph)
        assert folded(htp.load(made))


def test_what_others_read_as_well_stays_a_constant():
    """``b`` reads t for the table; of d, which is shared, it is not said what it reads."""
    other = node("Mul", "y t", "z", "d", "d", shared=[("b.a", "m.Part", 0)], sharing="merged")
    whole = layers(after=[other], **{"b.a": (given("x", READ), given("h", ("1", "z")))})
    assert whole.extract("b.a").extraction.rows


def test_operations_in_a_circle():
    work = (Operation("Neg", ("t",), ("#0",)), Operation("Neg", ("#0",), ("t",)))
    table = ("table", None, "folded", Kind(FLOAT, (4,)), "#9")
    part = layers(work, table).extract("b.a")
    assert [each.name for each in part.model.graph.initializer] == ["t"]


def test_an_argument_that_is_not_read_may_lie_between_what_became_one():
    for reason in ("fused", "rewritten"):
        table = ("table", None, reason, Kind(FLOAT, (4,)))
        assert layers((), table).extract("b.a").extraction.exact
        if reason == "fused":
            with pytest.raises(htp.ExtractionError):
                layers((), ("table", None, reason)).extract("b.a")


class Weighs(torch.nn.Module):
    def forward(self, x, table):
        return x * torch.relu(table)


class Positive(torch.nn.Module):
    """What ``relu`` makes of the table is the table."""

    def __init__(self, again):
        super().__init__()
        self.weighs = Weighs()
        self.again = again
        self.register_buffer("table", torch.from_numpy(TABLE))

    def forward(self, x):
        weighed = self.weighs(x, self.table)
        return weighed + self.table if self.again else weighed - x


@pytest.mark.parametrize("backend", USABLE)
@pytest.mark.parametrize("again", [False, True])
def test_a_constant_that_stands_for_two_is_no_argument(backend, again, tmp_path):
    made = Positive(again).eval()
    tagged = htp.export(made, (torch.ones(2, 4),), tmp_path / "m.onnx", backend=backend)
    part = tagged.extract("weighs")
    if not part.extraction.exact:  # torch 2.5's own pass reads the model anew from its bytes
        assert {row.place for row in part.extraction.rows if row.place} == {("1",)}
        return
    x = np.full((2, 4), 3, np.float32)
    for table in (TABLE, -TABLE):
        feeds = dict(zip((port.name for port in part.extraction.inputs), (x, table)))
        (found,) = results(checked(part.model), feeds).values()
        np.testing.assert_allclose(found, x * np.maximum(table, 0))
