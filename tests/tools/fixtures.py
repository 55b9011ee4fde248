"""Exports the models of ``models.json`` with the torch of this environment.

    python tests/tools/fixtures.py FOLDER [NAME...]

Each becomes ``NAME-torchX.Y-BACKEND.onnx``, with its example inputs beside it as ``.npz`` and, of
transformers, its configuration. What an exporter refuses is listed in
``FOLDER/refused-torchX.Y.json``. A file that is there is kept.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import torch  # noqa: E402
from oracles.subject import Subject, of_case  # noqa: E402
from zoo import subjects  # noqa: E402

import htp  # noqa: E402
from htp.testing.models import case  # noqa: E402
from htp.testing.running import named_inputs  # noqa: E402
from tools.outlining import with_functions  # noqa: E402

MODELS = json.loads((HERE / "models.json").read_text("utf-8"))
CASES = {
    "choice": {"torchscript": "scripted_choice", "fx": "cond"},
    "loop": {"torchscript": "scripted_function", "fx": "while_loop"},
}


def release():
    return ".".join(torch.__version__.split(".")[:2])


def wanted(names):
    """Which models this torch has to export."""
    for group in ("tuning", "kept_aside"):
        for name, what in MODELS[group].items():
            everywhere = release() == MODELS["releases"][-1] or name in MODELS["on_every_torch"]
            if (not names and everywhere) or name in names:
                yield name, what


def subject_of(what, backend):
    kind, _, rest = what.partition(":")
    if kind == "case":
        return of_case(case(CASES[rest][backend]))
    if kind == "functions":
        return subject_of(rest, backend)
    if kind == "shared":
        inner = subject_of(rest, backend)
        return Subject(what, lambda: one_layer(inner.build()), inner.options)
    if kind == "dynamic":
        inner = subject_of(rest, backend)
        axes = {"first": {0: "batch", 1: "length"}}
        return Subject(what, inner.build, {"input_names": ["first"], "dynamic_shapes": axes})
    (found,) = (each for each in subjects() if each.name == what)
    return Subject(found.name, lambda: told_apart(found.build()), found.options)


def told_apart(example):
    """Vary what is the same number throughout: a scale of 1e-6 would leave its input as it is."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in example.model.parameters():
            if parameter.numel() > 1 and bool((parameter == parameter.flatten()[0]).all()):
                torch.nn.init.normal_(parameter, 1, 0.1)
    return example


def one_layer(example):
    """Let the encoder run its first layer as often as it has layers."""
    layers = example.model.body.encoder.layer
    for at in range(len(layers)):
        layers[at] = layers[0]
    return example


def export(what, backend, path):
    """Write the model and its inputs."""
    subject = subject_of(what, backend)
    model, args, kwargs = subject.build()
    tagged = htp.export(
        model, args, str(path), kwargs=kwargs, backend=backend, **dict(subject.options)
    )
    if what.startswith("functions:"):
        onnx.save_model(with_functions(tagged), str(path))
    config = getattr(getattr(model, "body", None), "config", None)
    if config is not None:  # which optimum wants to see
        path.with_suffix(".json").write_text(config.to_json_string(use_diff=False), "utf-8")
    written = onnx.load_model(str(path), load_external_data=False)
    shapes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in written.graph.input
    }
    model, args, kwargs = subject.build()
    np.savez(str(path.with_suffix(".npz")), **named_inputs(model, args, kwargs, shapes))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    refused = {}
    for name, what in wanted(options.names):
        for info in htp.available_backends():
            path = options.folder / f"{name}-torch{release()}-{info.name}.onnx"
            if not info.usable or path.with_suffix(".npz").exists():
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    export(what, info.name, path)
            except Exception as error:  # what an exporter refuses is no fixture
                said = str(error).splitlines() or [""]
                refused[path.stem] = f"{type(error).__name__}: {said[0][:300]}"
            print(path.name, refused.get(path.stem, "written"), flush=True)
    if refused:
        told = options.folder / f"refused-torch{release()}.json"
        told.write_text(json.dumps(refused, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
