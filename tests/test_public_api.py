"""The public names and how they are called. A change here is a change for every user."""

import inspect

import pytest

import htp
import htp.testing

NAMES = [
    *("BackendInfo", "BackendSpec", "BackendUnavailableError", "CaptureError", "Coverage"),
    *("HTPError", "InvalidModelError", "ModuleCall", "ModuleTree", "Provenance", "Tag"),
    *("TaggedModel", "UnknownModuleError", "UnsupportedTorchError", "__version__", "backend"),
    *("Sharing", "available_backends", "export", "load", "register_backend"),
    *("Exported", "annotate", "tagging", "carry", "CarryReport", "Evidence"),
    *("Profile", "profile", "Verification", "verify", "Diff", "diff", "ExtractionError"),
    *("Bisection", "bisect", "Overflow", "overflow", "Sensitivity", "sensitivity"),
    *("Step", "progress", "report"),
    *("NodeData", "node_data"),
]

SIGNATURES = {
    "export": "(model, args=(), f=None, *positional, kwargs=None, input_names=None, "
    "output_names=None, dynamic_shapes=None, opset_version=None, backend=None, "
    "origin=True, exporter_options=None, root='', embed=True, **torch_options)",
    "annotate": "(f, model=None)",
    "load": "(f)",
    "carry": "(tagged, rewritten)",
    "profile": "(tagged, inputs=None, *, runs=10, warmup=1, session_options=None, providers=None, "
    "shapes=None, placement=False, report=None)",
    "diff": "(a, b)",
    "progress": "(listener)",
    "report": "(tagged, f, *, results=(), shapes=None, name=None, extract=(), parts=None)",
    "Step": "(stage, done=0, total=None, what='', still=False)",
    "node_data": "(tagged, result)",
    "tagging": "(backend=None, origin=True, root='')",
    "verify": "(model, args=(), tagged=None, kwargs=None, *, level='all', atol=None, rtol=None)",
    "Exported": "(model, path, exporter, backend=None, coverage=None, nodes=None, reason=None)",
    "available_backends": "()",
    "register_backend": "(spec)",
    "BackendSpec": "(name, target, since, before='', default_since='', default_before='', "
    "install='', exporter='', protocol=1)",
    "Tag": "(stack=(), provenance=<Provenance.UNKNOWN: 'unknown'>, shared=(), sharing=None, "
    "evidence=None)",
    "Coverage": "(captured=0, propagated=0, inferred=0, unknown=0)",
    "TaggedModel.nodes": "(self)",
    "TaggedModel.tag": "(self, name)",
    "TaggedModel.find": "(self, pattern, op_type=None)",
    "TaggedModel.select": "(self, *patterns, op_type=None, type=None, without=())",
    "TaggedModel.as_functions": "(self, *patterns)",
    "TaggedModel.boundary": "(self, path, call=0)",
    "TaggedModel.cost": "(self, shapes=None)",
    "TaggedModel.extract": "(self, *paths, call=0, first=None, last=None, without=())",
    "TaggedModel.split": "(self, at, call=0)",
    "TaggedModel.tree": "(self)",
    "TaggedModel.parameters": "(self)",
    "TaggedModel.save": "(self, f)",
    "TaggedModel.strip": "(self)",
}

MEMBERS = {
    "Exported": [
        *("backend", "coverage", "exporter", "model", "nodes", "path", "reason", "tagged"),
    ],
    "TaggedModel": [
        *("as_functions", "backend", "boundary", "carried", "cost", "coverage", "extract"),
        *("file", "find", "functions", "loaded", "model", "nodes", "origins", "parameters"),
        *("save", "schema", "select", "split", "strip", "tag", "to_pandas", "torch", "tree"),
    ],
    "Tag": [
        "call",
        "evidence",
        "of",
        "owner",
        "path",
        "provenance",
        "shared",
        "sharing",
        "stack",
        "type",
    ],
    "ModuleCall": ["call", "class_name", "count", "index", "path", "type"],
    "Coverage": ["captured", "inferred", "of", "propagated", "total", "unknown"],
    "ModuleTree": [
        *("call", "children", "joined", "origin", "own", "roots", "shared", "standing"),
        *("to_pandas", "total", "unknown", "walk"),
    ],
    "Verification": [
        *("count", "culprits", "first", "index", "not_judged", "outputs", "reason", "remarks"),
        *("rows", "samples", "to_json", "to_pandas"),
    ],
    "Diff": [
        *("calls", "count", "equal", "equal_calls", "index", "made_by", "nodes", "not_judged"),
        *("rows", "summary", "to_json", "to_pandas"),
    ],
    "BackendInfo": ["default", "name", "reason", "torch", "usable"],
}

ERRORS = {
    "UnsupportedTorchError": "HTPError",
    "BackendUnavailableError": "HTPError",
    "CaptureError": "HTPError",
    "InvalidModelError": "HTPError",
    "UnknownModuleError": "HTPError",
    "HTPError": "Exception",
}


def named(name):
    value = htp
    for part in name.split("."):
        value = getattr(value, part)
    return value


def test_names():
    assert sorted(htp.__all__) == sorted(NAMES)


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name):
    signature = inspect.signature(named(name))
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
    ]
    empty = inspect.Signature.empty
    assert str(signature.replace(parameters=plain, return_annotation=empty)) == SIGNATURES[name]


@pytest.mark.parametrize("name", MEMBERS)
def test_members(name):
    cls = named(name)
    fields = getattr(cls, "__dataclass_fields__", {})
    found = {member for member in [*dir(cls), *fields] if not member.startswith("_")}
    assert sorted(found) == MEMBERS[name]


RESULTS = ["Bisection", "CarryReport", "Diff", "ModuleTree", "Overflow", "Profile", "Sensitivity"]


@pytest.mark.parametrize("name", ["TaggedModel", "Verification", *RESULTS])
def test_results_show_themselves(name):
    cls = named(name)
    assert {"__repr__", "_repr_html_", "to_pandas"} <= {*dir(cls)}
    assert cls.__repr__ not in (object.__repr__, tuple.__repr__)


@pytest.mark.parametrize("name", ERRORS)
def test_errors_are_a_tree(name):
    assert named(name).__mro__[1].__name__ == ERRORS[name]


def test_provenance_values():
    values = [str(provenance) for provenance in htp.Provenance]
    assert values == ["captured", "propagated", "inferred", "unknown"]


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("__version__", "backend")])
def test_every_public_name_is_explained(name):
    assert len(inspect.getdoc(named(name))) > 30


def test_evidence_values():
    values = [str(evidence) for evidence in htp.Evidence]
    assert values == ["kept", "structure", "name", "region", "contents"]


def test_the_suite_ships():
    names = ["BackendConformance", "CASES", "Case", "Example", "Inputs", "Marked", "Truth"]
    names += ["contamination", "misplaced_weights", "truth_of"]
    assert sorted(htp.testing.__all__) == sorted(names)
