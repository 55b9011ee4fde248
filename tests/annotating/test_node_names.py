"""Names of the TorchScript exporter, undone."""

import pytest
from annotating.literals import graph, model, modules, node, subject, told

NAMES = "node names"


def chain(*names, reads=()):
    """Nodes of these names, each reading the one before it, and a weight where there is one."""
    weights = dict(zip(names, reads))
    values = ["x", *(f"v{at}" for at in range(len(names)))]
    nodes = [
        node(name, f"{values[at]} {weights.get(name, '')}", values[at + 1])
        for at, name in enumerate(names)
    ]
    return graph(*nodes, initializers=" ".join(filter(None, reads)))


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("/encoder/layer.0/attention/Add", "encoder.layer.0.attention"),
        ("/layer1/layer1.0/conv1/Conv_2", "layer1.0.conv1"),
        ("/Add", ""),
        ("Constant_3", None),
        ("//Add", None),
        ("/a/", None),
        ("", None),
        ("/" * 200 + "a/Add", None),
    ],
)
def test_without_a_model(name, owner):
    assert told(subject(chain(name)), NAMES) == [owner]


def test_a_number_is_a_call_where_the_calls_before_it_are_there():
    given = chain("/a/Op", "/a_1/Op", "/b_1/Op", "/a_3/Op")
    assert told(subject(given), NAMES) == ["a", "a@1", "b_1", "a_3"]


def test_a_number_is_a_name_where_the_weights_are_others():
    names = ("/a/Op", "/a_1/Op")
    assert told(subject(chain(*names, reads=("a.w", "a.w"))), NAMES) == ["a", "a@1"]
    assert told(subject(chain(*names, reads=("a.w", "a_1.w"))), NAMES) == ["a", "a_1"]


def test_with_a_model_a_number_is_what_the_model_has():
    known = modules("lin", "lin_1", "act")
    names = ("/lin/Op", "/lin_1/Op", "/act/Op", "/act_1/Op")
    given = subject(chain(*names, reads=("lin.w", "lin_1.w")), model=model(known))
    assert told(given, NAMES) == ["lin", None, "act", "act@1"]  # lin_1 may be either
    known = modules("lin", "lin_1", tensors=("lin.w", "lin_1.w"))
    given = subject(chain(*names[:2], reads=("lin.w", "lin_1.w")), model=model(known))
    assert told(given, NAMES) == ["lin", "lin_1"]


def test_modules_that_no_one_calls_are_found_below():
    known = modules("body", "body.inner", "body.inner.lin")
    assert told(subject(chain("/body/lin/Op"), model=model(known)), NAMES) == ["body.inner.lin"]
    given = chain("/body/lin/Op", reads=("body.inner.lin.weight",))
    assert told(subject(given), NAMES) == ["body.inner.lin"]


def test_a_name_that_several_modules_have_is_not_guessed():
    known = modules("left", "left.act", "right", "right.act")
    assert told(subject(chain("/act/Op"), model=model(known)), NAMES) == [None]


def test_weights_settle_which_of_them_it_is():
    known = modules(
        *("layers", "layers.0", "layers.0.lin", "layers.1", "layers.1.lin"),
        lists=("layers",),
        tensors=("layers.0.lin.w", "layers.1.lin.w"),
    )
    names = ("/lin/Op", "/lin_1/Op")
    given = subject(chain(*names, reads=("layers.0.lin.w", "layers.1.lin.w")), model=model(known))
    assert told(given, NAMES) == ["layers.0.lin", "layers.1.lin"]


def test_a_module_of_another_model_is_unknown():
    assert told(subject(chain("/other/Op"), model=model(modules("body"))), NAMES) == [None]


def test_the_path_is_that_which_the_caller_has():
    known = modules("a", "a.act", "b", "b.act", aliases={"b.act": "a.act"})
    given = subject(chain("/a/act/Op", "/b/act/Op"), model=model(known))
    assert told(given, NAMES) == ["a.act", "b.act@1"]


def test_weights_that_were_renamed_leave_the_owner_open():
    """A normalisation was folded into the convolution, and who knows which."""
    record = graph(node("/conv/Conv", "x onnx::1 onnx::2", "y"), initializers="onnx::1 onnx::2")
    assert told(subject(record), NAMES) == [None]


def test_every_name_is_read_once_however_many_nodes_have_it():
    names = [f"/a{at % 500}/b/Op_{at}" for at in range(20_000)]
    assert told(subject(chain(*names)), NAMES)[-1] == "a499.b"
