"""Metadata of torch, WinML and the tool before it; nothing in it is evaluated."""

import json

import pytest
from annotating.literals import graph, model, modules, node, owners, subject, told

from htp.annotating.joined import annotated
from htp.errors import InvalidModelError
from htp.file import winml

WINML, FORERUNNER = "WinML's tags", "hierarchy_tag"
ONE = graph(node("n", "x", "y"))


def one(props=None, **extra):
    return subject(ONE, [props or {}], **extra)


def torch(scopes, classes):
    return {"pkg.torch.onnx.name_scopes": scopes, "pkg.torch.onnx.class_hierarchy": classes}


@pytest.mark.parametrize(
    ("props", "owner"),
    [
        (torch("['', 'a', 'op']", "['N', 'A', 'aten']"), "a"),
        (torch("['', 'op']", "['N', 'aten']"), ""),
        (torch("['op']", "['aten']"), None),  # of no module: lost, not the root's
        (torch("['a', 'op']", "['A', 'aten']"), None),
        (torch("['', 'a', 'op']", "['N', 'aten']"), None),
        (torch("__import__('os')", "[]"), None),
        (torch(repr([""] + ["a"] * 500), repr(["N"] * 501)), None),
        ({"namespace": ": Net/a: A/op: aten"}, "a"),
        ({"namespace": "Net/a"}, None),
        ({"namespace": ": Net/" * 500}, None),
    ],
)
def test_torch(props, owner):
    assert told(one(props)) == [owner]


def test_metadata_of_another_model_is_not_believed():
    assert told(one(torch("['', 'a', 'op']", "['N', 'A', 't']"), model=model(modules("b")))) == [
        None
    ]


def winml_tag(tag):
    return {"winml.hierarchy.tag": tag}


@pytest.mark.parametrize(
    ("tag", "owner"),
    [
        ("/Net/Layer.1", "layers.1"),
        ("/Net/Layer.1/Lin", "layers.1.lin"),
        ("/Net/Layer", None),  # two have this class
        ("/Net/Other", None),
        ("/Net", None),  # what is written where nothing is known
        ("/Net" * 500, None),
    ],
)
def test_winml_by_the_classes_of_the_model(tag, owner):
    known = modules("layers", "layers.0", "layers.1", "layers.1.lin", lists=("layers",))
    assert told(one(winml_tag(tag), model=model(known)), WINML) == [owner]
    given = subject(ONE, [{}], tags=[tag], model=model(known))
    assert told(given, FORERUNNER) == [owner]


def test_winml_without_model_and_sidecar_tells_no_path():
    assert told(one(winml_tag("/Net/Layer.1")), WINML) == [None]


SIDECAR = {
    "modules": {
        "class_name": "Net",
        "traced_tag": "/Net",
        "scope": "",
        "children": {
            "Layer.1": {
                "class_name": "Layer",
                "traced_tag": "/Net/Layer.1",
                "scope": "layers.1",
                "children": {"Lin": {"traced_tag": "/Net/Layer.1/Lin", "scope": "layers.1.lin"}},
            }
        },
    },
    "nodes": {"n": "/Net/Layer.1/Lin"},
}


def test_the_sidecar_tells_paths_and_tags():
    told_by = winml.read(SIDECAR)
    assert told(one(sidecar=told_by), WINML) == ["layers.1.lin"]
    assert told(one(winml_tag("/Net/Layer.1"), sidecar=told_by), WINML) == ["layers.1"]


def test_two_modules_of_one_tag_in_the_sidecar_tell_nothing():
    pair = {
        "a": {"traced_tag": "/Net/A", "scope": "x"},
        "b": {"traced_tag": "/Net/A", "scope": "y"},
    }
    told_by = winml.read({"modules": {"children": pair}, "nodes": {"n": "/Net/A"}})
    assert told(one(sidecar=told_by), WINML) == [None]


@pytest.mark.parametrize(
    "content", [b"[]", b"{", b"\xff", b"[" * 100_000, b'{"nodes": ' + b"9" * 5000 + b"}"]
)
def test_a_damaged_sidecar_is_told(tmp_path, content):
    (tmp_path / "m_htp_metadata.json").write_bytes(content)
    with pytest.raises(InvalidModelError, match="beside the model"):
        winml.beside(str(tmp_path / "m.onnx"))


@pytest.mark.parametrize("odd", [{"modules": 3, "nodes": []}, {"nodes": {"n": 3}}, {"modules": {}}])
def test_an_odd_sidecar_tells_nothing(odd, tmp_path):
    (tmp_path / "m_htp_metadata.json").write_text(json.dumps(odd))
    assert not any(winml.beside(str(tmp_path / "m.onnx")).values())


def test_beside_what_is_no_path_lies_nothing():
    assert winml.beside(b"") == {}


def test_each_node_takes_what_the_most_telling_source_says():
    props = {**torch("['', 'a', 'op']", "['N', 'A', 't']"), **winml_tag("/Net/B.1")}
    found = annotated(one(props, model=model(modules("a", "b.1"))))
    assert (owners(found), found.sources) == (["a"], ["torch's metadata"])
