"""Moves nodes of a tagged model into local functions: one for each module right below a container.

body(x):  MatMul, Add, Gelu        ->  layer_0(x, w, b)
                                       function layer_0: MatMul, Add, Gelu
"""

import json

import onnx
from onnx import helper

DOMAIN = "local"


def with_functions(tagged, depth=4):
    """A copy in which each run of nodes of one module call, ``depth`` calls deep, is a function.

    The nodes keep their metadata. Nodes with bodies, and runs of less than three, stay.
    """
    model = onnx.ModelProto()
    model.CopyFrom(tagged.model)
    tags = [tag for _, tag in tagged.nodes()]
    assert len(tags) == len(model.graph.node), "a model with bodies is not outlined"
    nodes_in_order = list(model.graph.node)  # kept, so that an identity stays one node's
    tags_of = {id(node): tag for node, tag in zip(nodes_in_order, tags)}
    runs = []
    for node, tag in zip(nodes_in_order, tags):
        call = tag.stack[depth - 1] if len(tag.stack) >= depth else None
        if not runs or runs[-1][0] != call:
            runs.append((call, []))
        runs[-1][1].append(node)
    read_at_the_end = {value.name for value in model.graph.output}
    nodes, made = [], []
    for number, (call, run) in enumerate(runs):
        if call is None or len(run) < 3:
            nodes += run
            continue
        inside = {name for node in run for name in node.output}
        others = [node for _, other in runs if other is not run for node in other]
        read = read_at_the_end | {name for node in others for name in node.input}
        inputs = list(dict.fromkeys(n for node in run for n in node.input if n and n not in inside))
        outputs = [name for node in run for name in node.output if name in read]
        name = f"{call.class_name}_{number}"
        body = [onnx.NodeProto.FromString(node.SerializeToString()) for node in run]
        made.append(helper.make_function(DOMAIN, name, inputs, outputs, body, model.opset_import))
        node = helper.make_node(name, inputs, outputs, name=f"call_{name}", domain=DOMAIN)
        node.metadata_props.extend(_of_call(run[0], tags_of[id(run[0])].stack[:depth]))
        nodes.append(node)
    copied = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copied)
    model.functions.extend(made)
    model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return model


def _of_call(node, stack):
    """The metadata of a node that a call owns which is around that of ``node``."""
    said = {prop.key: prop.value for prop in node.metadata_props}
    said["pkg.htp.stack"] = json.dumps([list(call) for call in stack])
    said["pkg.htp.path"] = stack[-1].path
    kept = ("stack", "path", "provenance", "origin")
    return [
        onnx.StringStringEntryProto(key=key, value=value)
        for key, value in said.items()
        if key in {f"pkg.htp.{name}" for name in kept}
    ]
