"""The parts of the backend ``fx`` on literals, without an export."""

from types import SimpleNamespace

import pytest

from htp.backends.common.align import align
from htp.backends.fx.built import BuiltGraph
from htp.backends.fx.faults import Faults
from htp.backends.fx.ir import MARK
from htp.backends.fx.marks import Marks, taken_off
from htp.backends.fx.stack import StackReader
from htp.backends.fx.storages import StorageWrites
from htp.backends.fx.values import Aliases, Seen, Value, placed
from htp.backends.fx.views import Again, Operation
from htp.backends.fx.written import Replacements, WrittenValues
from htp.errors import CaptureError
from htp.graph.records import GraphRecord, NodeRecord
from htp.scope import ModuleCall, Owner, Sharing

ROOT = ModuleCall("", "Model", 0)
A, B, C = ((ROOT, ModuleCall(name, "Linear", 0)) for name in "abc")


# --- a small IR, with what the backend reads of the real one


class IrValue:
    def __init__(self, name, maker=None):
        self.name, self._maker, self.metadata_props, self.const_value = name, maker, {}, None

    def producer(self):
        return self._maker


class IrNode:
    def __init__(self, op_type, inputs, outputs, owner=None):
        self.op_type, self.domain, self.inputs, self.attributes = op_type, "", list(inputs), {}
        self.outputs = [IrValue(name, self) for name in outputs]
        self.metadata_props, self.name, self.graph = {}, "", None
        self.meta = {} if owner is None else {"node": SimpleNamespace(name="fx", owner=owner)}


class IrGraph:
    def __init__(self, inputs, nodes, outputs):
        self.inputs, self.nodes, self.outputs = inputs, nodes, outputs
        self.initializers, self.metadata_props = {}, {}

    def __iter__(self):
        return iter(self.nodes)


def ir_model(inputs, nodes, outputs):
    graph = IrGraph(inputs, nodes, outputs)
    return SimpleNamespace(graph=graph, functions={}, metadata_props={}, opset_imports={"": 18})


def owner_of(node):
    return node.meta["node"].owner if "node" in node.meta else None


# --- marks


def two_nodes(op_a="Conv", op_b="BatchNormalization"):
    x = IrValue("x")
    one = IrNode(op_a, [x], ["p"], A)
    two = IrNode(op_b, one.outputs if op_a != op_b else [x], ["q"], B)
    return ir_model([x], [one, two], two.outputs), one, two


def test_marks_tell_that_nothing_changed():
    model, one, _ = two_nodes()
    marks = Marks(model, owner_of)
    assert [key[: len(MARK)] for key in one.metadata_props] == [MARK]
    after, same = marks.collect(model)
    assert same
    assert [node.owner for node in after.nodes] == [Owner(A), Owner(B)]
    assert not one.metadata_props


def test_a_node_with_the_marks_of_different_ones_was_fused():
    model, one, two = two_nodes()
    marks = Marks(model, owner_of)
    new = IrNode("Conv", one.inputs, ["q"])
    new.metadata_props.update({**one.metadata_props, **two.metadata_props})
    model.graph.nodes[:] = [new]
    after, same = marks.collect(model)
    assert not same
    assert after.nodes[0].owner == Owner((ROOT,), (A[-1], B[-1]), Sharing.FUSED)
    assert marks.fused == {id(one.outputs[0]), id(two.outputs[0])}


@pytest.mark.parametrize("both", [False, True])
def test_equal_nodes_of_which_one_is_left_were_merged(both):
    model, one, two = two_nodes("Relu", "Relu")
    marks = Marks(model, owner_of)
    if both:  # whether or not the pass merges metadata as well
        one.metadata_props.update(two.metadata_props)
    model.graph.nodes[:] = [one]
    after, _ = marks.collect(model)
    assert after.nodes[0].owner == Owner(A, (B[-1],), Sharing.MERGED)
    assert not marks.fused


def test_nodes_that_differ_in_what_they_read_are_not_merged():
    model, one, two = two_nodes("Relu", "Relu")
    two.inputs[:] = [IrValue("y")]
    marks = Marks(model, owner_of)
    model.graph.nodes[:] = [one]
    assert marks.collect(model)[0].nodes[0].owner == Owner(A)


def test_a_constant_that_torch_made_once_for_several_is_merged():
    constant = IrNode("Constant", [], ["c"], A)
    users = [IrNode("Add", constant.outputs, ["p"], A), IrNode("Mul", constant.outputs, ["q"], B)]
    model = ir_model([], [constant, *users], [users[1].outputs[0]])
    after, _ = Marks(model, owner_of).collect(model)
    assert after.nodes[0].owner == Owner(A, (B[-1],), Sharing.MERGED)


def test_the_body_of_a_function_belongs_to_what_its_callers_have_in_common():
    callers = [IrNode("twice", [], ["p"], A), IrNode("twice", [], ["q"], B)]
    model = ir_model([], callers, [])
    body = IrGraph([], [IrNode("Add", [], ["r"])], [])
    body.domain, body.name = "", "twice"
    model.functions["", "twice", ""] = body
    after, _ = Marks(model, owner_of).collect(model)
    # The code stands once for the operations of both; neither call is its first.
    assert after.functions[0].nodes[0].owner == Owner((ROOT,), (A[-1], B[-1]), Sharing.FUSED)


def test_marks_are_off_while_torch_writes():
    model, one, _ = two_nodes()
    one.metadata_props["theirs"] = "1"
    marks = Marks(model, owner_of)
    before = dict(one.metadata_props)
    with taken_off(model):
        assert one.metadata_props == {"theirs": "1"}
    assert one.metadata_props == before
    assert marks.collect(model)[1]


# --- values


def named(model, built, replaced=None, fused=(), **given):
    value = Value()
    for name, what in given.items():
        setattr(value, name, what)
    marks = SimpleNamespace(fused=set(fused))
    written = WrittenValues(model, built, replaced or Replacements(), marks)
    call = SimpleNamespace(stack=A, inputs=[Seen(("0",), value)], outputs=None)
    (record,) = written.records([call])
    assert record.outputs is None
    return record.inputs[0].name, record.inputs[0].reason


def chain():
    x = IrValue("x")
    one = IrNode("Relu", [x], ["p"])
    two = IrNode("Tanh", one.outputs, ["q"])
    dead = IrNode("Exp", one.outputs, ["dead"])
    fixed = IrNode("Shape", [], ["fixed"])
    end = IrNode("Add", [two.outputs[0], fixed.outputs[0]], ["end"])
    model = ir_model([x], [one, two, dead, fixed, end], end.outputs)
    return model, [node.outputs[0] for node in model.graph.nodes]


def test_a_value_that_is_still_there_has_its_name():
    model, (p, q, *_) = chain()
    built = BuiltGraph(model)
    assert named(model, built, found=[p]) == ("p", None)
    assert named(model, built, found=[p, q]) == (None, "ambiguous")
    assert named(model, built, found=[p, p]) == ("p", None)
    assert named(model, built, found=[p], reshaped=True) == (None, "rewritten")


def test_a_value_is_followed_to_what_took_its_place():
    model, (p, q, *_) = chain()
    built, replaced = BuiltGraph(model), Replacements()
    new = IrNode("New", [p], ["n"])
    model.graph.nodes[1] = new
    replaced.note(q, IrValue("between"))
    replaced.note(replaced.follow(q, {}), new.outputs[0])
    assert named(model, built, replaced, found=[q]) == ("n", None)


def test_a_merged_value_names_the_equal_one_that_was_there_before():
    model, (p, q, *_) = chain()
    built, replaced = BuiltGraph(model), Replacements()
    del model.graph.nodes[1]
    replaced.note(q, p)
    assert named(model, built, replaced, found=[q]) == ("p", "merged")


def test_a_dropped_identity_hands_on_what_it_read():
    model, (_, q, *_) = chain()
    node = q.producer()
    node.op_type = "Identity"
    built, replaced = BuiltGraph(model), Replacements()
    replaced.note_identity(node)
    assert named(model, built, replaced, found=[q]) == ("q", None)
    model.graph.nodes.remove(node)
    assert named(model, built, replaced, found=[q]) == ("p", "merged")


def test_a_folded_identity_stands_for_what_it_read():
    """Both became constants, and that of what it read was dropped since nobody read it then."""
    model, (p, q, *_) = chain()
    node = q.producer()
    node.op_type = "Identity"
    built, replaced = BuiltGraph(model), Replacements()
    replaced.note_identity(node)
    constant = IrValue("alias")
    replaced.note(p, IrValue("gone"))
    replaced.note(q, constant)
    del model.graph.nodes[:2]
    assert named(model, built, replaced, found=[p]) == (None, "rewritten")
    model.graph.initializers["alias"] = constant
    assert named(model, built, replaced, found=[p]) == ("alias", None)


def constant(name, contents):
    value = IrValue(name)
    value.const_value = SimpleNamespace(size=1, dtype="INT8", shape=[4], tobytes=lambda: contents)
    return value


@pytest.mark.parametrize("left", ["read", "slice"])
@pytest.mark.parametrize("contents", [b"same", b"else"])
def test_a_folded_operation_that_changed_nothing_stands_for_what_it_read(contents, left):
    """Whichever of the two constants somebody still reads."""
    model, (p, q, *_) = chain()
    built, replaced = BuiltGraph(model), Replacements()
    read, new = constant("read", b"same"), constant("slice", contents)
    replaced.note(p, read)
    q.producer().inputs[:] = [read]
    replaced.note(q, new)
    del model.graph.nodes[:2]
    model.graph.initializers[left] = {"read": read, "slice": new}[left]
    same = contents == b"same"
    assert named(model, built, replaced, found=[p])[0] == (left if same or left == "read" else None)
    assert named(model, built, replaced, found=[q])[0] == (
        left if same or left == "slice" else None
    )


def test_the_reason_for_no_name():
    model, (p, q, dead, fixed, _) = chain()
    built = BuiltGraph(model)
    del model.graph.nodes[:-1]
    assert named(model, built, found=[p]) == (None, "rewritten")
    assert named(model, built, fused=[id(q)], found=[q]) == (None, "fused")
    assert named(model, built, found=[dead]) == (None, "unread")
    assert named(model, built, found=[fixed]) == (None, "folded")
    assert named(model, built, found=[q], inner=True) == (None, "body")
    assert named(model, built) == (None, "unread")
    assert named(model, built, lost=True) == (None, "untraced")


def test_a_model_that_was_read_anew_has_the_same_names():
    model, (p, *_) = chain()
    built = BuiltGraph(model)
    anew, _ = chain()
    assert named(anew, built, found=[p]) == ("p", None)
    assert named(anew, built, found=[IrValue("other")]) == (None, "unread")


def test_places_are_those_of_the_calls_own_structure():
    torch = pytest.importorskip("torch")
    one, two = torch.ones(1), torch.zeros(1)
    assert [place for place, _ in placed((one, {"a": [two, 3]}, None))] == [("0",), ("1", "a", "0")]


# --- nodes that torch traced


def fx_node(name, *args, view=False, writes=False, given=None):
    argument = SimpleNamespace(
        name="self", alias_info=SimpleNamespace(is_write=writes) if view or writes else None
    )
    schema = SimpleNamespace(arguments=[argument])
    target = given or SimpleNamespace(_schema=schema, is_view=view)
    return Node(name, target, args)


class Node:
    def __init__(self, name, target, args):
        self.name, self.target, self.args, self.kwargs = name, target, args, {}
        self.op, self.meta = "call_function", {}


def test_what_shares_memory_is_stale_once_it_was_written_to():
    aliases = Aliases()
    x = fx_node("x")
    view = fx_node("view", x, view=True)
    other = fx_node("other", x)
    written = fx_node("add_", view, writes=True)
    later = fx_node("later", written, view=True)
    for node in (x, view, other, written, later):
        aliases.created(node)
    assert [aliases.stale(node) for node in (x, view, other)] == [True, True, False]
    assert not aliases.stale(written)
    assert not aliases.stale(later)
    aliases.created(fx_node("mul_", later, writes=True))
    assert aliases.stale(written)
    assert aliases.stale(later)


class Functional:
    """A functional tensor, with the number of its memory."""

    def __init__(self, memory):
        self.elem = SimpleNamespace(untyped_storage=lambda: SimpleNamespace(_cdata=memory))


def test_the_tensor_that_was_written_last_is_the_latest():
    writes = StorageWrites()
    x, same, other = Functional(1), Functional(1), Functional(2)

    def run(node, *args, result=None):
        writes.begin()
        writes.end(node.target, args, None, result)

    write, view = fx_node("add_", writes=True), fx_node("view", view=True)
    run(view, x, result=same)
    assert not writes.latest(x)
    run(write, same)
    assert [writes.latest(each) for each in (x, same, other)] == [False, True, False]
    late, stale = Functional(1), Functional(1)
    run(view, same, result=late)
    run(view, x, result=stale)
    assert [writes.latest(each) for each in (late, stale, same)] == [True, False, True]
    run(write, x)
    assert [writes.latest(each) for each in (late, same, x)] == [False, False, True]


def test_an_operation_that_consists_of_others_writes_nothing_itself():
    writes = StorageWrites()
    x, view = Functional(1), Functional(1)
    write = fx_node("add_", writes=True).target
    writes.begin()
    writes.begin()
    writes.end(write, (view,), None, view)
    writes.end(write, (x,), None, x)
    assert [writes.latest(each) for each in (x, view)] == [False, True]


@pytest.mark.parametrize("same", [True, False])
def test_a_view_that_is_computed_once_more_stands_for_the_one_of_the_chain(same):
    x = Node("x", None, ())
    a = fx_node("a", x, view=True)
    b = fx_node("b", a, view=True)
    slot = SimpleNamespace(proxy=SimpleNamespace(node=b))
    tracer = SimpleNamespace(tensor_tracker={"tensor": slot})
    new = Node("new", None, ())
    operation = Operation([("tensor", same)])
    a2 = fx_node("a2", new, given=a.target)
    b2 = fx_node("b2", a2, given=b.target)
    assert operation.earlier(a2, tracer) == Again(a, same)
    assert operation.earlier(b2, tracer) == Again(b, same)
    assert operation.earlier(fx_node("own", b, given=b.target), tracer) is None
    assert operation.earlier(fx_node("another", new, view=True), tracer) is None
    assert Operation([]).earlier(a2, tracer) is None


# --- torch's own stacks


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("", ""),
        ("L['self'].left", "left"),
        ("L['self']._modules['left'].inner", "left.inner"),
        ("L__self__.layers[0]", "layers.0"),
        ("_export_root.left", "left"),
        ("a__b", "a__b"),
        ("__mark__.c", "__mark__.c"),
        ("L['self'].a__b.c", "a__b.c"),
        ("a-b", "a-b"),
        ("L['self']._modules['a-b']", "a-b"),
        ("layers['a b'].c", "layers.a b.c"),
        ("forward.__closure__[1].cell_contents.__self__.left", None),
        ("__known__.left", "__known__.left"),
    ],
)
def test_paths_are_read_as_torch_writes_them(written, path):
    reader = StackReader()
    tensors = {"__known__.left.weight": 0}
    reader.of_program(SimpleNamespace(state_dict=tensors, constants={}))
    stack = reader.read({"root": ("", "Model"), "key@2": (written, "Part")})
    wanted = [("", "Model", 0), (path, "Part", 2)] if path else [("", "Model", 0)]
    assert list(stack) == wanted


# --- the file beside what was recorded


def nodes(*rows):
    return GraphRecord(nodes=[NodeRecord(op, [], [out], owner) for op, out, owner in rows])


def test_a_file_takes_the_recorded_owners():
    written = nodes(("Relu", "p", None), ("Tanh", "q", None))
    align(written, nodes(("Relu", "p", Owner(A)), ("Tanh", "q", None)).walk(), MARK)
    assert [node.owner for node in written.nodes] == [Owner(A), None]


@pytest.mark.parametrize(
    "recorded",
    [
        [("Exp", "p", None), ("Tanh", "q", None)],
        [("Relu", "p", None), ("Tanh", "r", None)],
        [("Relu", "p", None)],
        [("Relu", "p", None), ("Tanh", "q", None), ("Tanh", "r", None)],
    ],
)
def test_a_file_that_differs_is_refused(recorded):
    written = nodes(("Relu", "p", None), ("Tanh", "q", None))
    with pytest.raises(CaptureError, match="but HTP recorded"):
        align(written, nodes(*recorded).walk(), MARK)


def test_a_mark_in_the_file_is_refused():
    written = nodes(("Relu", "p", None))
    written.nodes[0].keys = ("theirs", f"{MARK}3")
    with pytest.raises(CaptureError, match="mark"):
        align(written, nodes(("Relu", "p", None)).walk(), MARK)


# --- faults


def test_the_first_fault_is_kept_and_nothing_is_recorded_after_it():
    faults, done = Faults(), []

    def fail(text):
        raise ValueError(text)

    assert faults.guard(len, "abc") == 3
    assert faults.guard(fail, "first") is None
    assert faults.guard(fail, "second") is None
    faults.guard(done.append, 1)
    assert (str(faults.first), done) == ("first", [])
