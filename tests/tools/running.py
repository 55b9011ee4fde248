"""What every value of a file is on given inputs: onnxruntime, with every value as an output."""

import numpy as np
import onnx
import onnxruntime
from onnx import inliner

__all__ = [
    "NotRunnableError",
    "Values",
    "constants_of",
    "feeds_for",
    "inlined",
    "node_by_node",
    "values_of",
]

Values = dict
"""Arrays by the names of the main graph's values: inputs, what nodes compute, and constants."""


class NotRunnableError(Exception):
    """onnxruntime refuses a file, or fails on it."""


def inlined(model):
    """The model with its functions inlined, or itself where it has none."""
    return inliner.inline_local_functions(model) if model.functions else model


def feeds_for(model, inputs):
    """The inputs that this model takes, in the element types that it wants."""
    held = {tensor.name for tensor in model.graph.initializer}
    wanted = [value for value in model.graph.input if value.name not in held]
    arrays = list(inputs.values())
    feeds = {}
    for place, value in enumerate(wanted):
        array = inputs.get(value.name, arrays[place] if place < len(arrays) else None)
        assert array is not None, f"nothing to feed {value.name} with"
        kind = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        feeds[value.name] = array.astype(kind)
    return feeds


def constants_of(model):
    """Initializers and the results of Constant nodes."""
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.domain in {"", "ai.onnx"}:
            for attribute in node.attribute:
                if attribute.name == "value":
                    found[node.output[0]] = onnx.numpy_helper.to_array(attribute.t)
    return found


def values_of(model, inputs):
    """Run a model of which no function is left, and keep every array.

    Args:
        model: an ``onnx.ModelProto``; it is not changed.
        inputs: arrays by name, or in the order of the model's inputs where names were changed.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {value.name for value in copy.graph.output}
    computed = [name for node in copy.graph.node for name in node.output if name]
    copy.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in computed if name not in known
    )
    del copy.graph.value_info[:]  # tools leave some behind that are no longer true
    feeds = feeds_for(copy, inputs)
    arrays = run(copy, computed, feeds)
    found = constants_of(copy)
    found.update(feeds)
    found.update(
        (name, array) for name, array in zip(computed, arrays) if isinstance(array, np.ndarray)
    )
    return found


def run(model, outputs, feeds):
    """Run a model as it stands.

    Raises:
        NotRunnableError: onnxruntime can't.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return session.run(outputs, feeds) if outputs else []
    except Exception as error:  # its errors have no common class
        raise NotRunnableError(f"{type(error).__name__}: {str(error).splitlines()[0]}") from error


def node_by_node(model, inputs, reads, settle):
    """The same, each node by itself, on values that may be corrected in between.

    So the errors of rough arithmetic don't add up on the way through the model.

    Args:
        model: an ``onnx.ModelProto``.
        inputs: as for ``values_of``.
        reads: gives the names that a node reads, its bodies included.
        settle: called with the name and the array of each value that a node computes; gives the
            array to go on with.
    """
    found = constants_of(model)
    constant = set(found)
    found.update(feeds_for(model, inputs))
    for node in model.graph.node:
        names = [name for name in reads(node) if name in found]
        graph = onnx.helper.make_graph(
            [node],
            "one",
            [described(name, found[name]) for name in names if name not in constant],
            [onnx.ValueInfoProto(name=name) for name in node.output if name],
            [onnx.numpy_helper.from_array(found[name], name) for name in names if name in constant],
        )
        one = onnx.helper.make_model(
            graph, opset_imports=list(model.opset_import), ir_version=model.ir_version
        )
        outputs = [name for name in node.output if name]
        feeds = {name: found[name] for name in names if name not in constant}
        arrays = run(one, outputs, feeds)
        alone = all(name in constant for name in names)
        for name, array in zip(outputs, arrays):
            if alone:
                constant.add(name)
            found[name] = array if alone else settle(name, array)
    return found


def described(name, array):
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    return onnx.helper.make_tensor_value_info(name, kind, array.shape)
