"""Every way out of a library that is tested: a table, and how each is shown to a reader."""

import ast
import re
from pathlib import Path
from types import MappingProxyType
from typing import List, Mapping, NamedTuple, Tuple

from packaging.specifiers import SpecifierSet

__all__ = ["WAYS", "Way", "ways_of"]

SCRIPTS = Path(__file__).resolve().parent / "scripts"

DROPS = "drops the nodes' metadata"
OPTIMUM = ("optimum-cli", "export", "onnx", "--model")
FEATURES = ("--task", "feature-extraction")
YOLO = ("yolo", "export", "model=yolov8n.pt", "format=onnx")
YOLOV8 = {
    "package": "ultralytics",
    "exports": ("yolov8n.onnx",),
    "owners": ("model.2.m.0.cv1.conv", "model.22"),
}
SLIMMED = {"yolov8n.onnx": f"onnxslim {DROPS}"}
SLIMMED_WHOLLY = {"yolov8n.onnx": "onnxslim drops all metadata, the origin too"}
WITH_PAST = ("decoder_model.onnx", "decoder_with_past_model.onnx")
TIED = dict.fromkeys(WITH_PAST, "optimum adds a node for the tied weights")
MERGED = {"decoder_model_merged.onnx": "optimum makes this file of two exported ones"}

_EXPORTS = re.compile(r"[\w.]*(export|to_onnx|SentenceTransformer)\(")
"""The calls that a script's functions are about."""


class Way(NamedTuple):
    """One way in which one library exports.

    Attributes:
        library: which constraints files it is for: ``constraints/libraries/LIBRARY-torchX.Y.txt``.
        name: the way's own name; also the function of its script.
        command: a script of ``scripts/`` or a command of the library's, with its arguments.
        package: whose version is told; "" where the script only does what a library does.
        exporter: which exporter of torch's the library ends at.
        exports: the name of the file that each export writes, in order; "" for one in memory.
        owners: modules that must own nodes of the files.
        setup: a script that is run before, by itself, to make what the command reads.
        options: of ``htp run``.
        torch: for which releases it is.
        rewritten: files that the library makes after the export, and what that does to tags.
        carried: files that the library rewrites, and what that does to tags: they come back from
            the origin that the file still holds.
        seeded: whether the library goes through sets as they come: all runs are given the
            same seed for hashes.
        dated: a key of the model's metadata that the library writes the time of day into.
        untagged: what HTP says of an export that it cannot tag.
        remark: what a reader should know.
        impossible: why the library cannot do this there.
    """

    library: str
    name: str
    command: Tuple[str, ...]
    package: str = ""
    exporter: str = "torchscript"
    exports: Tuple[str, ...] = ("model.onnx",)
    owners: Tuple[str, ...] = ()
    setup: Tuple[str, ...] = ()
    options: Tuple[str, ...] = ()
    torch: str = ""
    rewritten: Mapping[str, str] = MappingProxyType({})
    carried: Mapping[str, str] = MappingProxyType({})
    seeded: bool = False
    dated: str = ""
    untagged: str = ""
    remark: str = ""
    impossible: str = ""

    @property
    def arguments(self) -> List[str]:
        """The command with the script's full path."""
        program, *rest = self.command
        return [str(SCRIPTS / program) if self.is_script else program, *rest]

    @property
    def is_script(self) -> bool:
        """Whether it is one of our scripts and no command of the library's."""
        return self.command[0].endswith(".py")

    @property
    def call(self) -> str:
        """What is written to export in this way: the call in the script, or the command."""
        if not self.is_script:
            return " ".join(self.command)
        source = (SCRIPTS / self.command[0]).read_text(encoding="utf-8")
        for function in ast.parse(source).body:
            if isinstance(function, ast.FunctionDef) and function.name == self.name:
                calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
                texts = [ast.get_source_segment(source, call) or "" for call in calls]
                return next(text for text in texts if _EXPORTS.match(text))
        return " ".join(self.command)

    @property
    def recipe(self) -> str:
        """The one line that tags it."""
        own = self.call == " ".join(self.command)
        command = self.command if own else ("export.py",)
        return " ".join(["htp run", *self.options, "--", *command])


def _script(library: str, name: str, script: str, **more: object) -> Way:
    return Way(library, name, (script, name), **more)  # type: ignore[arg-type]


def _optimum(model: str, task: str, *exports: str, **more: object) -> Way:
    command = (*OPTIMUM, model, "--task", task, "exported")
    made = {"package": "optimum-onnx", "setup": ("make_transformers.py", model)}
    return Way("optimum", model, command, exports=exports, **made, **more)  # type: ignore[arg-type]


def _yolo(name: str, **more: object) -> Way:
    return _script("ultralytics", name, "ultralytics_export.py", **YOLOV8, **more)


def _yolo_command(**more: object) -> Way:
    made = {"command": (*YOLO, "imgsz=64"), "setup": ("make_yolo.py",), "dated": "date"}
    return Way("ultralytics", "command", **made, **YOLOV8, **more)  # type: ignore[arg-type]


def _lightning(name: str, package: str = "lightning", **more: object) -> Way:
    made = {"package": package, "owners": ("body.0", "body.1", "head")}
    return _script("lightning", name, "lightning_export.py", **made, **more)


def _child(name: str) -> Way:
    made = {"options": ("--children",), "owners": ("backbone.0", "backbone.1", "head")}
    return Way("children", name, ("deploy.py", name), **made)  # type: ignore[arg-type]


TIMM = {"package": "timm", "owners": ("maxpool", "layer2.0.downsample", "layer4.1.act2", "fc")}
KERAS = {"package": "keras", "owners": ("convolution", "norm", "pool", "head")}

WAYS = [
    _optimum(
        *("bert", "feature-extraction", "model.onnx"),
        owners=("encoder.layer.1.attention.self.query", "embeddings.LayerNorm"),
    ),
    Way(
        *("optimum", "optimized", (*OPTIMUM, "bert", *FEATURES, "--optimize", "O2", "exported")),
        package="optimum-onnx",
        owners=("encoder.layer.1.attention.output.dense", "embeddings.LayerNorm"),
        setup=("make_transformers.py", "bert"),
        carried={"model.onnx": f"onnxruntime {DROPS}"},
    ),
    _optimum(
        *("llama", "text-generation-with-past", "model.onnx"),
        owners=("model.layers.1.self_attn.q_proj", "lm_head"),
    ),
    _optimum(
        *("t5", "text2text-generation-with-past", "encoder_model.onnx", *WITH_PAST),
        owners=("block.1.layer.0.SelfAttention.q", "decoder.block.1.layer.1.EncDecAttention.q"),
        rewritten=MERGED,
        carried=TIED,
        seeded=True,
    ),
    _optimum(
        *("whisper", "automatic-speech-recognition-with-past", "encoder_model.onnx", *WITH_PAST),
        owners=("layers.1.self_attn.q_proj", "model.decoder.layers.1.encoder_attn.q_proj"),
        rewritten=MERGED,
        carried=TIED,
        seeded=True,
    ),
    _script(
        *("optimum", "backend", "sentence_transformers_export.py"),
        package="sentence-transformers",
        owners=("encoder.layer.1.attention.self.query", "embeddings.LayerNorm"),
        setup=("make_transformers.py", "sentence"),
    ),
    _yolo("plain", torch="<2"),
    _yolo("plain", torch=">=2", dated="date"),
    _yolo("slim", torch=">=2,<2.5", dated="date", rewritten=SLIMMED_WHOLLY),
    _yolo("slim", torch=">=2.5", dated="date", carried=SLIMMED),
    _yolo_command(torch=">=2,<2.5"),
    _yolo_command(torch=">=2.5", carried=SLIMMED),
    _lightning("path", "pytorch-lightning", torch="<2"),
    _lightning("path", torch=">=2"),
    _lightning("memory", "pytorch-lightning", exports=("",), torch="<2"),
    _lightning(
        "memory",
        torch=">=2,<2.5",
        impossible="it makes a path of the buffer's name and address, and writes there",
    ),
    _lightning("memory", exports=("",), torch=">=2.5"),
    _lightning("dynamo", exporter="fx", exports=("",), torch=">=2.5"),
    _lightning("dynamo_path", exporter="fx", torch=">=2.5"),
    _script("timm", "torchscript", "timm_export.py", **TIMM),
    _script("timm", "dynamo", "timm_export.py", exporter="fx", torch=">=2.5", **TIMM),
    _script(
        *("timm", "dynamo", "timm_export.py"),
        package="timm",
        exporter="dynamo_export",
        exports=("",),
        torch=">=2,<2.5",
        untagged="no backend listens to torch.onnx.dynamo_export",
    ),
    _script("keras", "fixed", "keras_export.py", exporter="fx", exports=("",), **KERAS),
    _script("keras", "dynamic", "keras_export.py", **KERAS),
    _script(
        *("keras", "functional", "keras_export.py"),
        package="keras",
        exporter="fx",
        exports=("",),
        owners=("",),
        remark="all of the root: Keras registers no layer of a functional model as a module in it",
    ),
    _script(
        *("adapter", "open_file", "adapter_export.py"),
        exports=("",),
        owners=("model.backbone.2", "model.head"),
    ),
    _child("spawn"),
    _child("fork"),
]


def ways_of(library: str, torch: str) -> List[Way]:
    """The ways of one library on one release of torch."""
    return [way for way in WAYS if way.library == library and torch in SpecifierSet(way.torch)]
