"""Every name of a file replaced, as by a tool that keeps none; the model's own metadata stays."""

import onnx

__all__ = ["renamed"]


def renamed(model):
    """A copy in which nodes, values, initializers and what functions call theirs have new names.

    Node metadata, doc strings and value infos are gone.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    names = Names()
    of_graph(copy.graph, {}, names)
    for function in copy.functions:
        known = {}
        function.input[:] = [names.of(name, known) for name in function.input]
        of_nodes(function.node, known, names)
        function.output[:] = [names.of(name, known) for name in function.output]
        del function.value_info[:]
    return copy


class Names:
    """Gives new names, in no order that an old name had."""

    def __init__(self):
        self.count = 0

    def fresh(self, kind):
        self.count += 1
        return f"{kind}{self.count * 7919 % 1000003}"

    def of(self, name, known):
        if not name:
            return ""
        if name not in known:
            known[name] = self.fresh("v")
        return known[name]


def of_graph(graph, outer, names):
    own = {value.name for value in (*graph.input, *graph.initializer)}
    known = {name: new for name, new in outer.items() if name not in own}
    for value in (*graph.input, *graph.initializer):  # an initializer may be an input, too
        value.name = names.of(value.name, known)
    for sparse in graph.sparse_initializer:
        sparse.values.name = names.of(sparse.values.name, known)
    of_nodes(graph.node, known, names)
    for value in graph.output:
        value.name = names.of(value.name, known)
        value.doc_string = ""
    for tensor in graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    del graph.value_info[:]
    del graph.quantization_annotation[:]
    graph.name = names.fresh("g")


def of_nodes(nodes, known, names):
    for node in nodes:
        node.name = names.fresh("n")
        node.doc_string = ""
        del node.metadata_props[:]
        node.input[:] = [names.of(name, known) for name in node.input]
        for attribute in node.attribute:
            for body in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                of_graph(body, known, names)
        for name in node.output:  # a name that was used outside of this body means another value
            known.pop(name, None)
        node.output[:] = [names.of(name, known) for name in node.output]
