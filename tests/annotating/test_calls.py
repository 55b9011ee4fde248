"""Calls that no source tells apart, by the order of nodes."""

from annotating.literals import graph, model, modules, node, subject

from htp.annotating.joined import annotated


def scopes(*paths):
    """Nodes with torch's metadata that ran in these modules one after the other."""
    props, nodes = [], []
    for at, path in enumerate(paths):
        parts = path.split(".") if path else []
        chain = ["", *(".".join(parts[: depth + 1]) for depth in range(len(parts)))]
        texts = [repr([*chain, "op"]), repr(["Net", *("Mod" for _ in parts), "aten.op"])]
        keys = ("pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy")
        props.append(dict(zip(keys, texts)))
        nodes.append(node(f"node_{at}", f"v{at - 1}" if at else "x", f"v{at}"))
    return subject(graph(*nodes), props)


def stacks(given):
    return ["/".join(map(str, tag.stack[1:])) for tag in annotated(given, flow=False).tags]


def test_what_is_left_and_entered_again_is_called_again():
    given = scopes("a.b", "a.b", "a", "a.d", "a.b", "c", "a.b")
    assert stacks(given) == ["a/a.b", "a/a.b", "a", "a/a.d", "a/a.b@1", "c", "a@1/a.b@2"]


def test_modules_called_in_turns_are_of_as_many_calls():
    given = scopes("a.b", "a.c", "a", "a.b", "a.c", "a")
    assert stacks(given) == [
        *("a/a.b", "a/a.c", ""),  # of the first call, or of the second
        *("a@1/a.b@1", "a@1/a.c@1", "a@1"),
    ]


def test_one_module_called_again_and_again_may_be_so_by_one_call():
    given = scopes("a", "a.b", "a", "a.b", "a")
    assert stacks(given) == ["a", "a/a.b", "", "a/a.b@1", ""]


def test_the_calls_of_a_module_count_by_whatever_way_it_is_reached():
    given = scopes("a.act", "b.act", "a.act")
    given = subject(
        given.graph,
        given.props,
        model=model(modules("a", "a.act", "b", "b.act", aliases={"b.act": "a.act"})),
    )
    assert stacks(given) == ["a/a.act", "b/b.act@1", "a@1/a.act@2"]


def test_types_come_from_the_metadata_or_from_the_model():
    given = scopes("a")
    assert annotated(given).tags[0].type == "Mod"
    given = subject(given.graph, given.props, model=model(modules("a")))
    assert annotated(given).tags[0].type == "net.A"
