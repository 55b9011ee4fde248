"""htp.profile on models written down by hand, run by onnxruntime. Needs no torch."""

import json
import os

import numpy as np
import onnx
import onnxruntime
import pytest
from literal import call, model, node, tag, value, weight
from onnx import TensorProto, helper
from packaging.version import Version

import htp


def random(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def chain(named=True):
    """Three products, of ``a``, ``b.c`` and ``b.d``, with an activation behind the second."""
    nodes = [
        node("MatMul", "x w", "h", "one" if named else "", "a"),
        node("MatMul", "h v", "i", "two" if named else "", "b.c"),
        node("Tanh", "i", "j", "three" if named else "", "b"),
        node("MatMul", "j u", "y", "four" if named else "", "b.d"),
    ]
    weights = [
        weight("w", value=random(64, 256), parameter="a.w"),
        weight("v", value=random(256, 128), parameter="b.c.w"),
        weight("u", value=random(128, 32), parameter="b.d.w"),
    ]
    calls = [[*call(""), 0], [*call("a"), 1], [*call("b"), 1], [*call("b.c"), 2], [*call("b.d"), 2]]
    calls[0][1] = "m.Net"
    return model(
        nodes, [value("x", "batch", 64)], [value("y", "batch", 32)], weights, calls=[*calls]
    )


def of(profile, path):
    (row,) = (row for row in profile.rows if row.call.path == path)
    return row


def test_rows_are_in_the_order_of_the_forward_pass_and_add_up():
    profile = htp.profile(chain(), {"x": random(32, 64)}, runs=5)
    assert [str(row.call) for row in profile.rows] == ["", "a", "b", "b.c", "b.d"]
    assert (profile.attributed, profile.exact, profile.runs) == (1.0, 1.0, 5)
    assert [row.count for row in profile.rows] == [4, 1, 3, 1, 1]
    root, first, second = (of(profile, path) for path in ("", "a", "b"))
    assert root.seconds == pytest.approx(first.seconds + second.seconds)
    assert root.share == 1.0
    assert second.seconds > of(profile, "b.c").seconds + of(profile, "b.d").seconds
    assert second.own == pytest.approx(second.operators["Tanh"])
    assert set(root.operators) == {"MatMul", "Tanh"}
    assert list(root.providers) == ["CPUExecutionProvider"]


def test_inputs_are_made_up_of_shapes():
    with pytest.raises(htp.HTPError, match="batch"):
        htp.profile(chain())
    assert htp.profile(chain(), shapes={"batch": 2}, runs=1).attributed == 1.0


def test_several_samples_take_turns(tmp_path):
    for number, length in enumerate((2, 3)):
        np.savez(tmp_path / f"{number}.npz", x=random(length, 64))
    assert htp.profile(chain(), tmp_path, runs=4).runs == 4


def test_nodes_without_a_name_are_told_by_their_order():
    profile = htp.profile(chain(named=False), {"x": random(32, 64)}, runs=2)
    owners = {each.kernel.name: each.tag.path for each in profile.kernels}
    assert owners == {"MatMul_0": "a", "MatMul_1": "b.c", "Tanh_2": "b", "MatMul_3": "b.d"}
    assert (profile.attributed, profile.exact) == (1.0, 1.0)
    assert [row.count for row in profile.rows] == [4, 1, 3, 1, 1]


def branches(nested_names=("inner", "inner")):
    """``top`` chooses: one product or two, whose nodes have the same names in both branches."""
    then = [node("MatMul", "x w", "t", nested_names[0], "top.yes")]
    other = [
        node("MatMul", "x w", "e1", nested_names[1], "top.no"),
        node("Tanh", "e1", "e", "act", "top.no"),
    ]
    bodies = {
        "then_branch": helper.make_graph(then, "then", [], [value("t", 64, 64)]),
        "else_branch": helper.make_graph(other, "else", [], [value("e", 64, 64)]),
    }
    nodes = [node("If", "flag", "h", "choose", "top", attributes=bodies)]
    nodes.append(node("MatMul", "h w", "y", "last", "end"))
    inputs = [value("x", 64, 64), value("flag", kind=TensorProto.BOOL)]
    return model(nodes, inputs, [value("y", 64, 64)], [weight("w", value=random(64, 64))])


@pytest.mark.parametrize("flag", [True, False])
def test_the_time_of_a_choice_is_without_that_of_its_branch(flag):
    inputs = {"x": random(64, 64), "flag": np.asarray(flag)}
    profile = htp.profile(branches(("yes", "no")), inputs, runs=3)
    taken, other = ("top.yes", "top.no") if flag else ("top.no", "top.yes")
    assert of(profile, taken).count == (1 if flag else 2)
    assert other not in {row.call.path for row in profile.rows if row.count}
    top = of(profile, "top")
    choice = next(each for each in profile.kernels if each.kernel.operator == "If")
    assert choice.kernel.seconds < top.seconds
    assert top.own == pytest.approx(choice.kernel.seconds)
    assert of(profile, "").seconds == pytest.approx(top.seconds + of(profile, "end").seconds)
    assert profile.exact == 1.0


@pytest.mark.parametrize("thread", [1, 2])
def test_what_runs_inside_is_taken_off_once(tmp_path, thread):
    """Also where it runs on another thread: then a name of the branch tells."""

    def event(name, operator, start, spent, on=1):
        args = {"op_name": operator, "provider": "CPUExecutionProvider"}
        told = {"cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": spent, "tid": on}
        return {**told, "args": args}

    rows = [{"cat": "Session", "name": "model_run", "ts": 90, "dur": 100, "tid": 1, "args": {}}]
    rows.append(event("choose", "If", 100, 50))
    rows.append(event("no", "MatMul", 101, 20, thread))
    rows.append(event("act", "Tanh", 125, 26, thread))  # a microsecond too long, by rounding
    rows.append(event("last", "MatMul", 151, 10))
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(rows), "utf-8")
    profile = htp.profile(branches(("yes", "no")), report=path)
    times = {each.kernel.name: each.kernel.seconds for each in profile.kernels}
    assert times == pytest.approx({"choose": 4e-6, "no": 20e-6, "act": 26e-6, "last": 10e-6})
    assert of(profile, "").seconds == pytest.approx(60e-6)
    assert (profile.runs, profile.attributed, profile.exact) == (1, 1.0, 1.0)


def test_a_name_that_stands_in_both_branches_is_of_both():
    inputs = {"x": random(64, 64), "flag": np.asarray(True)}
    profile = htp.profile(branches(), inputs, runs=2)
    (kernel,) = (each for each in profile.kernels if each.kernel.name == "inner")
    assert (kernel.tag.path, kernel.exact) == ("top", False)
    assert {call.path for call in kernel.tag.shared} == {"top.yes", "top.no"}
    assert profile.attributed == 1.0


def loop():
    """Five rounds of a product, in a body whose nodes have no names."""
    body = helper.make_graph(
        [
            node("MatMul", "s w", "s1", "", "step"),
            node("Tanh", "s1", "s2", "", "step.act"),
            node("Identity", "go", "go1", "", "step"),
        ],
        "body",
        [
            value("i", kind=TensorProto.INT64),
            value("go", kind=TensorProto.BOOL),
            value("s", 64, 64),
        ],
        [value("go1", kind=TensorProto.BOOL), value("s2", 64, 64)],
    )
    nodes = [node("Loop", "n c x", "y", "around", "step", attributes={"body": body})]
    weights = [
        weight("w", value=random(64, 64)),
        weight("n", value=np.asarray(5)),
        weight("c", value=np.asarray(True)),
    ]
    return model(nodes, [value("x", 64, 64)], [value("y", 64, 64)], weights)


def test_a_loop_runs_its_body_several_times_and_counts_it_once():
    profile = htp.profile(loop(), {"x": random(64, 64)}, runs=3)
    assert of(profile, "step.act").count == 5
    assert profile.attributed == 1.0
    whole = sum(each.kernel.seconds for each in profile.kernels)
    assert of(profile, "").seconds == pytest.approx(whole)
    session = onnxruntime.InferenceSession(loop().SerializeToString())
    assert session.run(None, {"x": random(64, 64)})
    around = next(each for each in profile.kernels if each.kernel.operator == "Loop")
    assert around.kernel.seconds < whole


def test_models_that_were_merged_have_rows_of_their_own(monkeypatch):
    def half(mark, prefix):
        monkeypatch.setattr("literal.MARK", mark)
        first = node("MatMul", f"{prefix}x {prefix}w", f"{prefix}y", f"{prefix}mm", "a")
        second = node("Tanh", f"{prefix}y", f"{prefix}z", f"{prefix}th", "b")
        ends = [value(f"{prefix}x", 8, 8)], [value(f"{prefix}z", 8, 8)]
        return model([first, second], *ends, [weight(f"{prefix}w", value=random(8, 8))])

    marks = ["0" * 16, "1" * 16]
    halves = [half(mark, prefix) for mark, prefix in zip(marks, ("p_", "q_"))]
    made = onnx.compose.merge_models(*halves, io_map=[("p_z", "q_x")])
    tells = hasattr(onnxruntime.InferenceSession, ASSIGNMENT)
    profile = htp.profile(made, {"p_x": random(8, 8)}, runs=1, placement=tells)
    if tells:
        assert {row.origin for row in profile.placement.rows} == set(marks)
    counts = {(row.origin, row.call.path): row.count for row in profile.rows}
    assert counts == {(m, p): c for m in marks for p, c in (("", 2), ("a", 1), ("b", 1))}
    assert profile.exact == 1.0
    assert {row["origin"] for row in profile.to_json()["rows"]} == set(marks)


def test_functions_are_inlined():
    inner = [node("MatMul", "a b", "c", "mm", "part"), node("Tanh", "c", "d", "th", "part.act")]
    opset = [helper.make_opsetid("", 17)]
    function = helper.make_function("f", "Layer", ["a", "b"], ["d"], inner, opset)
    outer = node("Layer", "x w", "h", "called", "part")
    outer.domain = "f"
    nodes = [outer, node("MatMul", "h w", "y", "last", "end")]
    made = model(
        nodes,
        [value("x", 64, 64)],
        [value("y", 64, 64)],
        [weight("w", value=random(64, 64))],
        functions=[function],
    )
    profile = htp.profile(made, {"x": random(64, 64)}, runs=2)
    assert of(profile, "part.act").count == 1
    assert of(profile, "part").count == 2
    assert profile.attributed == 1.0


def test_what_has_no_owner_is_counted_apart():
    made = chain()
    for each in made.graph.node:
        if each.name == "three":
            del each.metadata_props[:]
            tag(each, None)
    profile = htp.profile(htp.load(made), {"x": random(32, 64)}, runs=2)
    assert 0 < profile.attributed < 1
    assert profile.unowned.count == 1
    assert profile.unowned.seconds == pytest.approx(
        profile.seconds * (1 - profile.attributed), rel=1e-6
    )
    assert any("in no row" in each for each in profile.remarks)


def settings(options):
    names = ("enable_profiling", "profile_file_prefix", "optimized_model_filepath")
    more = ("graph_optimization_level", "intra_op_num_threads", "log_severity_level")
    return [getattr(options, name) for name in (*names, *more)]


@pytest.mark.parametrize("placement", [False, True])
def test_session_options_are_used_and_left_as_they_were(tmp_path, monkeypatch, placement):
    if placement and not hasattr(onnxruntime.InferenceSession, ASSIGNMENT):
        pytest.skip("this onnxruntime does not tell of placement")
    monkeypatch.chdir(tmp_path)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.add_free_dimension_override_by_name("batch", 7)
    before = settings(options)
    given = {"x": random(7, 64)}
    profile = htp.profile(chain(), given, runs=1, session_options=options, placement=placement)
    assert profile.attributed == 1.0
    assert settings(options) == before
    assert not os.listdir(tmp_path)
    fresh = onnxruntime.SessionOptions()
    fresh.add_free_dimension_override_by_name("batch", 7)
    fresh.graph_optimization_level = options.graph_optimization_level
    data = chain().SerializeToString()
    sessions = [onnxruntime.InferenceSession(data, each) for each in (options, fresh)]
    first, second = (session.get_inputs()[0].shape for session in sessions)
    assert first == second
    sessions[0].run(None, given)
    assert not os.listdir(tmp_path)


def test_session_options_serve_for_models_with_data_files_again_and_again(tmp_path):
    made = chain()
    path = tmp_path / "model.onnx"
    onnx.save_model(made, str(path), save_as_external_data=True, size_threshold=0, location="w")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for _ in range(2):
        profile = htp.profile(path, {"x": random(2, 64)}, runs=1, session_options=options)
        assert (profile.attributed, profile.exact) == (1.0, 1.0)
    assert sorted(os.listdir(tmp_path)) == ["model.onnx", "w"]
    onnxruntime.InferenceSession(chain().SerializeToString(), options)
    assert htp.profile(path, {"x": random(2, 64)}, runs=1).exact == 1.0


@pytest.mark.skipif(
    Version(onnxruntime.__version__) < Version("1.23"),
    reason="onnxruntime 1.19 looks for data files in the current folder",
)
def test_weights_that_are_too_large_for_a_file_are_read_by_onnxruntime(tmp_path, monkeypatch):
    monkeypatch.setattr("htp.profiling.measuring.LARGE", 0)
    monkeypatch.setattr("htp.profiling.options.LARGE", 0)
    path = tmp_path / "model.onnx"
    onnx.save_model(chain(), str(path), save_as_external_data=True, size_threshold=0, location="w")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for given in (options, options, None):
        profile = htp.profile(path, {"x": random(2, 64)}, runs=1, session_options=given)
        assert (profile.attributed, profile.exact) == (1.0, 1.0)
        assert not profile.remarks
    assert sorted(os.listdir(tmp_path)) == ["model.onnx", "w"]
    onnxruntime.InferenceSession(chain().SerializeToString(), options)


ASSIGNMENT = "get_provider_graph_assignment_info"


def test_placement():
    given = {"x": random(2, 64)}
    if not hasattr(onnxruntime.InferenceSession, ASSIGNMENT):
        with pytest.raises(htp.HTPError, match="does not tell which provider"):
            htp.profile(chain(), given, placement=True)
        return
    where = htp.profile(chain(), given, runs=1, placement=True).placement
    assert where.nodes == {"CPUExecutionProvider": 4}
    macs = {row.call.path: row.macs["CPUExecutionProvider"] for row in where.rows}
    assert macs == {
        "": 2 * (64 * 256 + 256 * 128 + 128 * 32),
        "a": 2 * 64 * 256,
        "b": 2 * (256 * 128 + 128 * 32),
        "b.c": 2 * 256 * 128,
        "b.d": 2 * 128 * 32,
    }
    assert (where.unowned, where.unknown) == ({}, 0)
    assert where.to_json()["rows"][1]["nodes"] == {"CPUExecutionProvider": 1}


def test_json_and_text():
    profile = htp.profile(chain(), {"x": random(2, 64)}, runs=1)
    told = json.loads(json.dumps(profile.to_json()))
    assert (told["schema"], told["tool"], told["runs"]) == ("htp.profile/1", "onnxruntime", 1)
    assert [row["path"] for row in told["rows"]] == ["", "a", "b", "b.c", "b.d"]
    assert {each["path"] for each in told["kernels"]} == {"a", "b", "b.c", "b.d"}
    assert (told["attributed"], told["exact"]) == (1.0, 1.0)
    text = str(profile)
    assert "b.c" in text
    assert "100.0 % attributed, 100.0 % exact" in text
    assert "4 kernels" in repr(profile)


def test_names_from_a_file_are_made_safe():
    made = chain()
    for each in made.graph.node:
        each.name = each.name + "\x1b[2J;\n"
    profile = htp.profile(made, {"x": random(2, 64)}, runs=1)
    assert profile.attributed == 1.0
    for text in (str(profile), profile.collapsed()):
        assert "\x1b" not in text
    stacks = profile.collapsed().splitlines()
    assert sorted(line.count(";") for line in stacks) == [2, 2, 3, 3]  # calls, then the kernel


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"runs": 0}, "runs is 0"),
        ({"warmup": -1}, "warmup is -1"),
        ({"providers": ["NoSuchProvider"]}, "no provider 'NoSuchProvider'"),
        ({"inputs": {"y": random(2, 64)}}, "no input 'y'"),
        ({"inputs": {"x": random(2, 63)}}, "shape"),
        ({"inputs": "missing.npz"}, "missing.npz"),
        ({"report": "missing.json"}, "missing.json"),
        ({"report": []}, "No report"),
    ],
)
def test_bad_arguments(arguments, said):
    given = {"inputs": {"x": random(2, 64)}, **arguments}
    if "report" in given:
        del given["inputs"]
    with pytest.raises(htp.HTPError, match=said):
        htp.profile(chain(), **given)


def test_a_report_is_not_of_runs_here():
    with pytest.raises(htp.HTPError, match="runs elsewhere"):
        htp.profile(chain(), {"x": random(2, 64)}, report="times.json")


def test_runs_are_whole_numbers():
    with pytest.raises(TypeError, match="whole number"):
        htp.profile(chain(), runs=1.5)


def test_a_model_that_fails_while_it_runs_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    nodes = [node("Reshape", "x s", "y", "r", "a")]
    weights = [weight("s", value=np.asarray([3, 5]))]
    made = model(nodes, [value("x", "n", 4)], [value("y", 3, 5)], weights)
    with pytest.raises(htp.HTPError, match="cannot run"):
        htp.profile(made, {"x": random(2, 4)})
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("made", [branches, loop])
def test_nodes_that_run_side_by_side(made):
    options = onnxruntime.SessionOptions()
    options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    options.log_severity_level = 3
    given = {"x": random(64, 64)}
    if made is branches:
        given["flag"] = np.asarray(False)
    profile = htp.profile(made(), given, runs=3, session_options=options)
    assert profile.attributed == 1.0
    holder = next(each for each in profile.kernels if each.kernel.operator in {"If", "Loop"})
    inside = [each for each in profile.kernels if each.kernel.operator == "Tanh"]
    assert [each.tag.path for each in inside] == ["top.no" if made is branches else "step.act"]
    assert holder.kernel.seconds < profile.seconds


@pytest.mark.skipif(
    "OpenVINOExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="this onnxruntime has no provider that compiles",
)
def test_modules_that_fell_back_to_the_cpu():
    """OpenVINO's provider compiles two products to one kernel, and has no determinant."""
    nodes = [
        node("MatMul", "x w", "h", "/a/MatMul", "a"),
        node("Det", "h", "d", "/b/Det", "b"),
        node("MatMul", "h w", "y", "/c/MatMul", "c"),
    ]
    outputs = [value("y", 8, 8), value("d")]
    made = model(nodes, [value("x", 8, 8)], outputs, [weight("w", value=random(8, 8))])
    providers = ["OpenVINOExecutionProvider", "CPUExecutionProvider"]
    profile = htp.profile(made, {"x": random(8, 8)}, runs=2, providers=providers, placement=True)
    assert (profile.attributed, profile.exact) == (1.0, 1.0)
    assert list(of(profile, "b").providers) == ["CPUExecutionProvider"]
    assert list(of(profile, "").providers) == providers
    assert of(profile, "a").shared == of(profile, "c").shared > 0
    assert any("cannot save" in each for each in profile.remarks)
    assert profile.placement.nodes == {providers[0]: 2, providers[1]: 1}
    placed = {row.call.path: list(row.nodes) for row in profile.placement.rows}
    assert (placed["a"], placed["b"]) == ([providers[0]], [providers[1]])
