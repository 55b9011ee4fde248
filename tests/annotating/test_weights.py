"""Names and contents of weights, and what was folded into others."""

import pytest
from annotating.literals import graph, model, modules, node, subject, told, weight

from htp.annotating.folded import Folded, folded
from htp.annotating.joined import annotated
from htp.annotating.samples import sample
from htp.scope import Sharing

NAMES, CONTENTS = "parameter names", "weights' contents"


def reading(*names):
    """Nodes that each read one weight."""
    nodes = [node(f"n{at}", f"x {name}", f"v{at}") for at, name in enumerate(names)]
    return graph(*nodes, initializers=" ".join(dict.fromkeys(names)))


def test_a_node_belongs_to_the_module_whose_weight_it_reads():
    given = reading("a.lin.weight", "onnx::MatMul_3", "weight", "a/b.weight", "a..weight")
    assert told(subject(given), NAMES) == ["a.lin", None, None, None, None]


def test_with_a_model_only_its_parameters_count():
    known = modules("a", tensors=("a.weight", "scale"))
    given = subject(reading("a.weight", "b.weight", "scale"), model=model(known))
    assert told(given, NAMES) == ["a", None, ""]


def test_a_weight_that_several_nodes_read_leaves_the_call_open():
    assert told(subject(reading("a.w", "a.w", "b.w")), NAMES) == [None, None, "b"]


def test_a_copy_under_the_name_of_another_parameter_is_that_ones():
    """Torch writes one of equal parameters, and an Identity for each of the others."""
    nodes = [
        node("n0", "a.weight", "b.weight", op="Identity"),
        node("n1", "x a.weight", "v1"),
        node("n2", "v1 b.weight", "v2"),
    ]
    given = graph(*nodes, initializers="a.weight")
    known = model(modules("a", "b", tensors=("a.weight", "b.weight")))
    assert told(subject(given, model=known), NAMES) == [None, "a", "b"]
    # Without the model nobody knows that the name is a parameter's.
    assert told(subject(given), NAMES) == [None, None, None]


def test_contents_are_known_again():
    states = {"a.weight": weight(1.0, 2.0, 3.0, 4.0), "b.weight": weight(1.0, 1.0, 1.0, 1.0)}
    held = {"one": weight(1.0, 2.0, 3.0, 4.0), "two": weight(1.0, 1.0, 1.0, 1.0)}
    given = subject(reading("one", "two"), model=model(modules("a", "b"), states), weights=held)
    assert told(given, CONTENTS) == ["a", None]  # ones are like any others


def test_equal_weights_of_two_modules_tell_of_neither():
    states = dict.fromkeys(("a.weight", "b.weight"), weight(1.0, 2.0, 3.0, 4.0))
    held = {"one": weight(1.0, 2.0, 3.0, 4.0)}
    given = subject(reading("one"), model=model(modules("a", "b"), states), weights=held)
    assert told(given, CONTENTS) == [None]


def test_a_sample_is_that_of_the_transposed_tensor():
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(40 * 50.0).reshape(40, 50)
    assert sample(array).sample == sample(array.T).sample == sample(array[None, :, None]).sample
    assert sample(array).sample != sample(array[::-1]).sample
    assert sample(numpy.array(3.0)).sample.elements == (3.0,)
    assert sample(numpy.zeros((3, 0))) is None


SCALE = (0.5, 2.0, -1.0, 4.0)
OLD = weight(1.0, 2.0, 3.0, 4.0, shape=(4, 4))
NEW = weight(0.5, 4.0, -3.0, 16.0, shape=(4, 4))


def test_a_folded_normalisation_is_shown_by_recomputing():
    assert folded({"v": NEW}, {"conv.w": OLD}, {"norm": SCALE}) == {"v": Folded("conv.w", "norm")}
    assert folded({"v": NEW}, {"conv.w": OLD}, {"norm": (0.5, 2.0, -1.0, 4.01)}) == {}
    assert folded({"v": NEW}, {"conv.w": OLD}, {"one": SCALE, "other": SCALE}) == {}
    assert folded({"v": NEW}, {"conv.w": OLD}, {"norm": SCALE[:3]}) == {}


def met(name, chain=("", "m", "m.conv")):
    known = modules("m", "m.conv", "m.norm")
    record = graph(node(name, "x v c", "y"), initializers="v c")
    made = model(known, {"m.conv.w": OLD}, {"m.norm": SCALE})
    return annotated(subject(record, model=made, weights={"v": NEW}))


@pytest.mark.parametrize("name", ["/m/conv/Conv", "Conv_3", "/m/norm/Conv"])
def test_what_two_modules_met_in_belongs_to_the_one_that_holds_both(name):
    found = met(name)
    (tag,) = found.tags
    assert (tag.path, tag.sharing) == ("m", Sharing.FUSED)
    assert {str(call) for call in tag.shared} == {"m.conv", "m.norm"}
    assert found.sources == [CONTENTS]


def test_where_names_and_weights_contradict_nothing_is_known():
    assert met("/m/Conv").tags[0].stack == ()


def test_metadata_of_one_and_weights_of_another_that_is_gone():
    """As torch's optimiser leaves a convolution: with the metadata of the normalisation."""
    keys = ("pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy")
    props = dict(zip(keys, ("['', 'norm', 'op']", "['N', 'Norm', 'aten']")))
    record = graph(node("n", "x conv.weight", "y"), initializers="conv.weight")
    (tag,) = annotated(subject(record, [props])).tags
    assert (tag.path, [call.path for call in tag.shared]) == ("", ["norm", "conv"])
    left = graph(*record.nodes, node("m", "y", "z"), initializers="conv.weight")
    other = dict(zip(keys, ("['', 'conv', 'op']", "['N', 'Conv', 'aten']")))
    assert told(subject(left, [props, other])) == [
        "norm",
        "conv",
    ]  # conv is there: weights are tied


def test_the_search_ends_whatever_a_file_holds():
    many = {f"v{at}": weight(float(at), 4.0, -3.0, 16.0, shape=(4, 4)) for at in range(2000)}
    states = {f"c{at}.w": weight(1.0, 2.0, 3.0, at + 4.0, shape=(4, 4)) for at in range(200)}
    scales = {f"n{at}": (at + 5.0, 2.0, -1.0, 4.0) for at in range(50)}
    folded(many, states, scales)
