"""htp.carry on real files: the same one in other words, what onnxruntime rewrote, strangers."""

import io
import json
import random
from functools import lru_cache

import onnx
import pytest
import torch
from torch import nn

import htp
from htp.carry_report import CarriedNode, CarryReport
from htp.cli.demo_model import example
from htp.scope import ModuleCall, Provenance, Tag
from htp.testing.models.table import case, cases_for
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())

    def forward(self, x):
        x = self.first(x)
        return x + self.second(x)


def of_demo():
    given = example()
    return given["model"].eval(), given["args"]


MODELS = {
    "transformer": of_demo,
    "convolutions": lambda: (Convolutions().eval(), (torch.ones(1, 3, 8, 8),)),
    "a loop": lambda: case(OF_SUITE["a loop"]).example()[:2],
    "a choice": lambda: case(OF_SUITE["a choice"]).example()[:2],
}
OF_SUITE = {"a loop": "while_loop", "a choice": "cond"}
"""Which of them are cases of the suite, which knows what this torch and a backend can take."""


def pairs():
    for backend in USABLE:
        taken = {None, *(each.name for each in cases_for(backend))}
        for name in MODELS:
            if OF_SUITE.get(name) in taken:
                yield pytest.param(name, backend, id=f"{name}-{backend}")


each_model = pytest.mark.parametrize(("name", "backend"), list(pairs()), indirect=["backend"])


@pytest.fixture(scope="module", params=USABLE)
def backend(request):
    return request.param


@lru_cache(maxsize=None)
def exported(name, backend):
    torch.manual_seed(0)
    model, args = MODELS[name]()
    return htp.export(model, args, backend=backend)


@pytest.fixture(scope="module")
def transformer(backend):
    return exported("transformer", backend)


def told(tagged):
    return [(tag.stack, tag.shared, tag.provenance) for _, tag in tagged.nodes()]


def walk(nodes):
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from walk(body.node)


def needs(node):
    """The values that a node reads, those of its bodies included."""
    return {name for each in walk([node]) for name in each.input} | {
        value.name
        for each in walk([node])
        for attribute in each.attribute
        for value in attribute.g.output
    }


def copied(tagged):
    return onnx.ModelProto.FromString(tagged.model.SerializeToString())


def reordered(model):
    """Another topological order; and for each node where it stood."""
    nodes = list(model.graph.node)
    made = {name: at for at, node in enumerate(nodes) for name in node.output if name}
    behind = [{made[name] for name in needs(node) if name in made} for node in nodes]
    rng, order = random.Random(1), []
    while len(order) < len(nodes):
        done = set(order)
        ready = [at for at in range(len(nodes)) if at not in done and behind[at] <= done]
        order.append(rng.choice(ready))
    kept = [onnx.NodeProto.FromString(nodes[at].SerializeToString()) for at in order]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    return order


def renamed(model):
    """All nodes, values and initializers get other names."""
    names = {}

    def new(name):
        return name and names.setdefault(name, f"v{len(names)}")

    def rename(graph):
        for value in (*graph.input, *graph.output, *graph.initializer):
            value.name = new(value.name)
        for node in graph.node:
            node.name = f"n{len(names)}"
            node.input[:] = map(new, node.input)
            node.output[:] = map(new, node.output)
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    rename(attribute.g)
                for body in attribute.graphs:
                    rename(body)
        del graph.value_info[:]

    rename(model.graph)
    return model


def bare(model):
    for node in walk(model.graph.node):
        del node.metadata_props[:]
    del model.metadata_props[:]
    return model


# the same file


@each_model
def test_onto_itself(name, backend):
    tagged = exported(name, backend)
    carried = htp.carry(tagged, tagged)
    assert told(carried) == told(tagged)
    assert {tag.evidence for _, tag in carried.nodes()} == {htp.Evidence.KEPT}
    assert carried.parameters() == tagged.parameters()


@pytest.mark.parametrize("tags", ["with its tags", "without tags"])
@each_model
def test_onto_itself_renamed_reordered_and_serialised_again(name, backend, tags):
    tagged = exported(name, backend)
    model = copied(tagged)
    sizes = [sum(1 for _ in walk([node])) for node in model.graph.node]
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    before = [told(tagged)[start : start + size] for start, size in zip(starts, sizes)]
    order = reordered(model)
    renamed(model)
    if tags == "without tags":
        bare(model)
    carried = htp.carry(tagged, model.SerializeToString(deterministic=True))
    assert told(carried) == [each for at in order for each in before[at]]
    expected = htp.Evidence.KEPT if tags == "with its tags" else htp.Evidence.STRUCTURE
    assert {tag.evidence for _, tag in carried.nodes()} == {expected}


def test_that_this_would_be_noticed(transformer):
    """Two nodes of one operator change places, weights and all: the tags are those of the other."""
    model = bare(copied(transformer))
    twins = [node for node in model.graph.node if node.op_type == "Softmax"]
    first, second = twins[:2]
    swapped = {first.output[0]: second.output[0], second.output[0]: first.output[0]}
    for node in model.graph.node:
        if node not in twins:
            node.input[:] = [swapped.get(name, name) for name in node.input]
    assert told(htp.carry(transformer, model)) != told(transformer)


# what onnxruntime makes of it


@pytest.fixture
def optimised(tmp_path):
    """Runs onnxruntime's optimiser; what it writes has no tags and no origin left."""
    runtime = pytest.importorskip("onnxruntime")

    def run(model, level):
        options = runtime.SessionOptions()
        options.graph_optimization_level = getattr(
            runtime.GraphOptimizationLevel, f"ORT_ENABLE_{level}"
        )
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        options.log_severity_level = 4
        runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return bare(onnx.load(options.optimized_model_filepath))

    return run


def paths(tagged):
    return [(node.op_type, str(tag.owner)) for node, tag in tagged.nodes()]


@pytest.mark.parametrize("level", ["BASIC", "EXTENDED"])
def test_every_node_of_an_optimised_file_has_an_owner(transformer, optimised, level):
    carried = htp.carry(transformer, optimised(copied(transformer), level))
    assert carried.coverage.unknown == 0
    softmax = [tag.path for node, tag in carried.nodes() if node.op_type == "Softmax"]
    assert softmax == ["encoder.layer.0.attention", "encoder.layer.1.attention"]
    gelu = [tag.path for node, tag in carried.nodes() if node.op_type.endswith("Gelu")]
    if gelu or level == "EXTENDED":  # older releases of torch write it in several operations
        layers = [path.partition(".mlp")[0] for path in gelu]
        assert layers == ["encoder.layer.0", "encoder.layer.1"]


def test_a_name_alone_or_a_changed_operand_is_not_captured(transformer, optimised):
    carried = htp.carry(transformer, optimised(copied(transformer), "EXTENDED"))
    for _, tag in carried.nodes():
        if tag.evidence is htp.Evidence.REGION:
            assert tag.provenance is not htp.Provenance.CAPTURED
        if tag.evidence in (htp.Evidence.NAME, htp.Evidence.CONTENTS):
            assert tag.provenance is htp.Provenance.INFERRED


def test_tools_in_a_row_carried_at_each_step_or_once(transformer, optimised):
    first = optimised(copied(transformer), "BASIC")
    second = optimised(first, "EXTENDED")
    once = htp.carry(transformer, second)
    step = htp.carry(htp.carry(transformer, first), second)
    assert paths(once) == paths(step)
    order = list(htp.Provenance)
    for (_, one), (_, other) in zip(once.nodes(), step.nodes()):
        assert order.index(other.provenance) >= order.index(one.provenance)


def test_with_all_names_gone(transformer, optimised):
    plain = optimised(copied(transformer), "EXTENDED")
    with_names = htp.carry(transformer, plain)
    without = htp.carry(transformer, renamed(plain))
    same = sum(one == other for one, other in zip(paths(with_names), paths(without)))
    assert len(paths(without)) - same <= 2  # by torch 1.8 a fused Gelu of five operations, twice


def test_a_carried_file_is_read_as_any_other(transformer, optimised, tmp_path):
    carried = htp.carry(transformer, optimised(copied(transformer), "BASIC"))
    carried.save(tmp_path / "carried.onnx")
    again = htp.load(tmp_path / "carried.onnx")
    assert [tag for _, tag in again.nodes()] == [tag for _, tag in carried.nodes()]
    assert again.carried is None
    assert again.backend == transformer.backend
    onnx.checker.check_model(again.model)


def test_what_was_given_stays_as_it_is(transformer):
    model = bare(copied(transformer))
    before = model.SerializeToString(deterministic=True)
    htp.carry(transformer, model)
    assert model.SerializeToString(deterministic=True) == before


def test_stripped_it_is_what_the_tool_wrote(transformer):
    model = bare(copied(transformer))
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
    data = io.BytesIO()
    htp.carry(transformer, model.SerializeToString()).strip().save(data)
    assert data.getvalue() == model.SerializeToString()


# the report


def test_the_report(transformer):
    model = copied(transformer)
    removed = next(node for node in model.graph.node if node.op_type == "Softmax")
    for node in model.graph.node:
        node.input[:] = [
            removed.input[0] if name == removed.output[0] else name for name in node.input
        ]
    model.graph.node.remove(removed)
    added = model.graph.node.add(
        op_type="Cast", input=[removed.input[0]], output=["added"], name="added"
    )
    added.attribute.add(name="to", i=1, type=onnx.AttributeProto.INT)
    report = htp.carry(transformer, model).carried
    counts = report.to_json()
    assert counts["schema"] == "htp.carry/1"
    assert counts["nodes"] == len(model.graph.node)
    assert sum(counts["evidence"].values()) == counts["nodes"]
    assert counts["lost"] == 1
    (lost,) = [row for row in report.modules if row.lost]
    assert lost.call.path.endswith("attention")
    assert sum(row.added for row in report.modules) == 1
    assert json.loads(json.dumps(counts)) == counts
    assert "lost" in str(report).splitlines()[0]


def test_the_report_lists_modules_in_the_order_of_the_forward_pass():
    """A graph's nodes stand in another one: constants first, for example."""
    calls = [ModuleCall("", "Net", 0), ModuleCall("a", "A", 0), ModuleCall("b", "B", 0)]
    tags = [Tag((calls[0], call), Provenance.CAPTURED) for call in (calls[2], calls[1])]
    now = [CarriedNode(tag.path, tag, "kept", (at,)) for at, tag in enumerate(tags)]
    report = CarryReport.of(tags, now, calls)
    assert [row.call for row in report.modules] == calls[1:]
    assert [row.call for row in CarryReport.of(tags, now).modules] == [calls[2], calls[1]]


def test_a_model_that_was_not_carried_has_no_report(transformer):
    assert transformer.carried is None


# strangers


def test_a_file_of_another_model(transformer, backend):
    with pytest.raises(htp.InvalidModelError, match="not made from the tagged one"):
        htp.carry(transformer, bare(copied(exported("convolutions", backend))))


def test_the_same_model_of_other_weights(transformer, backend):
    torch.manual_seed(7)
    model, args = MODELS["transformer"]()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    other = htp.export(model, args, backend=backend)
    with pytest.raises(htp.InvalidModelError, match="none the same contents"):
        htp.carry(transformer, other)


def test_what_is_no_model(transformer):
    with pytest.raises(htp.InvalidModelError):
        htp.carry(transformer, b"not a model")
    with pytest.raises(htp.InvalidModelError):
        htp.carry(b"not a model", transformer)
