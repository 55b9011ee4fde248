"""Asking the nodes of a TorchScript graph, on graphs made by hand."""

import torch

from htp.backends.common.modules import ModuleNames
from htp.backends.torchscript.ir import blocks, census, nodes
from htp.backends.torchscript.recorder import Recorder
from htp.backends.torchscript.scopes import CallLog

PYTHON_OP = "prim::PythonOp"


def graph_of(*kinds, inside=()):
    """A graph of nodes of these kinds; those whose place is ``inside`` have a block."""
    graph = torch._C.Graph()
    for at, kind in enumerate(kinds):
        node = graph.insertNode(graph.create(kind, [], 1))
        if at in inside:
            node.addBlock()
    return graph


def test_some_python_operators_have_blocks_and_some_have_none():
    """What the first one has tells nothing of the next one, unlike for all other kinds."""
    graph = graph_of(PYTHON_OP, PYTHON_OP, PYTHON_OP, inside=(1,))
    assert [len(blocks(node)) for node in nodes(graph)] == [0, 1, 0]


def test_a_census_counts_and_numbers():
    graph = graph_of("prim::Constant", "aten::relu", "prim::Constant", PYTHON_OP)
    first, _, third, _ = [node.outputsAt(0).unique() for node in graph.nodes()]
    assert census(graph, "prim::Constant") == (2, [first, third])


def test_a_graph_with_blocks_has_no_census():
    assert census(graph_of("aten::relu", PYTHON_OP, inside=(1,)), "prim::Constant") is None


def test_a_conversion_that_failed_is_forgotten_when_another_one_succeeds():
    told = Recorder(CallLog(ModuleNames(torch.nn.Module())), torch.nn.Module())
    graph = graph_of("aten::relu", "aten::exp")
    relu, exp = nodes(graph)
    told.after_failed_conversion(told.before_conversion(relu), relu)
    assert told.where().operator == "aten::relu"
    outer = told.before_conversion(exp)
    assert told.where().operator == "aten::exp"
    told.after_conversion(outer, exp, [], exp.outputsAt(0))
    told.check()
    assert told.where().operator == ""
