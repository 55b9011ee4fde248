"""``dynamic_shapes`` and ``dynamic_axes``: their forms, on literals and through exports."""

import inspect

import pytest
import torch
from torch import nn

import htp
from htp.arguments import axes, inputs, shapes
from htp.backends.common.facts import takes_named_axes
from htp.errors import CaptureError
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

PARAMETERS = inspect.signature(torch.onnx.export).parameters
USABLE = [info.name for info in htp.available_backends() if info.usable]
DIM = getattr(getattr(torch, "export", None), "Dim", None)


@pytest.fixture(params=USABLE)
def backend(request):
    return request.param


def x(value=1.0):
    return torch.full((2, 3), value)


# --- literals


class Shape:
    """Stands for a tensor: only its shape is looked at."""

    def __init__(self, *shape):
        self.shape = shape

    def dim(self):
        return len(self.shape)


ONE, TWO = Shape(2, 3), Shape(4, 5, 6)


def parameters(**values):
    return inputs.table(values)


def said(form, given=None, **values):
    wanted, others = shapes.by_leaf(form, parameters(**values), given or {})
    return {leaf.names[0]: found for leaf, found in wanted}, others


def test_names_of_leaves():
    leaves = inputs.leaves_of(parameters(x=1, more={"a": 2, "b": [3, 4]}, pair=(5,)))
    assert [leaf.names for leaf in leaves] == [
        ("x",),
        ("more_a", "more_0"),
        ("more_b_0", "more_1"),
        ("more_b_1", "more_2"),
        ("pair_0",),
    ]


@pytest.mark.parametrize(
    ("form", "result"),
    [
        ({"x": {0: "b"}}, {"x": {0: "b"}}),
        ({"x": {-1: "b"}}, {"x": {1: "b"}}),
        ({"x": {0: "b"}, "more": None}, {"x": {0: "b"}}),
        ({"x": ["b", None], "more": None}, {"x": {0: "b", 1: None}}),
        ({"x": None, "more": {"a": {-2: "c"}, "b": None}}, {"more_a": {1: "c"}}),
        ({"x": None, "more": {"a": None, "b": [{0: 7}, ("n", None)]}},
         {"more_b_0": {0: 7}, "more_b_1": {0: "n", 1: None}}),
        (({0: "b"}, {"a": {0: "c"}, "b": None}), {"x": {0: "b"}, "more_a": {0: "c"}}),
        (({0: "b"},), {"x": {0: "b"}}),
        ({"more_a": {0: "c"}}, {"more_a": {0: "c"}}),
        ({"more_b_1": {0: "c"}}, {"more_b_1": {0: "c"}}),
        ({"more_2": {0: "c"}}, {"more_b_1": {0: "c"}}),
        ({"more": {"a": {0: "c"}}}, {"more_a": {0: "c"}}),
        ({}, {}),
    ],
)  # fmt: skip
def test_forms(form, result):
    wanted, others = said(form, x=ONE, more={"a": TWO, "b": [ONE, ONE]})
    assert wanted == result
    assert others == {}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"y": {0: "b"}}, "names 'y', which is no input of the model"),
        ({"x": {2: "b"}}, "Axis 2 of 'x' was to be dynamic; its shape (2, 3) has axes -2 to 1."),
        ({"x": {-3: "b"}}, "Axis -3 of 'x'"),
        ({"x": "b"}, "dynamic_shapes['x'] must be {axis: name} or a form of torch's; found 'b'"),
        ({"x": {"a": "b"}}, "dynamic_shapes['x'] must be"),
        ({"x": None, "more": {"c": None}}, "tells of 'c', which that input does not hold"),
        ({"x": None, "more": {"b": [None] * 3}}, "tells of 2, which that input does not hold"),
        ((None, None, None), "dynamic_shapes must be {axis: name}"),
    ],
)
def test_what_is_in_no_form(form, text):
    with pytest.raises(CaptureError) as caught:
        said(form, x=ONE, more={"a": TWO, "b": [ONE, ONE]})
    assert text in str(caught.value)
    assert caught.value.hint


def test_given_names_come_before_those_of_parameters_unless_all_are_named():
    one, two = inputs.leaves_of(parameters(x=ONE, y=TWO))
    given = {"y": one, "x": two, "out": None}
    values = {"x": ONE, "y": TWO}
    assert said({"y": {0: "b"}}, given, **values) == ({"x": {0: "b"}}, {})
    assert said({"y": {0: "b"}, "x": None}, given, **values) == ({"y": {0: "b"}}, {})
    assert said({"y": {0: "b"}, "out": {0: "c"}}, given, **values) == (
        {"x": {0: "b"}},
        {"out": {0: "c"}},
    )


class Hint:
    """As ``Dim.AUTO`` of torch 2.5 (an enumeration) and of later releases (a kind within)."""

    def __init__(self, name, inner=None):
        self.name, self.type = name, inner or self


@pytest.mark.parametrize(
    ("dim", "label"),
    [
        ("batch", "batch"),
        (None, None),
        (7, None),
        (Hint("AUTO"), ""),
        (Hint("x", Hint("DYNAMIC")), ""),
        (Hint("STATIC"), None),
        *([(DIM("batch", min=1, max=4), "batch")] if DIM else []),
        *([(getattr(DIM, hint), "") for hint in ("AUTO", "DYNAMIC") if hasattr(DIM, hint)]),
        *([(DIM.STATIC, None)] if hasattr(DIM, "STATIC") else []),
    ],
)
def test_labels_of_dimensions(dim, label):
    assert shapes.label_of(dim) == label


def test_something_that_is_no_dimension():
    with pytest.raises(CaptureError, match=r"dynamic_shapes holds 1\.5, a float"):
        shapes.label_of(1.5)


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"x": {-1: "b", 0: "c"}}, {"x": {1: "b", 0: "c"}}),
        ({"x": [-1, 0]}, {"x": [1, 0]}),
        ({"out": {7: "b"}, "other": [0]}, {"out": {7: "b"}, "other": [0]}),
        ({"x": None}, {"x": None}),
    ],
)
def test_axes_are_counted_from_the_front(given, result):
    assert axes.counted_from_the_front(given, {"x": ONE}) == result


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"x": {2: "b"}}, "Axis 2 of 'x' was to be dynamic"),
        ({"x": [-3]}, "Axis -3 of 'x'"),
        ({"out": {-1: "b"}}, "the rank of an output is not known before the export"),
        ({"x": {"a": "b"}}, "dynamic_axes['x'] must map names"),
    ],
)
def test_axes_that_cannot_be(given, text):
    with pytest.raises(CaptureError) as caught:
        axes.counted_from_the_front(given, {"x": ONE})
    assert text in str(caught.value)


def test_torch_gets_a_copy_of_the_axes():
    given = {"x": [0]}
    htp.export(Two(), (x(), x()), input_names=["x"], dynamic_axes=given, backend="torchscript")
    assert given == {"x": [0]}  # torch itself would write into it


# --- exports


class Two(nn.Module):
    def forward(self, x, y):
        return torch.relu(x) * 2, y + 1


class Nested(nn.Module):
    def forward(self, x, more, pair):
        return torch.relu(x), more["a"] * more["b"] + pair[0], pair[1] - 1


class Number(nn.Module):
    def forward(self, x, factor):
        return torch.relu(x) * factor


def symbols(tagged):
    """The names of the dynamic axes of each input."""
    return {
        value.name: {
            place: axis.dim_param
            for place, axis in enumerate(value.type.tensor_type.shape.dim)
            if axis.dim_param
        }
        for value in tagged.model.graph.input
    }


def found(tagged):
    """The same; of a release whose torch.export makes up the names, those that were asked for.

    torch 2.5 and 2.6 say ``s0``, whatever a ``Dim`` is called.
    """
    kept = symbols(tagged)
    if tagged.backend == "fx" and not takes_named_axes():
        return {name: sorted(places) for name, places in kept.items()}
    return kept


def expected(tagged, **names):
    """What ``found`` should give."""
    places = tagged.backend == "fx" and not takes_named_axes()
    return {name: sorted(axes) for name, axes in names.items()} if places else names


def dynamic(tagged):
    """The places of the dynamic axes of each input that has some, in order."""
    return [sorted(axes) for axes in symbols(tagged).values() if axes]


def nested():
    return (x(), {"a": x(2.0), "b": x(3.0)}, [x(4.0), x(5.0)])


@pytest.mark.parametrize("axis", [0, 1, -1, -2])
def test_the_same_axes_on_both_backends(backend, axis):
    tagged = htp.export(Two(), (x(), x()), dynamic_shapes={"x": {axis: "n"}}, backend=backend)
    assert found(tagged) == expected(tagged, x={axis % 2: "n"}, y={})


@pytest.mark.parametrize("axis", [2, -3])
@pytest.mark.parametrize("what", ["dynamic_shapes", "dynamic_axes"])
def test_an_axis_out_of_range_is_an_error_before_torch_runs(backend, axis, what):
    class Unrun(Two):
        def forward(self, x, y):
            raise AssertionError("torch ran")

    with pytest.raises(CaptureError, match=f"Axis {axis} of 'x' was to be dynamic"):
        htp.export(
            Unrun(),
            (x(), x()),
            input_names=["x", "y"],
            backend=backend,
            **{what: {"x": {axis: "n"}}},
        )


def test_negative_axes_in_dynamic_axes(backend):
    """In plain torch they end the process (``torchscript``) or are not heard of again."""
    named = {"input_names": ["x", "y"], "backend": backend}
    one = htp.export(Two(), (x(), x()), dynamic_axes={"x": {-1: "n"}, "y": {0: "m"}}, **named)
    other = htp.export(Two(), (x(), x()), dynamic_axes={"x": {1: "n"}, "y": {0: "m"}}, **named)
    assert dynamic(one) == dynamic(other) == [[1], [0]]


def test_names_of_flattened_inputs(backend):
    form = {"more_b": {0: "n"}, "more_a": {0: "n"}, "pair_0": {0: "n"}, "pair_1": {-1: "m"}}
    tagged = htp.export(Nested(), nested(), dynamic_shapes=form, backend=backend)
    wanted = expected(tagged, a={0: "n"}, b={0: "n"}, left={0: "n"}, right={1: "m"})
    assert [each for each in found(tagged).values() if each] == list(wanted.values())


def test_given_names_of_flattened_inputs(backend):
    names = ["one", "a", "b", "left", "right"]
    form = {"right": {0: "m"}, "one": {0: "n"}}
    tagged = htp.export(Nested(), nested(), input_names=names, dynamic_shapes=form, backend=backend)
    wanted = expected(tagged, one={0: "n"}, a={}, b={}, left={}, right={0: "m"})
    assert found(tagged) == wanted


def test_forms_of_torch_on_both_backends(backend):
    """By parameter and nested, and by place; here with names, which need no ``Dim``."""
    by_name = {
        "x": {0: "n"},
        "more": {"a": {0: "m"}, "b": {0: "m"}},
        "pair": [{0: "m"}, None],
    }
    by_place = ({0: "n"}, {"a": {0: "m"}, "b": {0: "m"}}, [{0: "m"}, None])
    for form in (by_name, by_place):
        tagged = htp.export(Nested(), nested(), dynamic_shapes=form, backend=backend)
        wanted = expected(tagged, a={0: "n"}, b={0: "m"}, c={0: "m"}, d={0: "m"}, e={})
        assert list(found(tagged).values()) == list(wanted.values())


@pytest.mark.skipif(DIM is None, reason="this torch has no Dim")
def test_dims_on_both_backends(backend):
    rows = DIM("rows", min=1, max=64)
    tagged = htp.export(
        Two(), (x(), x()), dynamic_shapes={"x": {0: rows}, "y": (None, None)}, backend=backend
    )
    wanted = expected(tagged, x={0: "rows"}, y={})
    assert list(found(tagged).values()) == list(wanted.values())


@pytest.mark.skipif(not hasattr(DIM, "DYNAMIC"), reason="this torch has no hints")
def test_hints_on_both_backends(backend):
    form = {"x": {0: DIM.DYNAMIC, 1: DIM.STATIC}, "y": {1: DIM.AUTO}}
    tagged = htp.export(Two(), (x(), x()), dynamic_shapes=form, backend=backend)
    assert dynamic(tagged) == [[0], [1]]


def test_a_number_beside_dynamic_shapes(backend):
    """From 1.13 on the trace makes an input of it, whose name must not be taken by another."""
    if backend == "torchscript" and "aten" in PARAMETERS:
        pytest.skip("this torch traces no numbers")
    tagged = htp.export(Number(), (x(), 2.0), dynamic_shapes={"x": {0: "n"}}, backend=backend)
    assert dynamic(tagged) == [[0]]
    if backend == "torchscript":  # the other exporter keeps a name of its own beside a number
        assert symbols(tagged)["x"] == {0: "n"}


class Held:
    """A class of one's own that torch is told to look into."""

    def __init__(self, keys, values):
        self.keys, self.values = keys, values


def registered():
    from torch.utils import _pytree

    if "fx" not in USABLE:
        pytest.skip("this torch registers no classes")
    if Held not in _pytree.SUPPORTED_NODES:
        key = _pytree.GetAttrKey
        _pytree.register_pytree_node(
            Held,
            lambda held: ([held.keys, held.values], None),
            lambda children, _: Held(*children),
            serialized_type_name="test_shapes.Held",
            flatten_with_keys_fn=lambda held: (
                [(key("keys"), held.keys), (key("values"), held.values)],
                None,
            ),
        )


class Cached(nn.Module):
    def forward(self, x, cache):
        return torch.relu(x), cache.keys[0] * 2, cache.values[0] - 1


@pytest.mark.parametrize(
    "form",
    [
        {"x": {0: "n"}, "cache_keys_0": {0: "n"}, "cache_1": {0: "m"}},  # by the names of leaves
        {"x": {0: "n"}, "cache": [[{0: "n"}], [{0: "m"}]]},  # torch's
        {"cache_0": {0: "n"}, "cache_values_0": {0: "m"}, "x": {0: "n"}},
    ],
)
def test_a_registered_class(form):
    registered()
    cache = Held([x(2.0)], [x(3.0)])
    tagged = htp.export(Cached(), (x(), cache), dynamic_shapes=form, backend="fx")
    assert dynamic(tagged) == [[0], [0], [0]]


def test_a_cache_of_transformers():
    from torch.utils import _pytree

    transformers = pytest.importorskip("transformers")
    kind = getattr(transformers, "DynamicCache", None)
    if "fx" not in USABLE or kind not in _pytree.SUPPORTED_NODES:
        pytest.skip("torch or transformers is too old to export it")

    class Attends(nn.Module):
        def forward(self, x, cache):
            return torch.relu(x), cache.key_cache[0] * 2, cache.value_cache[0] - 1

    def cache():
        made = kind()
        made.update(x()[None, None], x(2.0)[None, None], 0)
        return made

    named = {"x": {0: "n"}, "cache_key_cache_0": {2: "m"}, "cache_value_cache_0": {-2: "k"}}
    torchs = {"x": {0: "n"}, "cache": [[{2: "m"}], [{2: "k"}]]}
    for form in (named, torchs):
        tagged = htp.export(Attends(), (x(), cache()), dynamic_shapes=form, backend="fx")
        wanted = expected(tagged, x={0: "n"}, keys={2: "m"}, values={2: "k"})
        assert list(found(tagged).values()) == list(wanted.values())


@pytest.mark.skipif(not hasattr(getattr(torch, "export", None), "ShapesCollection"), reason="none")
def test_shapes_that_were_collected():
    """``torch.export.ShapesCollection`` tells them by tensor; here for the older exporter."""
    one, other = x(), x(2.0)
    collected = torch.export.ShapesCollection()
    collected[one] = {0: DIM("n")}
    collected[other] = (None, DIM("m"))
    tagged = htp.export(Two(), (one, other), dynamic_shapes=collected, backend="torchscript")
    assert symbols(tagged) == {"x": {0: "n"}, "y": {1: "m"}}


def test_both_kinds_of_axes_for_torchscript():
    with pytest.raises(CaptureError, match="Both dynamic_axes and dynamic_shapes"):
        htp.export(
            Two(),
            (x(), x()),
            dynamic_axes={"x": [0]},
            dynamic_shapes={"x": {0: "n"}},
            backend="torchscript",
        )


def test_keyword_inputs_that_torch_leaves_unread():
    with pytest.warns(UserWarning, match="torch left 'z' of the keyword inputs unread"):
        htp.export(Two(), (x(), {"y": x(), "z": x()}), backend="torchscript")
    with pytest.warns(UserWarning, match="torch left 'y' of the keyword inputs unread"):
        htp.export(Two(), (x(), x()), kwargs={"y": x()}, backend="torchscript")
