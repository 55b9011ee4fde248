"""The tools: each takes a file and writes another, with the real package.

``TOOLS`` has them by name. A tool is called with the path of a file without data files, the path to
write, and the example inputs. What it raises is its own answer.
"""

import importlib
import importlib.util
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple

import onnx

__all__ = ["TOOLS", "Tool", "preload"]


class Tool(NamedTuple):
    """One way to rewrite a file.

    Attributes:
        package: whose version is told.
        rewrite: does it.
        tolerance: how far values may be from those of the old file: ``exact`` (32-bit arithmetic in
            another order), ``half`` (16 bits), ``quantised``.
        loses_origin: whether nothing of the model's own metadata is left.
    """

    package: str
    rewrite: Callable[[str, str, Dict[str, Any]], None]
    tolerance: str = "exact"
    loses_origin: bool = False


def onnxruntime_at(level):
    def rewrite(old, new, inputs):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        levels = onnxruntime.GraphOptimizationLevel
        options.graph_optimization_level = getattr(levels, f"ORT_ENABLE_{level}")
        options.optimized_model_filepath = new
        options.log_severity_level = 4
        onnxruntime.InferenceSession(old, options, providers=["CPUExecutionProvider"])

    return Tool("onnxruntime", rewrite)


def pre_process(old, new, inputs):
    from onnxruntime.quantization.shape_inference import quant_pre_process

    quant_pre_process(old, new)


def quantize_dynamic(old, new, inputs):
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(old, new, weight_type=QuantType.QUInt8)


def static(form):
    def rewrite(old, new, inputs):
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

        quantize_static(
            old,
            new,
            reader(inputs),
            quant_format=getattr(QuantFormat, form),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )

    return Tool("onnxruntime", rewrite, "quantised")


def reader(inputs):
    """What calibrates: the example inputs, once."""
    from onnxruntime.quantization import CalibrationDataReader

    class Once(CalibrationDataReader):
        def __init__(self):
            self.left = iter([inputs])

        def get_next(self):
            return next(self.left, None)

    return Once()


def n_bits(old, new, inputs):
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(onnx.load_model(old), block_size=16, is_symmetric=True)
    quantizer.process()
    onnx.save_model(quantizer.model.model, new)


def half_of_onnxruntime(old, new, inputs):
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save_model(convert_float_to_float16(onnx.load_model(old), keep_io_types=True), new)


def half_of_onnx(old, new, inputs):
    from onnxconverter_common import float16

    onnx.save_model(float16.convert_float_to_float16(onnx.load_model(old), keep_io_types=True), new)


def transformers_optimizer(level):
    def rewrite(old, new, inputs):
        from onnxruntime.transformers.optimizer import optimize_model

        optimized = optimize_model(old, "bert", num_heads=2, hidden_size=16, opt_level=level)
        optimized.save_model_to_file(new)

    return Tool("onnxruntime", rewrite)


def onnxscript_optimize(old, new, inputs):
    import onnxscript.optimizer

    onnx.save_model(onnxscript.optimizer.optimize(onnx.load_model(old)), new)


def onnxscript_rewrite(old, new, inputs):
    import onnxscript.rewriter

    onnx.save_model(onnxscript.rewriter.rewrite(onnx.load_model(old)), new)


def opset_of(model):
    return next(each.version for each in model.opset_import if each.domain in {"", "ai.onnx"})


def onnxscript_convert(old, new, inputs):
    import onnx_ir
    from onnxscript import version_converter

    model = onnx_ir.serde.deserialize_model(onnx.load_model(old))
    version_converter.convert_version(model, max(opset_of(onnx.load_model(old)), 20) + 1)
    onnx.save_model(onnx_ir.serde.serialize_model(model), new)


def onnx_convert(old, new, inputs):
    from onnx import version_converter

    model = onnx.load_model(old)
    onnx.save_model(version_converter.convert_version(model, opset_of(model) + 1), new)


def onnx_inline(old, new, inputs):
    from onnx import inliner

    onnx.save_model(inliner.inline_local_functions(onnx.load_model(old)), new)


def onnx_infer(old, new, inputs):
    onnx.shape_inference.infer_shapes_path(old, new)


def compose(old, new, inputs):
    """The model behind an Identity on its first input, in one file, each with a prefix."""
    model = onnx.load_model(old)
    value = model.graph.input[0]
    passed = onnx.ValueInfoProto()
    passed.CopyFrom(value)
    passed.name = "passed"
    before = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Identity", [value.name], ["passed"], name="pass")],
            "before",
            [value],
            [passed],
        ),
        ir_version=model.ir_version,
        opset_imports=list(model.opset_import),
    )
    merged = onnx.compose.merge_models(
        before,
        model,
        [("passed", value.name)],
        prefix1="first/",
        prefix2="second/",
    )
    onnx.save_model(merged, new)


def extract(old, new, inputs):
    """All of it, as its own part."""
    model = onnx.load_model(old)
    ends = [[value.name for value in each] for each in (model.graph.input, model.graph.output)]
    onnx.utils.extract_model(old, new, *ends)


def slim(old, new, inputs):
    import onnxslim

    onnxslim.slim(old, new)


def simplify(old, new, inputs):
    import onnxsim

    model, _ = onnxsim.simplify(onnx.load_model(old))
    onnx.save_model(model, new)


def fold(old, new, inputs):
    from polygraphy.backend.onnx import fold_constants

    onnx.save_model(fold_constants(onnx.load_model(old)), new)


def surgeon(old, new, inputs):
    import onnx_graphsurgeon

    graph = onnx_graphsurgeon.import_onnx(onnx.load_model(old))
    onnx.save_model(onnx_graphsurgeon.export_onnx(graph.cleanup().toposort()), new)


def onnx_tool(old, new, inputs):
    home = importlib.import_module("onnx_tool")
    home.Model(old).save_model(new)


def nncf(old, new, inputs):
    home = importlib.import_module("nncf")
    model = onnx.load_model(old)
    data = home.Dataset([inputs])
    onnx.save_model(home.quantize(model, data, subset_size=1), new)


def optimum_level(name):
    def rewrite(old, new, inputs):
        from optimum.onnxruntime import AutoOptimizationConfig, ORTOptimizer

        old, new = Path(old), Path(new)
        if not (old.parent / "config.json").exists():
            raise ValueError("optimum takes models of transformers only")
        level = getattr(AutoOptimizationConfig, name)()
        optimizer = ORTOptimizer.from_pretrained(old.parent, file_names=[old.name])
        with tempfile.TemporaryDirectory(dir=new.parent) as folder:
            optimizer.optimize(level, folder, file_suffix=None)
            (Path(folder) / old.name).rename(new)

    return Tool("optimum-onnx", rewrite)


def merge_decoders(old, new, inputs):
    """The file with itself: each branch of the ``If`` has all of it."""
    from optimum.onnx import merge_decoders

    merge_decoders(old, old, save_path=new)


TOOLS: Dict[str, Tool] = {
    "onnxruntime basic": onnxruntime_at("BASIC"),
    "onnxruntime extended": onnxruntime_at("EXTENDED"),
    "onnxruntime layout": onnxruntime_at("LAYOUT"),
    "onnxruntime all": onnxruntime_at("ALL"),
    "quant_pre_process": Tool("onnxruntime", pre_process),
    "quantize_dynamic": Tool("onnxruntime", quantize_dynamic, "quantised"),
    "quantize_static QDQ": static("QDQ"),
    "quantize_static QOperator": static("QOperator"),
    "MatMulNBits": Tool("onnxruntime", n_bits, "quantised"),
    "float16 (onnxruntime)": Tool("onnxruntime", half_of_onnxruntime, "half"),
    "float16 (onnxconverter-common)": Tool("onnxconverter-common", half_of_onnx, "half"),
    "transformers optimizer": transformers_optimizer(0),
    "onnxscript optimizer": Tool("onnxscript", onnxscript_optimize),
    "onnxscript rewriter": Tool("onnxscript", onnxscript_rewrite),
    "onnxscript version converter": Tool("onnxscript", onnxscript_convert),
    "onnx version converter": Tool("onnx", onnx_convert),
    "onnx inliner": Tool("onnx", onnx_inline),
    "onnx shape inference": Tool("onnx", onnx_infer),
    "onnx compose": Tool("onnx", compose),
    "onnx extract_model": Tool("onnx", extract, loses_origin=True),
    "onnxslim": Tool("onnxslim", slim),
    "onnxsim": Tool("onnxsim", simplify),
    "polygraphy folding": Tool("polygraphy", fold, loses_origin=True),
    "graphsurgeon": Tool("onnx-graphsurgeon", surgeon, loses_origin=True),
    "onnx-tool": Tool("onnx-tool", onnx_tool, loses_origin=True),
    "nncf quantize": Tool("nncf", nncf, "quantised"),
    "optimum O1": optimum_level("O1"),
    "optimum O2": optimum_level("O2"),
    "optimum O3": optimum_level("O3"),
    "optimum merged decoders": Tool("optimum-onnx", merge_decoders, loses_origin=True),
}
"""The tools by name."""


def preload():
    """Import what the tools import, so that processes that are forked have it."""
    for name in (
        *("onnxruntime", "onnxruntime.quantization", "onnxruntime.quantization.shape_inference"),
        *("onnxruntime.quantization.matmul_nbits_quantizer", "onnxruntime.transformers.optimizer"),
        *("onnxruntime.transformers.float16", "onnxconverter_common", "onnxscript.optimizer"),
        *("onnxscript.rewriter", "onnxscript.version_converter", "onnx_ir", "onnxslim", "onnxsim"),
        *("polygraphy.backend.onnx", "onnx_graphsurgeon", "onnx_tool", "nncf"),
        *("optimum.onnxruntime", "optimum.onnx"),
    ):
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)
