"""A model that stays as torch writes it, and its tags in a file beside it."""

import importlib.util
import io
import json
import os
import re
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

import htp
from htp.testing.noise import LET_TORCH_WARN

pytestmark = LET_TORCH_WARN

USABLE = [info.name for info in htp.available_backends() if info.usable]
SCHEMA = Path(__file__).resolve().parent.parent / "docs" / "sidecar.schema.json"
X = torch.ones(2, 4)


class Net(nn.Module):
    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.body, self.norm = nn.Linear(4, 4), nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(self.body(x).relu()) + 1


def export(path, backend, seed=0, **more):
    return htp.export(Net(seed).eval(), (X,), path, backend=backend, **more)


@pytest.fixture(scope="module", params=USABLE)
def backend(request):
    return request.param


@pytest.fixture(scope="module")
def folder(backend, tmp_path_factory):
    """``model.onnx`` with its sidecar, and ``embedded.onnx``: the same with tags in it."""
    folder = tmp_path_factory.mktemp(f"sidecar_{backend}")
    export(folder / "model.onnx", backend, embed=False)
    export(folder / "embedded.onnx", backend)
    return folder


@pytest.fixture
def copied(folder, tmp_path):
    for name in os.listdir(folder):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    return tmp_path


def content(tagged):
    data = io.BytesIO()
    tagged.save(data)
    return data.getvalue()


def owners(tagged):
    return [(node.output[0], tag) for node, tag in tagged.nodes()]


def test_the_file_is_torchs_own(folder):
    plain = content(htp.load(folder / "embedded.onnx").strip())
    assert (folder / "model.onnx").read_bytes() == plain
    assert b"pkg.htp" not in plain


def test_both_together_are_the_tagged_file(folder, backend):
    tagged = htp.load(folder / "model.onnx")
    embedded = htp.load(str(folder / "embedded.onnx"))
    assert owners(tagged) == owners(embedded)
    assert tagged.parameters() == embedded.parameters()
    assert tagged.backend == backend
    assert tagged.carried is None
    assert content(htp.load(folder / "model.onnx")) == (folder / "embedded.onnx").read_bytes()


def test_what_is_returned_has_the_tags(tmp_path, backend):
    tagged = export(tmp_path / "model.onnx", backend, embed=False)
    assert owners(tagged) == owners(htp.load(tmp_path / "model.onnx"))


def has_origin(form):
    try:
        return bool(htp.load(form).origins)
    except htp.InvalidModelError:  # old releases of torch give names that tell of no module
        return False


def test_other_forms_of_the_model_have_no_sidecar(folder):
    assert has_origin(folder / "model.onnx")
    with open(folder / "model.onnx", "rb") as file:
        for form in (file, onnx.load(folder / "model.onnx", load_external_data=False)):
            assert not has_origin(form)


def test_a_link_leads_to_the_sidecar(copied, folder):
    (copied / "links").mkdir()
    (copied / "links" / "latest.onnx").symlink_to(copied / "model.onnx")
    found = htp.load(copied / "links" / "latest.onnx")
    assert owners(found) == owners(htp.load(folder / "model.onnx"))


def test_the_schema_says_what_is_in_it(folder):
    told = json.loads((folder / "model.htp.json").read_text(encoding="utf-8"))
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert faults(told, schema, schema) == []
    if importlib.util.find_spec("jsonschema"):
        import jsonschema

        jsonschema.validate(told, schema)
    told["model"] = "no fingerprint"
    [origin] = told["origins"].values()
    origin["nodes"], origin["skeleton"] = [1, 2, 3], {"graph": "-"}
    assert len(faults(told, schema, schema)) == 5


def faults(held, schema, whole, at=""):
    """What a document has that this schema does not allow; of JSON Schema what it uses."""
    found = []
    if "$ref" in schema:
        found += faults(held, whole["$defs"][schema["$ref"].rpartition("/")[2]], whole, at)
    kinds = {"object": dict, "array": list, "string": str, "integer": int}
    if "type" in schema and not isinstance(held, kinds[schema["type"]]):
        return [*found, f"{at}: no {schema['type']}"]
    if "const" in schema and held != schema["const"]:
        found.append(f"{at}: not {schema['const']!r}")
    if "pattern" in schema and not re.search(schema["pattern"], held):
        found.append(f"{at}: {held[:40]!r}")
    if isinstance(held, list) and not schema["minItems"] <= len(held) <= schema["maxItems"]:
        found.append(f"{at}: {len(held)} items")
    if isinstance(held, dict):
        found += [f"{at}: no {name}" for name in schema.get("required", ()) if name not in held]
        for name, value in held.items():
            inner = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
            found += faults(value, inner, whole, f"{at}/{name}") if inner else []
            if "propertyNames" in schema:
                found += faults(name, schema["propertyNames"], whole, f"{at}/{name}")
    return found


def test_it_is_carried_from_a_sidecar(copied, folder):
    model = onnx.load(copied / "model.onnx", load_external_data=False)
    for node in model.graph.node:
        node.name = f"renamed_{node.name}"
    carried = htp.carry(copied / "model.htp.json", model)
    before = owners(htp.load(folder / "model.onnx"))
    assert [tag.stack for _, tag in carried.nodes()] == [tag.stack for _, tag in before]
    carried = htp.carry(str(copied / "model.onnx"), model)
    assert [tag.stack for _, tag in carried.nodes()] == [tag.stack for _, tag in before]


def test_a_sidecar_of_another_model_is_refused(copied, backend):
    export(copied / "other.onnx", backend, seed=1, embed=False)
    os.replace(copied / "other.htp.json", copied / "model.htp.json")
    with pytest.raises(htp.InvalidModelError, match="belongs to another model"):
        htp.load(copied / "model.onnx")
    os.remove(copied / "model.htp.json")
    assert [name for name in os.listdir(copied) if name.endswith(".json")] == []


def test_a_model_that_was_rewritten_is_another_model(copied):
    model = onnx.load(copied / "model.onnx", load_external_data=False)
    model.graph.node[0].name = "renamed"
    (copied / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(htp.InvalidModelError, match="htp carry SIDECAR MODEL"):
        htp.load(copied / "model.onnx")
    assert htp.carry(copied / "model.htp.json", copied / "model.onnx").coverage.unknown == 0


def test_a_tagged_model_needs_no_sidecar(copied):
    (copied / "embedded.htp.json").write_text("{", encoding="utf-8")
    assert htp.load(copied / "embedded.onnx").carried is None


def changed(change):
    def damage(path):
        told = json.loads(path.read_text(encoding="utf-8"))
        change(told, next(iter(told["origins"].values())))
        path.write_text(json.dumps(told), encoding="utf-8")

    return damage


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "no json": lambda path: path.write_bytes(b"\xff\x00{"),
    "a list": lambda path: path.write_text("[]"),
    "deep": lambda path: path.write_text("[" * 100000),
    "a long number": lambda path: path.write_text("9" * 100000),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "no model": changed(lambda told, _: told.pop("model")),
    "a newer schema": changed(lambda told, _: told.update(schema="htp.sidecar/9")),
    "no origins": changed(lambda told, _: told.update(origins={})),
    "origins of another kind": changed(lambda told, _: told.update(origins=[1])),
    "an odd mark": changed(lambda told, one: told.update(origins={"x": one})),
    "no skeleton": changed(lambda _, one: one.pop("skeleton")),
    "no tags": changed(lambda _, one: one["skeleton"].pop("tags")),
    "a cut graph": changed(lambda _, one: one["skeleton"].update(graph="AAAA")),
    "an odd origin": changed(lambda told, _: told.update(origins={"0" * 16: "x"})),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_sidecar_is_told(copied, damage):
    DAMAGE[damage](copied / "model.htp.json")
    with pytest.raises(htp.InvalidModelError) as error:
        htp.load(copied / "model.onnx")
    assert error.value.hint
    with pytest.raises(htp.InvalidModelError):
        htp.carry(copied / "model.htp.json", copied / "embedded.onnx")


def test_what_cannot_be_is_refused_early(tmp_path, backend):
    with pytest.raises(htp.CaptureError, match="no path"):
        htp.export(None, f=io.BytesIO(), embed=False)
    with pytest.raises(htp.CaptureError, match="no path"):
        htp.export(None, embed=False)
    with pytest.raises(htp.CaptureError, match="contradict"):
        htp.export(None, f=tmp_path / "m.onnx", embed=False, origin=False)
    assert os.listdir(tmp_path) == []


def test_all_is_written_or_nothing(copied, backend, monkeypatch):
    before = {name: (copied / name).read_bytes() for name in os.listdir(copied)}
    real = os.replace

    def fails(source, target):
        if os.path.basename(target) == "model.onnx":
            raise OSError("no room")
        real(source, target)

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(htp.CaptureError, match="Cannot write"):
        export(copied / "model.onnx", backend, seed=3, embed=False)
    assert {name: (copied / name).read_bytes() for name in os.listdir(copied)} == before
