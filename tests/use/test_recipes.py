"""docs/recipes.md: each snippet runs with the real tool, and spares exactly the module it names."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from recipe_models import by_hand

import htp

TOOLS = json.loads((Path(__file__).parents[1] / "tools" / "models.json").read_text("utf-8"))
TORCH = importlib.util.find_spec("torch") is not None
pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # what tools and torch warn of is theirs
    pytest.mark.skipif(
        TORCH and ".".join(metadata.version("torch").split(".")[:2]) != TOOLS["releases"][-1],
        reason=f"the tools that go with torch {TOOLS['releases'][-1]} are tried",
    ),
]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
SECTIONS = {
    heading.strip(): "".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    for heading, _, text in (
        part.partition("\n") for part in re.split(r"^##? ", PAGE, flags=re.MULTILINE)
    )
}
INTRODUCTION = "Recipes: one module treated differently"
SPARED, OTHER = "encoder.layer.0", "encoder.layer.1"
NEEDS = {
    "onnxruntime: dynamic quantisation": ("onnxruntime",),
    "onnxruntime: static quantisation": ("onnxruntime",),
    "onnxruntime: 4 bits (MatMulNBits)": ("onnxruntime",),
    "onnxruntime: float16 with a module in float32": ("onnxruntime",),
    "onnxruntime: which device": ("onnxruntime",),
    "optimum": ("optimum", "onnxruntime"),
    "Olive": ("olive", "onnxruntime"),
    "NNCF": ("nncf",),
    "ModelOpt": ("modelopt", "onnxruntime"),
    "onnxslim": ("onnxslim",),
}
IDLE = {
    ("nbits.onnx", "by hand, optimised"): "MatMulNBits takes no Gemm",
    ("modelopt.onnx", "by hand"): "ModelOpt leaves products with so few columns alone",
    ("modelopt.onnx", "by hand, optimised"): "likewise",
}
"""What a tool would leave alone without being told."""
ROUNDED = ("DequantizeLinear", "Cast")
WRITTEN = {
    "onnxruntime: dynamic quantisation": ["dynamic.onnx"],
    "onnxruntime: static quantisation": ["static.onnx"],
    "onnxruntime: 4 bits (MatMulNBits)": ["nbits.onnx"],
    "onnxruntime: float16 with a module in float32": ["half.onnx"],
    "optimum": ["optimum/plain_quantized.onnx"],
    "Olive": ["olive.onnx"],
    "NNCF": ["nncf.onnx"],
    "ModelOpt": ["modelopt.onnx", "autocast.onnx"],
}
"""What each recipe writes in which one module is spared."""


def has(*packages):
    return all(importlib.util.find_spec(package) for package in packages)


def exported(backend, folder):
    from htp.cli.demo_model import example

    asked = example()
    model, args = asked.pop("model"), asked.pop("args")
    htp.export(model, args, folder / "model.onnx", backend=backend, **asked)
    return [{"tokens": args[0].numpy()}]


def written_by_hand(folder):
    made, feeds = by_hand()
    onnx.save(made, folder / "model.onnx")
    return feeds


def optimised(folder):
    """What onnxruntime makes of the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "rewritten.onnx")
    onnxruntime.InferenceSession(
        str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
    )


def slimmed(folder):
    """What onnxslim makes of it."""
    import onnxslim

    onnx.save(onnxslim.slim(str(folder / "model.onnx")), folder / "rewritten.onnx")


OPTIMISERS = {"optimised": optimised, "slimmed": slimmed}
MADE = {"by hand": written_by_hand, "fx": exported, "torchscript": exported}


SOURCES = (
    *MADE,
    "by hand, optimised",
    "torchscript, optimised",
    "fx, slimmed",
    "torchscript, slimmed",
)
"""Of the others the optimiser leaves each operator as it is."""


@pytest.fixture(scope="module", params=SOURCES)
def source(request, tmp_path_factory):
    """A folder with a file, and inputs for it: as it was made, or behind an optimiser."""
    folder = tmp_path_factory.mktemp("source")
    made, _, after = request.param.partition(", ")
    if after and not has("onnxslim" if after == "slimmed" else "onnxruntime"):
        pytest.skip(f"nothing here makes it {after}")
    if made == "by hand":
        feeds = written_by_hand(folder)
    elif not TORCH or made not in [i.name for i in htp.available_backends() if i.usable]:
        pytest.skip(f"no backend {made} here")
    else:
        feeds = exported(made, folder)
    if after:
        before = htp.load(folder / "model.onnx")
        OPTIMISERS[after](folder)
        htp.carry(before, folder / "rewritten.onnx").save(folder / "model.onnx")
        assert operators_of(htp.load(folder / "model.onnx")) != operators_of(before)
    return folder, feeds


def operators_of(tagged):
    return [node.op_type for node, _ in tagged.nodes()]


@pytest.fixture
def names(source, request, tmp_path, monkeypatch):
    """What the snippets find: a file, inputs, and what the introduction defines."""
    folder, feeds = source
    for path in folder.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    found = {"feeds": feeds, "source": request.node.callspec.params["source"]}
    run(INTRODUCTION, found)
    yield found
    found.clear()  # the functions in it hold it: what tools left in it goes while nothing may warn


def run(section, names):
    if section in APART:
        run_apart(section, names["feeds"])
    else:
        exec(compile(SECTIONS[section], f"docs/recipes.md, {section}", "exec"), names)


APART = ("ModelOpt",)
"""Tools that replace parts of onnxruntime for the rest of the process."""


def run_apart(section, feeds):
    """In a process of its own."""
    for at, feed in enumerate(feeds):
        np.savez(f"feeds{at}.npz", **feed)
    given = f"[dict(numpy.load(f'feeds{{at}}.npz')) for at in range({len(feeds)})]"
    parts = ("import numpy", f"feeds = {given}", SECTIONS[INTRODUCTION], SECTIONS[section])
    Path("recipe.py").write_text("\n".join(parts), encoding="utf-8")
    paths = dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))
    command = [sys.executable, "-W", "ignore", "recipe.py"]
    done = subprocess.run(command, env=paths, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def by_output(model):
    return {name: node for node in model.graph.node for name in node.output if name}


def touched(before, after, path):
    """The nodes of a module that a tool changed, by names, weights and data flow alone.

    A node counts as changed when it is gone, when a weight of it is no longer the same fractions,
    or when what it reads from within the module was rounded on the way. A weight that nodes
    outside read as well, of which a remark tells, is theirs to change.
    """
    chosen = before.select(path)
    own = [row.node for row in chosen.rows if row.node.op_type != "Constant"]
    known = {node.name: node for node in after.graph.node}
    makers = by_output(after)
    floats = {t.name: t.data_type for t in before.model.graph.initializer}
    now = {t.name: t for t in after.graph.initializer}
    inside = {name for node in own for name in node.output}
    changed = []
    for node in own:
        other = known.get(node.name)
        if other is None and node.op_type == "Gemm":  # in two parts
            part = known.get(f"{node.name}_MatMul")
            weight = now.get(part.input[1]) if part else None
            if weight is None or weight.data_type != TensorProto.FLOAT:
                changed.append(node.name)
            continue
        if other is None or other.op_type != node.op_type:
            changed.append(node.name)
            continue
        for was, name in zip(node.input, other.input):
            if floats.get(was) == TensorProto.FLOAT and not chosen.beside(was):
                same = now.get(name)
                if same is None or same.data_type != TensorProto.FLOAT:
                    changed.append(node.name)
            elif was in inside and name in makers and makers[name].op_type in ROUNDED:
                changed.append(node.name)
    return changed


def answer(path, feeds):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, feeds[0])[0]


@pytest.mark.parametrize("section", NEEDS)
def test_a_recipe_spares_its_module(section, names, tmp_path):
    if not has(*NEEDS[section]):
        pytest.skip(f"{section} is not installed here")
    if section == "onnxruntime: which device" and release("onnxruntime") < (1, 25):
        pytest.skip("this onnxruntime places no layers")
    before = htp.load("model.onnx")
    run(section, names)
    for path in WRITTEN.get(section, ()):
        after = onnx.load(tmp_path / path)
        assert touched(before, after, SPARED) == []
        if (path, names["source"]) not in IDLE:
            assert touched(before, after, OTHER) != []
    for path in [*WRITTEN.get(section, ()), *EXTRA.get(section, ())]:
        if has("onnxruntime"):
            plain, treated = answer("model.onnx", names["feeds"]), answer(path, names["feeds"])
            assert np.abs(plain - treated).max() < 0.5
    LOOKED.get(section, lambda *_: None)(before, tmp_path)


EXTRA = {
    "onnxruntime: static quantisation": ["mixed.onnx"],
    "onnxruntime: which device": ["placed.onnx"],
    "onnxslim": ["slim.onnx"],
}


def look_at_overrides(before, folder):
    """Exactly the module's values have zero points of 16 bits."""
    after = onnx.load(folder / "mixed.onnx")
    kinds = {t.name: t.data_type for t in after.graph.initializer}
    wide = {
        node.input[0]
        for node in after.graph.node
        if node.op_type == "QuantizeLinear" and kinds.get(node.input[2]) == TensorProto.UINT16
    }
    inside = set(before.select(SPARED).values)
    assert wide
    assert wide <= inside
    narrow = {n.input[0] for n in after.graph.node if n.op_type == "QuantizeLinear"} - wide
    assert narrow
    assert not narrow & inside


def look_at_places(before, folder):
    """Exactly the module's nodes are marked, and onnxruntime reads the setting."""
    import onnxruntime

    marked = {
        node.name
        for node in onnx.load(folder / "placed.onnx").graph.node
        if any(prop.key == "layer_ann" and prop.value == "spared" for prop in node.metadata_props)
    }
    assert marked == set(before.select(SPARED).names)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.layer_assignment_settings", "cpu =spared")
    with pytest.raises(Exception, match="Invalid layering config"):
        onnxruntime.InferenceSession(
            str(folder / "placed.onnx"), options, providers=["CPUExecutionProvider"]
        )


def look_at_slim(before, folder):
    """The module's values are there, and its nodes; where it may, onnxslim fuses the other's."""
    import onnxslim

    after = onnx.load(folder / "slim.onnx")
    plain = onnxslim.slim(onnx.load(folder / "model.onnx"))
    onnx.checker.check_model(after)
    own = [row.node for row in before.select(SPARED).rows if row.node.op_type != "Constant"]
    made = by_output(after)
    assert [made[node.output[0]].op_type for node in own] == [node.op_type for node in own]
    others = [row.node for row in before.select(OTHER).rows if row.node.op_type == "MatMul"]
    if any(node.output[0] not in by_output(plain) for node in others):
        assert any(node.output[0] not in made for node in others)


LOOKED = {
    "onnxruntime: static quantisation": look_at_overrides,
    "onnxruntime: which device": look_at_places,
    "onnxslim": look_at_slim,
}


def release(package):
    return tuple(map(int, metadata.version(package).split(".")[:2]))


def test_every_recipe_is_run():
    assert set(SECTIONS) - {"", INTRODUCTION, "trtexec"} == set(NEEDS)
    assert all(SECTIONS[name] for name in NEEDS)


def test_the_check_finds_a_module_that_was_not_spared(names, tmp_path):
    if not has("onnxruntime"):
        pytest.skip("onnxruntime is not installed here")
    names["names"] = []
    with pytest.raises(AssertionError):
        run("onnxruntime: dynamic quantisation", names)
    after = onnx.load(tmp_path / "dynamic.onnx")
    assert touched(htp.load("model.onnx"), after, SPARED) != []
