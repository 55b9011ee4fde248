"""Nodes of which nobody tells."""

from annotating.literals import graph, node, subject, told


def test_between_two_nodes_of_one_call():
    given = graph(node("/a/Op", "x", "p"), node("", "p", "q"), node("/a/Op_1", "q", "y"))
    assert told(subject(given)) == ["a", "a", "a"]


def test_a_row_of_them():
    given = graph(
        *(node("/a/Op", "x", "p"), node("", "p", "q"), node("", "q", "r")),
        node("/a/Op_1", "r", "y"),
    )
    assert told(subject(given)) == ["a", "a", "a", "a"]


def test_between_two_modules_it_is_of_neither_and_not_of_the_root():
    given = graph(node("/a/Op", "x", "p"), node("", "p", "q"), node("/b/Op", "q", "y"))
    assert told(subject(given)) == ["a", None, "b"]


def test_at_an_end_it_is_of_no_one():
    given = graph(node("", "x", "p"), node("/a/Op", "p", "q"), node("", "q", "y"))
    assert told(subject(given)) == [None, "a", None]


def test_what_computes_from_no_node_was_made_for_its_readers():
    given = graph(node("", "", "c"), node("/a/Op", "x c", "p"), node("/b/Op", "p c", "y"))
    assert told(subject(given)) == ["a", "a", "b"]


def test_a_body_is_not_told_by_what_is_around_it():
    body = graph(node("", "p", "b"), inputs="")
    given = graph(
        node("/a/Op", "x", "p"), node("/a/If", "p", "q", bodies=[body]), node("/a/Op", "q", "y")
    )
    assert told(subject(given)) == ["a", "a", None, "a"]


def test_a_long_graph():
    nodes = [node("/a/Op", "x", "v0")]
    nodes += [node("", f"v{at} v{at // 2}", f"v{at + 1}") for at in range(20_000)]
    nodes.append(node("/a/Op", "v20000", "y"))
    assert set(told(subject(graph(*nodes)))) == {"a"}
