"""What a tool rewrote: tags come back from the origin that the file still holds, when asked for."""

import copy
import io
import pickle
import warnings

import onnx
import pytest
import torch
from onnx import compose, helper
from torch import nn

import htp
from htp.file.origin import digest
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]
X = torch.ones(2, 8)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.norm, self.drop = nn.Linear(8, 8), nn.LayerNorm(8), nn.Dropout(0.5)

    def forward(self, x):
        return self.norm(x + self.drop(self.inner(x).relu()))


class Net(nn.Module):
    def __init__(self, seed=0, blocks=3):
        super().__init__()
        torch.manual_seed(seed)
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


@pytest.fixture(scope="module", params=USABLE)
def backend(request):
    return request.param


def export(model, backend, **more):
    names = {"input_names": ["x"], "output_names": ["y"]}
    return htp.export(model.eval(), (X,), backend=backend, **names, **more)


@pytest.fixture(scope="module")
def exported(backend):
    return export(Net(), backend)


def proto(tagged):
    return onnx.ModelProto.FromString(tagged.model.SerializeToString())


def without_tags(model, which=lambda at, node: True):
    """What most tools leave: nodes without metadata. Weights lose theirs, too."""
    for at, node in enumerate(model.graph.node):
        if which(at, node):
            del node.metadata_props[:]
    for tensor in model.graph.initializer:
        del tensor.metadata_props[:]
    return model


@pytest.fixture
def bare(exported, tmp_path):
    path = tmp_path / "bare.onnx"
    onnx.save(without_tags(proto(exported)), str(path))
    return path


def owners(tagged):
    return [(node.op_type, tag.stack, tag.provenance, tag.shared) for node, tag in tagged.nodes()]


def quietly(ask, *given):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ask(*given)


def saved(tagged):
    data = io.BytesIO()
    quietly(tagged.save, data)
    return data.getvalue()


# when tags are carried, and when they are not


ASKS = {
    "nodes": lambda tagged: list(tagged.nodes()),
    "tag": lambda tagged: tagged.tag("y"),
    "find": lambda tagged: tagged.find("head"),
    "tree": lambda tagged: tagged.tree(),
    "coverage": lambda tagged: tagged.coverage,
    "model": lambda tagged: tagged.model,
    "parameters": lambda tagged: tagged.parameters(),
    "save": lambda tagged: tagged.save(io.BytesIO()),
    "carried": lambda tagged: tagged.carried,
    "repr": repr,
}


@pytest.mark.parametrize("ask", ASKS)
def test_tags_are_carried_when_they_are_asked_for(bare, exported, ask):
    tagged = htp.load(bare)
    with pytest.warns(RuntimeWarning, match="rewritten by a tool") as told:
        ASKS[ask](tagged)
    assert [warning.filename for warning in told] == [__file__]
    count = exported.coverage.total
    assert f"of {count} nodes 0 kept theirs, {count} were matched, 0 are" in str(told[0].message)
    assert "htp.load(f).save(f) keeps them" in str(told[0].message)
    assert owners(tagged) == owners(exported)  # and nothing is said again
    assert tagged.carried is not None
    assert all(tag.evidence for _, tag in tagged.nodes())


def test_what_the_origin_says_is_read_as_it_is(bare, exported):
    tagged = htp.load(bare)
    for name in ("backend", "torch", "schema"):
        assert getattr(tagged, name) == getattr(exported, name)
    assert tagged.origins == exported.origins
    copy.copy(tagged), pickle.loads(pickle.dumps(tagged))
    plain = io.BytesIO()
    tagged.strip().save(plain)
    assert b"pkg.htp" not in plain.getvalue()
    assert tagged.carried is None


def test_what_a_tool_wrote_is_left_when_all_is_stripped(bare, exported):
    """As if the tool had been given the file without tags."""
    plain = without_tags(proto(copy.copy(exported).strip()))
    assert saved(htp.load(bare).strip()) == plain.SerializeToString()


def test_parameters_come_back(bare, exported):
    assert quietly(htp.load(bare).parameters) == exported.parameters()


def test_half_of_the_tags(exported):
    half = without_tags(proto(exported), lambda at, _: at % 2)
    tagged = htp.load(half.SerializeToString())
    kept = (exported.coverage.total + 1) // 2
    with pytest.warns(RuntimeWarning, match=f"{kept} kept theirs"):
        assert owners(tagged) == owners(exported)
    found = [tag.evidence for _, tag in tagged.nodes()]
    assert [each is htp.Evidence.KEPT for each in found] == [
        at % 2 == 0 for at in range(len(found))
    ]


def test_a_tag_that_is_of_another_operation(exported):
    """A tool put an operation of its own in the place of another, under its name, tag and all."""
    stale = proto(exported)
    node = next(node for node in stale.graph.node if node.op_type == "Relu")
    node.op_type = "HardSwish"
    tagged = htp.load(stale.SerializeToString())
    with pytest.warns(RuntimeWarning, match="rewritten by a tool"):
        found = {node.output[0]: tag for node, tag in tagged.nodes()}
    assert found[node.output[0]].evidence is not htp.Evidence.KEPT
    assert found[node.output[0]].provenance is not htp.Provenance.CAPTURED


@pytest.mark.parametrize("form", ["bytes", "proto", "written anew", "one initializer more"])
def test_nothing_is_carried_where_all_tags_are_there(exported, form):
    model = proto(exported)
    if form == "one initializer more":
        model.graph.initializer.add(name="spare", data_type=1, dims=[0])
    given = {"bytes": lambda: saved(exported), "proto": lambda: model}
    tagged = htp.load(given.get(form, model.SerializeToString)())
    assert owners(tagged) == owners(exported)
    assert tagged.carried is None
    assert not any(tag.evidence for _, tag in tagged.nodes())
    if form == "proto":
        assert tagged.model is model


def test_a_model_in_memory_is_not_changed(exported):
    model = without_tags(proto(exported))
    before = model.SerializeToString()
    tagged = htp.load(model)
    assert quietly(owners, tagged) == owners(exported)
    assert model.SerializeToString() == before
    assert tagged.model is not model


def test_a_file_without_a_skeleton_is_guessed_at(backend):
    plain = export(Net(), backend, origin=False)
    with pytest.warns(RuntimeWarning, match="no node of it has a tag any more"):
        tagged = htp.load(without_tags(proto(plain)))
    assert tagged.carried is None
    assert tagged.coverage.captured == 0


def test_a_warning_that_is_an_error_does_no_harm(bare, exported):
    tagged = htp.load(bare)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning):
            tagged.tree()
        assert owners(tagged) == owners(exported)


def test_copies_have_what_was_carried(bare, exported):
    for tagged in (copy.copy(htp.load(bare)), pickle.loads(pickle.dumps(htp.load(bare)))):
        assert quietly(owners, tagged) == owners(exported)
    tagged = htp.load(bare)
    quietly(tagged.tree)
    for other in (copy.copy(tagged), copy.deepcopy(tagged)):
        assert owners(other) == owners(exported)
        assert other.carried == tagged.carried


def test_a_file_of_which_only_the_parameters_are_left(exported, tmp_path):
    """Some tools drop what nodes and model say, and keep what initializers say."""
    model = proto(exported)
    del model.metadata_props[:]
    for node in model.graph.node:
        node.name = ""
        del node.metadata_props[:]  # torch's own
    onnx.save_model(model, str(tmp_path / "left.onnx"))
    with pytest.warns(RuntimeWarning, match="initializers alone still name their parameters"):
        tagged = htp.load(tmp_path / "left.onnx")
    assert tagged.parameters() == exported.parameters()
    assert tagged.coverage.unknown == tagged.coverage.total
    assert b"pkg.htp" not in saved(tagged.strip())


# what is saved


def test_what_was_carried_is_saved(bare, exported):
    tagged = htp.load(bare)
    again = htp.load(saved(tagged))
    assert [tag for _, tag in again.nodes()] == [tag for _, tag in tagged.nodes()]
    assert again.carried is None
    assert again.parameters() == exported.parameters()
    assert again.origins[0].calls == exported.origins[0].calls
    assert saved(again) == saved(tagged)
    skeleton = again.origins[0].skeleton()
    assert list(skeleton.tags) == [tag for _, tag in again.nodes()]
    assert again.origins[0].records() == exported.origins[0].records()


def test_a_second_tool_is_carried_from_what_the_first_left(bare, exported):
    """Of a fresh origin, nothing of the old one is needed."""
    first = htp.load(saved(htp.load(bare)))
    renamed = without_tags(proto(first))
    del renamed.graph.node[0].metadata_props[:]
    second = htp.load(renamed)
    assert quietly(owners, second) == owners(exported)


def halves(model):
    """The first block, as somebody cuts it out who deletes what he does not want."""
    tags = [(node, tag) for node, tag in htp.load(model).nodes()]
    first = [tag.path.startswith("blocks.0") for _, tag in tags]
    last = [node for (node, _), mine in zip(tags, first) if mine][-1].output[0]
    for at in reversed(range(len(model.graph.node))):
        if not first[at]:
            del model.graph.node[at]
    read = {name for node in model.graph.node for name in node.input}
    for tensor in [each for each in model.graph.initializer if each.name not in read]:
        model.graph.initializer.remove(tensor)
    del model.graph.output[:]
    model.graph.output.add(name=last).type.tensor_type.elem_type = 1
    return model


def paths(tagged):
    return [call.path for call, _ in tagged.origins[0].calls]


OWN = ["", "blocks.0", "blocks.0.inner", "blocks.0.drop", "blocks.0.norm"]


def test_a_half_names_its_own_modules_once_it_is_saved(exported):
    half = halves(proto(exported))
    tagged = htp.load(half)
    before = owners(tagged)
    assert tagged.carried is None  # all of its nodes have their tags
    assert "head" in paths(tagged)
    again = htp.load(saved(tagged))
    assert paths(again) == OWN
    assert owners(again) == before
    skeleton = again.origins[0].skeleton()
    assert len(skeleton.tags) == len(before)
    assert b"head" not in skeleton.model.SerializeToString()
    assert all("head" not in name for name in skeleton.weights)
    assert again.origins[0].fingerprint != exported.origins[0].fingerprint


def test_a_part_that_lost_everything_gets_its_own(exported, tmp_path):
    path, part = str(tmp_path / "whole.onnx"), str(tmp_path / "part.onnx")
    exported.save(path)
    last = [node.output[0] for node, tag in exported.nodes() if tag.path.startswith("blocks.0")]
    onnx.utils.extract_model(path, part, ["x"], last[-1:], check_model=False)
    assert not onnx.load(part).metadata_props
    carried = htp.carry(path, without_tags(onnx.load(part)))
    again = htp.load(saved(carried))
    assert paths(again) == OWN
    assert again.carried is None
    assert {tag.stack for _, tag in again.nodes()} == {
        tag.stack for _, tag in exported.nodes() if tag.path.startswith("blocks.0")
    }


def test_what_is_edited_and_saved_has_an_origin_of_what_it_is(exported):
    tagged = htp.load(saved(exported))
    before = owners(tagged)
    tagged.model.graph.node[-1].output[0] = "z"
    tagged.model.graph.output[0].name = "z"
    again = htp.load(saved(tagged))
    nodes = [node for node, _ in again.nodes()]
    assert again.origins[0].nodes == digest((node.op_type, node.output) for node in nodes)
    assert owners(again) == before


# several models in one file


def merged(one, two, **prefixes):
    copies = [proto(each) for each in (one, two)]
    for model in copies:  # what compose wants to be equal
        model.ir_version = 8
        del model.functions[:]
    return compose.merge_models(*copies, [("y", "x")], **prefixes)


class Wide(nn.Module):
    """Takes what the others give."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.spread, self.tail = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        return self.tail(self.spread(x).tanh())


@pytest.mark.parametrize("seeds", [(0, 1), (1, 0)])
def test_each_of_several_models_gets_its_own(backend, seeds):
    parts = [export(Wide(seed), backend) for seed in seeds]
    whole = htp.load(merged(*parts, prefix1="a/", prefix2="b/"))
    tagged = htp.load(without_tags(proto(whole)))
    quietly(tagged.tree)
    calls = [tag.stack for _, tag in whole.nodes()]
    assert [tag.stack for _, tag in tagged.nodes()] == calls
    assert {tag.evidence for _, tag in tagged.nodes()} == {htp.Evidence.STRUCTURE}
    roots = tagged.tree().roots
    assert [root.total.total for root in roots] == [part.coverage.total for part in parts]
    again = htp.load(saved(tagged))
    assert again.carried is None
    assert len(again.origins) == 2
    assert owners(again) == owners(tagged)
    assert [root.total for root in again.tree().roots] == [root.total for root in roots]
    once_more = htp.load(without_tags(proto(again)))
    assert quietly(owners, once_more) == owners(tagged)
    assert len(once_more.origins) == 2


def test_merged_models_with_all_their_tags_are_left_alone(backend):
    parts = [export(Wide(seed), backend) for seed in (0, 1)]
    model = merged(*parts, prefix1="a/", prefix2="b/")
    tagged = htp.load(model)
    assert tagged.tree().joined
    assert tagged.carried is None
    assert tagged.model is model


# damage


def with_origin(model, change):
    [entry] = [prop for prop in model.metadata_props if len(prop.key) == len("pkg.htp.") + 16]
    entry.value = change(entry.value)
    return model.SerializeToString()


def cut_skeleton(value):
    start = value.index('"skeleton":{"graph":"') + len('"skeleton":{"graph":"')
    return value[:start] + value[start + 8 :]


def test_a_damaged_origin_is_told_when_it_is_needed(exported):
    data = with_origin(without_tags(proto(exported)), cut_skeleton)
    tagged = htp.load(data)
    assert tagged.backend == exported.backend
    for _ in range(2):
        with pytest.raises(htp.InvalidModelError, match="skeleton"):
            tagged.tree()
    with pytest.raises(htp.InvalidModelError, match="skeleton"):
        tagged.save(io.BytesIO())
    assert b"pkg.htp" not in saved(tagged.strip())


def test_a_damaged_origin_is_not_needed_where_all_tags_are_there(exported):
    tagged = htp.load(with_origin(proto(exported), cut_skeleton))
    assert owners(tagged) == owners(exported)
    assert tagged.carried is None


def test_whether_tags_fit_a_damaged_origin_cannot_be_told(exported):
    model = halves(proto(exported))
    tagged = htp.load(with_origin(model, cut_skeleton))
    with pytest.warns(RuntimeWarning, match="whether those still fit can't be told"):
        assert {tag.path.partition(".")[0] for _, tag in tagged.nodes()} == {"blocks"}


def test_the_origin_of_another_model_gives_no_tags(exported):
    stranger = helper.make_model(
        helper.make_graph(
            [helper.make_node("Sin", ["in"], ["mid"]), helper.make_node("Cos", ["mid"], ["out"])],
            "stranger",
            [helper.make_tensor_value_info("in", 1, [3, 5])],
            [helper.make_tensor_value_info("out", 1, [3, 5])],
        )
    )
    stranger.metadata_props.extend(exported.model.metadata_props)
    tagged = htp.load(stranger)
    for ask in (tagged.tree, lambda: list(tagged.nodes()), lambda: tagged.save(io.BytesIO())):
        with pytest.raises(htp.InvalidModelError, match="not made from"):
            ask()
