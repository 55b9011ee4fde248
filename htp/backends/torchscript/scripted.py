"""Module calls of scripted models.

A scripted model is not run when it is exported: torch inlines the graphs of its methods into one.
The call is a node until then, ``prim::CallMethod``, so a marker before and one behind it say in the
inlined graph where each call begins and ends, loops and branches included.
"""

from contextlib import contextmanager
from functools import reduce
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

from htp.backends.torchscript.ir import copied, nodes
from htp.backends.torchscript.markers import EXIT, is_marker, marker, take_out
from htp.backends.torchscript.scopes import CallLog
from htp.scope import Stack

if TYPE_CHECKING:
    from htp.backends.torchscript.recorder import Recorder


def is_scripted(model: Any) -> bool:
    """Whether a model is not run when it is exported."""
    import torch

    return isinstance(model, (torch.jit.ScriptModule, torch.jit.ScriptFunction))


@contextmanager
def marked(model: Any, recorder: "Recorder") -> Iterator[None]:
    """Put markers into a scripted model for the length of its export; other models have none."""
    if not is_scripted(model):
        yield
        return
    with Markers(model) as markers:
        recorder.markers = markers
        yield


class Markers:
    """The markers of one scripted model: a context manager that puts them in and restores.

    Torch's exporter itself changes the graph of ``forward`` in place (it substitutes function
    calls), and every later export of that class would see the change. So the graphs are copied
    before and rebuilt after, which also takes the markers out.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._kept: List[Tuple[Any, Any]] = []

    def __enter__(self) -> "Markers":
        root = getattr(self._model, "forward", self._model).graph  # a function is its own
        for graph in [root, *_graphs(self._model)]:
            if any(is_marker(node) for node in nodes(graph)):
                continue  # another instance of the same type shares it
            self._kept.append((graph, copied(graph)))
            if not _mark(graph) and len(self._kept) > 1:
                self._kept.pop()
        return self

    def __exit__(self, *error: object) -> None:
        self.restore()

    def restore(self) -> None:
        """Give every graph back what it held. A second call does nothing."""
        while self._kept:
            _rebuild(*self._kept.pop())


def _rebuild(graph: Any, copy: Any) -> None:
    """Make ``graph`` hold what ``copy`` holds; whoever refers to ``graph`` sees it."""
    values = {old.unique(): new for old, new in zip(copy.inputs(), graph.inputs())}
    leave = graph.return_node()
    for at, _ in enumerate(list(graph.outputs())):
        leave.replaceInput(at, next(iter(graph.inputs())))
    for node in reversed(list(graph.nodes())):
        node.destroy()
    for node in copy.nodes():
        clone = graph.appendNode(graph.createClone(node, lambda value: values[value.unique()]))
        values.update((old.unique(), new) for old, new in zip(node.outputs(), clone.outputs()))
    for at, value in enumerate(copy.outputs()):
        leave.replaceInput(at, values[value.unique()])


def _graphs(model: Any) -> Iterator[Any]:
    """The graph of every method of every submodule. Instances of one type share their graphs."""
    for module in model.modules() if hasattr(model, "modules") else ():
        if hasattr(module, "_c"):
            for name in module._c._method_names():
                yield module._c._get_method(name).graph


def _mark(graph: Any) -> bool:
    """Put a marker around every module call; whether there was one."""
    found = False
    for node in list(nodes(graph)):
        if node.kind() != "prim::CallMethod" or node.s("name") != "forward":
            continue  # other methods belong to the call that is running
        chain = _attribute_chain(node)
        if chain is not None:
            marker(graph, chain).insertBefore(node)
            marker(graph, EXIT).insertAfter(node)
            found = True
    return found


def _attribute_chain(call: Any) -> Optional[str]:
    """Where the called module stands below ``self``; None when it came from somewhere else."""
    names: List[str] = []
    node = next(iter(call.inputs())).node()
    while node.kind() == "prim::GetAttr":
        names.append(node.s("name"))
        node = next(iter(node.inputs())).node()
    return ".".join(reversed(names)) if names and node.kind() == "prim::Param" else None


def read(graph: Any, model: Any, log: CallLog) -> Dict[int, Stack]:
    """Take the markers out of an inlined graph.

    Returns:
        The owner of every value, by its number. Constants have none: torch pools them at the top,
        and only their users tell whose they are.
    """
    modules: Dict[str, Any] = {"": model}

    def enter(text: str, outer: Stack) -> Stack:
        path = f"{outer[-1].path}.{text}" if outer[-1].path else text
        if path not in modules:
            modules[path] = reduce(getattr, path.split("."), model)
        return log.stacks[log.enter(modules[path], outer)]

    root = log.stacks[log.enter(model, ())]
    return {
        value.unique(): stack
        for node, stack in take_out(graph, root, enter)
        if node.kind() != "prim::Constant"
        for value in node.outputs()
    }
