"""Is the file a good ONNX model, and torch's own but for the tags?"""

import io
import os
from typing import Any, Dict, List

import numpy as np
import onnx

import htp
from htp.testing.case import Case
from htp.testing.running import DONE, Exported, Workshop, run_eager, run_onnx

__all__ = ["Files"]

MODEL = "model.onnx"


class Files:
    """What is written, read back, stripped and run."""

    def test_onnx_checker_passes(self, workshop: Workshop, backend_name: str, case: Case) -> None:
        """The checker accepts the file with its tags, data files and all."""
        onnx.checker.check_model(workshop.exported(backend_name, case).path, full_check=True)

    def test_onnxruntime_agrees(self, workshop: Workshop, backend_name: str, case: Case) -> None:
        """The file computes what the model computes."""
        exported = workshop.exported(backend_name, case)
        model, args, kwargs = case.example()
        _compare(exported, model, args, kwargs)

    def test_shapes_are_dynamic(self, workshop: Workshop, backend_name: str, case: Case) -> None:
        """The axes that the case names have no fixed size, and take another one."""
        exported = workshop.exported(backend_name, case)
        for name, axes in _axes(exported, case).items():
            assert all(axes.values()), f"{name} has axes {axes}"
        if case.other_inputs is not None:
            other = case.other_inputs()
            _compare(exported, case.example().model, other.args, other.kwargs)

    def test_axes_have_their_names(self, workshop: Workshop, backend_name: str, case: Case) -> None:
        """Dynamic axes are called what the case calls them."""
        exported = workshop.exported(backend_name, case)
        for name, axes in (case.dynamic_shapes or {}).items():
            found = _axes(exported, case)[name]
            assert found == dict(axes), f"{name} has axes {found}"

    def test_values_have_their_names(
        self, workshop: Workshop, backend_name: str, case: Case
    ) -> None:
        """Inputs and outputs of the graph are called what the case calls them."""
        graph = workshop.exported(backend_name, case).tagged.model.graph
        for wanted, values in ((case.input_names, graph.input), (case.output_names, graph.output)):
            found = tuple(value.name for value in values)
            assert wanted in (None, found), f"the graph has {found}"

    def test_tags_survive_the_file(self, workshop: Workshop, backend_name: str, case: Case) -> None:
        """What was exported, what is read back, and what is read back and saved are equal."""
        exported = workshop.exported(backend_name, case)
        loaded = htp.load(exported.path)
        assert _description(loaded) == _description(exported.tagged)
        again = os.path.join(workshop.folder, "again", backend_name, case.name, "model.onnx")
        os.makedirs(os.path.dirname(again))
        loaded.save(again)
        needed = {name: data for name, data in _files(exported.folder).items() if data}
        assert sorted(_files(os.path.dirname(again))) == sorted(needed)
        for name, content in _files(os.path.dirname(again)).items():
            same = content == needed[name] or (name == MODEL and _same_model(again, exported.path))
            assert same, f"{name} is not what was read"
        assert _description(htp.load(again)) == _description(loaded)

    def test_strip_removes_every_tag(
        self, workshop: Workshop, backend_name: str, case: Case
    ) -> None:
        """Nothing of HTP's is left, and other metadata is."""
        exported = workshop.exported(backend_name, case)
        stripped = htp.load(exported.path).strip()
        assert b"pkg.htp" not in stripped.model.SerializeToString()
        assert stripped.coverage.captured == stripped.coverage.propagated == 0
        assert not stripped.parameters()
        assert stripped.backend is None
        assert stripped.torch is None

    def test_stripped_file_is_torchs_own(
        self, workshop: Workshop, backend_name: str, exporter: str, case: Case
    ) -> None:
        """Byte for byte what torch alone wrote in a fresh process, with the same data files."""
        if case.numbered:
            workshop.start(exporter, [case.name])
            stripped = os.path.join(workshop.fresh(f"htp:{backend_name}", case), MODEL)
        else:
            stripped = os.path.join(workshop.folder, "stripped", backend_name, case.name, MODEL)
            os.makedirs(os.path.dirname(stripped))
            htp.load(workshop.exported(backend_name, case).path).strip().save(stripped)
        exported = workshop.exported(backend_name, case)
        plain = workshop.fresh(exporter, case)
        ours, torchs = _files(os.path.dirname(stripped)), _files(plain)
        beside = {name: data for name, data in torchs.items() if name != MODEL}
        written = _files(exported.folder)
        assert {name: written.get(name) for name in beside} == beside, "the data files differ"
        assert sorted(written) == sorted(torchs)
        # An empty data file, which torch writes beside a small model, is not needed by any tensor.
        expected = {name: data for name, data in torchs.items() if data}
        assert sorted(name for name, data in ours.items() if data) == sorted(expected)
        for name, content in expected.items():
            assert ours[name] == content, f"{name}: {_first_difference(stripped, plain)}"

    def test_every_way_of_writing_is_equal(self, workshop: Workshop, backend_name: str) -> None:
        """A path, a binary file object and no file at all give the same tags."""
        from htp.testing.models import case as case_named

        case = case_named("siblings")
        model, args, kwargs = case.example()
        buffer = io.BytesIO()
        written = htp.export(
            model, args, buffer, kwargs=kwargs, backend=backend_name, **case.options()
        )
        kept = htp.export(model, args, kwargs=kwargs, backend=backend_name, **case.options())
        assert kept.model.SerializeToString() == written.model.SerializeToString()
        assert onnx.ModelProto.FromString(buffer.getvalue()) == kept.model
        path = workshop.exported(backend_name, case).tagged
        assert [tag for _, tag in kept.nodes()] == [tag for _, tag in path.nodes()]


def _axes(exported: Exported, case: Case) -> Dict[str, Dict[int, str]]:
    """The names that the graph has for the axes that the case makes dynamic."""
    inputs = {value.name: value for value in exported.tagged.model.graph.input}
    return {
        name: {axis: inputs[name].type.tensor_type.shape.dim[axis].dim_param for axis in axes}
        for name, axes in (case.dynamic_shapes or {}).items()
    }


def _compare(exported: Exported, model: Any, args: Any, kwargs: Any) -> None:
    found = run_onnx(exported.path, model, args, kwargs)
    expected = run_eager(model, args, kwargs)
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def _same_model(one: str, other: str) -> bool:
    """Fields may stand in another order once a model was taken apart and put together again."""
    return bool(
        onnx.load(one, load_external_data=False) == onnx.load(other, load_external_data=False)
    )


def _description(tagged: htp.TaggedModel) -> Dict[str, Any]:
    return {
        "tags": [(node.name, list(node.output), tag) for node, tag in tagged.nodes()],
        "coverage": tagged.coverage,
        "backend": tagged.backend,
        "torch": tagged.torch,
        "parameters": tagged.parameters(),
    }


def _files(folder: str) -> Dict[str, bytes]:
    found = {}
    for name in sorted(os.listdir(folder)):
        if name != DONE:
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = file.read()
    return found


def _first_difference(ours: str, plain: str) -> str:
    """Where two files differ, for the report."""
    texts: List[List[str]] = []
    for path in (ours, os.path.join(plain, MODEL)):
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            tensor.ClearField("raw_data")
        texts.append(str(model).splitlines())
    for number, (one, other) in enumerate(zip(*texts)):
        if one != other:
            return f"text line {number}: {one.strip()[:300]!r}, torch wrote {other.strip()[:300]!r}"
    return f"{len(texts[0])} lines of text, torch wrote {len(texts[1])}"
