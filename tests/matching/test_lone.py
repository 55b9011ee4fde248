"""Operations that are the only ones of their kind on a value, and what helps others."""

from drawn import carried, owners, side

from htp.graph.records import GraphRecord, NodeRecord
from htp.matching import Side

NORM = """
    norm: %1 = Cast/1 %x
    norm: %2 = Pow %1 %two
    norm: %3 = ReduceMean %2
    norm: %4 = Add %3 %eps
    norm: %5 = Sqrt %4
    norm: %6 = Div %1 %5
    gate: %7 = Sigmoid %6
    up: %8 = Mul %6 %7
"""
HALVES = """
    %a = Pow %i %c1
    %b = ReduceMean %a
    %c = Add %b %c2
    %d = Sqrt %c
    %e = Div %i %d
    %f = Sigmoid %e
    %g = Mul %e %f
"""


def paths(old, new, weights, others, inputs=("i",)):
    matched = carried(side(old, weights), side(new, others, inputs=inputs))
    return [path for path, _ in owners(matched)]


def test_other_constants_and_a_cast_that_is_gone():
    found = paths(NORM, HALVES, ("two", "eps"), {"c1": "half", "c2": "half too"})
    assert found == ["norm"] * 5 + ["gate", "up"]


def test_a_cast_to_another_type():
    new = "%z = Cast/2 %i\n" + HALVES.replace("%i", "%z")
    found = paths(NORM, new, ("two", "eps"), {"c1": "half", "c2": "half too"})
    assert found == ["norm"] * 6 + ["gate", "up"]


def test_what_was_folded_into_it_goes_with_it():
    """The new Conv stands for both, for nothing that read the old one reads it."""
    old = """
        block.conv: %1 = Conv %x %w %b
        block.norm: %2 = BatchNormalization %1 %g
        act: %3 = Relu %2
    """
    new = "%n = Conv %i %k %l\n%m = Relu %n"
    assert paths(old, new, ("w", "b", "g"), {"k": "1", "l": "2"}) == ["block", "act"]


def test_two_of_a_kind_are_not_told_apart():
    old = "a: %1 = Mul %x %v\nb: %2 = Mul %x %w\nc: %3 = Concat %1 %2"
    new = "%p = Mul %i %s\n%q = Mul %i %t\n%r = Add %q %p"
    found = paths(old, new, ("v", "w"), {"s": "1", "t": "2"})
    assert found[0] == found[1] == ""


def test_what_computes_a_scale_helps_who_reads_it():
    old = "before: %1 = Relu %x\nfc: %2 = MatMul %1 %w\nact: %3 = Tanh %2"
    new = """
        %a = Relu %i
        %q %s %z = DynamicQuantizeLinear %a
        %f = Mul %s %t
        %b = MatMulInteger %q %k %z
        %c = Cast %b
        %d = Mul %c %f
        %e = Tanh %d
    """
    found = paths(old, new, ("w",), {"k": "bytes", "t": "a scale"})
    assert found == ["before", "before", "fc", "fc", "fc", "fc", "act"]


def branches(order, prefix):
    """An If whose branches do the same by operators that tell nothing."""
    nodes = [NodeRecord("If", ["q"], [f"{prefix}r"], bodies=[])]
    for name in order:
        value = f"{prefix}{name}"
        body = [NodeRecord("Tanh", ["x"], [value + "1"]), NodeRecord("Exp", [value + "1"], [value])]
        nodes[0].bodies.append(GraphRecord([], [value], body, name=f"{name}/0"))
    return GraphRecord(["x", "q"], [f"{prefix}r"], nodes)


def test_branches_in_another_order():
    old = branches(("then", "else"), "o")
    tags = [told for _, told in zip(old.walk(), side(THEN_ELSE).tags)]
    new = branches(("else", "then"), "n")
    matched = carried(Side(old, tags, {}), Side(new, [None] * 5, {}))
    assert [path for path, _ in owners(matched)] == ["", "no", "no", "yes", "yes"]


THEN_ELSE = """
    : %1 = If %q
    yes: %2 = Tanh %x
    yes: %3 = Exp %2
    no: %4 = Tanh %x
    no: %5 = Exp %4
"""


def test_each_call_of_a_layer_that_runs_twice():
    """Its weights are read twice: what each works on tells which it is."""
    old = """
        fc@0: %1 = MatMul %x %w
        fc@0: %2 = Add %1 %b
        act@0: %3 = Relu %2
        fc@1: %4 = MatMul %3 %w
        fc@1: %5 = Add %4 %b
        act@1: %6 = Tanh %5
    """
    new = "%p = Gemm %i %k %l\n%q = Relu %p\n%r = Gemm %q %k %l\n%s = Tanh %r"
    matched = carried(side(old, ("w", "b")), side(new, {"k": "of w", "l": "of b"}, inputs=["i"]))
    assert [(tag.path, tag.call) for tag in matched.tags] == [
        ("fc", 0),
        ("act", 0),
        ("fc", 1),
        ("act", 1),
    ]


def test_the_only_reader_of_a_value_whatever_else_it_reads():
    """Scores times values; the scores' scale, and what reads the result, were fused elsewhere."""
    old = """
        fc@0: %p = MatMul %x %w
        fc@0: %q = Add %p %b
        value: %v = Tanh %q
        attend: %1 = MatMul %q %q
        attend: %2 = Div %1 %c
        attend: %3 = Softmax %2
        mix: %4 = MatMul %3 %v
        fc@1: %5 = MatMul %4 %w
        fc@1: %6 = Add %5 %b
    """
    new = """
        %n = Gemm %i %k %l
        %a = Tanh %n
        %d = FusedMatMul %n %n
        %s = Softmax %d
        %m = MatMul %s %a
        %r = Gemm %m %k %l
    """
    found = paths(old, new, ("w", "b", "c"), {"k": "of w", "l": "of b"})
    assert found == ["fc", "value", "attend", "attend", "mix", "fc@1"]
