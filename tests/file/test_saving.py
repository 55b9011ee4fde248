"""What a save replaces, what it takes along, and what is left when it fails. No torch is needed."""

import io
import os
import pty
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import htp
from htp.file import moves, scratch, store
from htp.file.scratch import PREFIX

SECRET = b"the user's own"
DATA = b"\x01\x02\x03\x04" * 4
STACK = '[["","m.Net",0]]'


def tensor(name, location=None):
    made = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4])
    if location is None:
        made.raw_data = DATA
    else:
        made.data_location = TensorProto.EXTERNAL
        made.external_data.add(key="location", value=location)
        made.external_data.add(key="length", value="16")
    return made


def tagged_node(op, inputs, outputs, **attributes):
    node = helper.make_node(op, inputs, outputs, outputs[0] if outputs else "", **attributes)
    node.metadata_props.add(key="pkg.htp.stack", value=STACK)
    node.metadata_props.add(key="pkg.htp.path", value="")
    node.metadata_props.add(key="pkg.htp.provenance", value="captured")
    node.metadata_props.add(key="pkg.htp.origin", value="0" * 16)
    return node


def model(*locations, nodes=(), functions=()):
    weights = [tensor(f"w{n}", location) for n, location in enumerate(locations)]
    made = [tagged_node("Relu", ["x"], ["y"]), *nodes]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [4]) for n in "xy"]
    graph = helper.make_graph(made, "g", ends[:1], ends[1:], weights)
    whole = helper.make_model(graph, functions=functions)
    value = '{"schema":"2","backend":"fx","torch":"2.9","htp":"1","calls":[["","m.Net",0,0]]}'
    whole.metadata_props.add(key=f"pkg.htp.{'0' * 16}", value=value)
    return whole


def put(path, *locations, **more):
    """A model and its data files."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model(*locations, **more).SerializeToString())
    for location in locations:
        if location and not os.path.isabs(location) and ".." not in location:
            place = path.parent / location
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                place.write_bytes(DATA)
    return path


def strip(path, target):
    htp.load(path).strip().save(target)


def locations(path):
    return store._locations_in(str(path))


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


@pytest.fixture
def theirs(tmp_path):
    return tmp_path / "theirs"


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


# --- a name that comes from a file never chooses what is replaced


@pytest.mark.parametrize("name", [".bashrc", ".git/hooks/pre-commit", "notes.txt", "sub/notes.txt"])
def test_what_is_there_stays(name, theirs, out):
    place = out / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(SECRET)
    strip(put(theirs / "model.onnx", name), out / "plain.onnx")
    assert place.read_bytes() == SECRET
    assert locations(out / "plain.onnx") == ["plain.onnx.data"]
    assert (out / "plain.onnx.data").read_bytes() == DATA


@pytest.mark.parametrize("name", [".bashrc", ".git/hooks/pre-commit", "a\x1b]0;b", "sub/.x"])
def test_no_hidden_or_odd_name_is_made(name, theirs, out):
    strip(put(theirs / "model.onnx", name), out / "plain.onnx")
    assert sorted(contents(out)) == ["plain.onnx", "plain.onnx.data"]


def test_a_plain_name_is_kept(theirs, out):
    source = put(theirs / "model.onnx", "w.bin", "sub/w.bin", "./w.bin")
    strip(source, out / "plain.onnx")
    assert sorted(contents(out)) == ["plain.onnx", "sub/w.bin", "w.bin"]
    assert locations(out / "plain.onnx") == ["w.bin", "sub/w.bin", "./w.bin"]
    expected = htp.load(source).strip().model.SerializeToString()
    assert (out / "plain.onnx").read_bytes() == expected


def test_what_the_old_target_refers_to_is_replaced(theirs, out):
    put(out / "plain.onnx", "w.bin")
    (out / "w.bin").write_bytes(b"old")
    strip(put(theirs / "model.onnx", "w.bin"), out / "plain.onnx")
    assert contents(out).keys() == {"plain.onnx", "w.bin"}
    assert (out / "w.bin").read_bytes() == DATA


def test_names_from_the_target_are_free_ones(theirs, out):
    for name in ("w.bin", "plain.onnx.data", "plain.onnx.2.data"):
        (out / name).write_bytes(SECRET)
    (out / "v.bin").write_bytes(SECRET)
    strip(put(theirs / "model.onnx", "w.bin", "v.bin"), out / "plain.onnx")
    assert locations(out / "plain.onnx") == ["plain.onnx.1.data", "plain.onnx.3.data"]
    for name in ("w.bin", "plain.onnx.data", "plain.onnx.2.data", "v.bin"):
        assert (out / name).read_bytes() == SECRET


@pytest.mark.parametrize(
    ("target", "name"),
    [
        (".hidden.onnx", ".hidden.onnx.data"),
        (os.fsdecode(b"\xff.onnx"), "model.onnx.data"),
        ("n" * 220 + ".onnx", "n" * 220 + ".onnx.data"),
    ],
)
def test_names_from_odd_targets(target, name, theirs, out):
    (out / "w.bin").write_bytes(SECRET)
    strip(put(theirs / "model.onnx", "w.bin"), out / target)
    assert locations(out / target) == [name]
    assert (out / name).read_bytes() == DATA


def test_a_folder_that_would_be_called_like_the_target(theirs, out):
    strip(put(theirs / "model.onnx", "plain.onnx/w.bin"), out / "plain.onnx")
    assert sorted(contents(out)) == ["plain.onnx", "plain.onnx.data"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_nothing_is_written_through_a_link(kind, theirs, out, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "w.bin").write_bytes(SECRET)
    if kind == "folder":
        (out / "sub").symlink_to(elsewhere)
    else:
        (out / "sub").mkdir()
        (out / "sub" / "w.bin").symlink_to(elsewhere / "w.bin")
    for _ in range(2):  # the second time the old target refers to what was written
        strip(put(theirs / "model.onnx", "sub/w.bin"), out / "plain.onnx")
        assert contents(elsewhere) == {"w.bin": SECRET}
        assert locations(out / "plain.onnx") == ["plain.onnx.data"]


@pytest.mark.parametrize("way", ["w.bin", "sub/w.bin"])
def test_a_secret_that_a_data_file_links_to_is_not_copied(way, theirs, out, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "w.bin").write_bytes(SECRET)
    theirs.mkdir()
    if way == "w.bin":
        (theirs / "w.bin").symlink_to(home / "w.bin")
    else:
        (theirs / "sub").symlink_to(home)
    put(theirs / "model.onnx", way)
    with pytest.raises(htp.InvalidModelError, match="leads out of the model's folder"):
        strip(theirs / "model.onnx", out / "plain.onnx")
    assert contents(out) == {}


@pytest.mark.parametrize("location", ["/etc/hostname", "../secret", "sub/../../secret", "..", "."])
def test_nothing_outside_is_read(location, theirs, out):
    (theirs.parent / "secret").write_bytes(SECRET)
    with pytest.raises(htp.InvalidModelError, match="lies outside"):
        strip(put(theirs / "model.onnx", location), out / "plain.onnx")
    assert contents(out) == {}


def test_a_data_file_that_is_a_pipe(theirs, out):
    put(theirs / "model.onnx", "w.bin")
    (theirs / "w.bin").unlink()
    os.mkfifo(theirs / "w.bin")
    with pytest.raises(htp.InvalidModelError, match="is a pipe"):
        strip(theirs / "model.onnx", out / "plain.onnx")


def test_a_missing_data_file(theirs, out):
    put(theirs / "model.onnx", "w.bin")
    (theirs / "w.bin").unlink()
    with pytest.raises(htp.InvalidModelError, match="is missing"):
        strip(theirs / "model.onnx", out / "plain.onnx")
    strip(theirs / "model.onnx", theirs / "model.onnx")  # nothing is moved, nothing is missed


def test_a_target_that_is_the_models_own_data_file(theirs):
    put(theirs / "model.onnx", "w.bin", "sub/v.bin")
    before = contents(theirs)
    for name in ("w.bin", "sub/v.bin"):
        with pytest.raises(htp.InvalidModelError, match="of this very model"):
            strip(theirs / "model.onnx", theirs / name)
    assert contents(theirs) == before


def test_a_target_named_like_the_models_own_data_file(theirs, out):
    strip(put(theirs / "model.onnx", "w.bin"), out / "w.bin")
    assert locations(out / "w.bin") == ["w.bin.data"]
    assert (out / "w.bin.data").read_bytes() == DATA


def test_a_model_that_is_its_own_data_file(theirs):
    put(theirs / "model.onnx", "model.onnx")
    with pytest.raises(htp.InvalidModelError, match="of this very model"):
        strip(theirs / "model.onnx", theirs / "model.onnx")


# --- all data is taken along


def everywhere():
    """A tensor in each place where one can stand, by the name of its data file."""
    inner = [helper.make_node("Constant", [], ["c"], value=tensor("c", "body.bin"))]
    body = helper.make_graph(inner, "b", [], [helper.make_tensor_value_info("c", 1, [4])])
    body.initializer.append(tensor("d", "body_weight.bin"))
    sparse = onnx.SparseTensorProto(values=tensor("v", "values.bin"), dims=[4])
    sparse.indices.CopyFrom(tensor("i", "indices.bin"))
    nodes = [
        tagged_node("Constant", [], ["k"], value=tensor("k", "constant.bin")),
        tagged_node("Constant", [], ["s"], sparse_value=sparse),
        tagged_node("If", ["q"], ["r"], then_branch=body, else_branch=body),
        tagged_node("Odd", [], ["o"], domain="mine", tensors=[tensor("t", "list.bin")]),
    ]
    held = helper.make_node("Constant", [], ["f"], value=tensor("f", "function.bin"))
    function = helper.make_function("mine", "F", [], ["f"], [held], [helper.make_opsetid("", 18)])
    default = helper.make_attribute("default", tensor("a", "default.bin"))
    function.attribute_proto.append(default)
    whole = model("weight.bin", nodes=nodes, functions=[function])
    info = whole.training_info.add()
    info.initialization.initializer.append(tensor("z", "training.bin"))
    return whole


PLACES = [
    "weight",
    "constant",
    "values",
    "indices",
    "body",
    "body_weight",
    "list",
    "function",
    "default",
    "training",
]


@pytest.mark.parametrize("renamed", [False, True])
def test_data_is_found_wherever_it_stands(renamed, theirs, out):
    theirs.mkdir()
    (theirs / "model.onnx").write_bytes(everywhere().SerializeToString())
    for name in PLACES:
        (theirs / f"{name}.bin").write_bytes(name.encode())
        if renamed:
            (out / f"{name}.bin").write_bytes(SECRET)
    strip(theirs / "model.onnx", out / "plain.onnx")
    named = locations(out / "plain.onnx")
    assert sorted((out / name).read_text() for name in named) == sorted(PLACES)
    assert any(name.startswith("plain.onnx") for name in named) == renamed
    whole = onnx.load(str(out / "plain.onnx"), load_external_data=False)
    expected = htp.load(theirs / "model.onnx").strip().model
    if not renamed:
        assert whole == expected
    else:
        assert len(whole.SerializeToString()) != len(expected.SerializeToString())
        assert whole.graph.node[1].attribute[0].t.external_data[0].key == "length"


def test_the_cache_of_a_hub(tmp_path, out):
    """``snapshots/1/model.onnx -> ../../blobs/0a``, and so each data file beside it."""
    put(tmp_path / "blobs" / "0a", "model.onnx_data")
    (tmp_path / "blobs" / "model.onnx_data").rename(tmp_path / "blobs" / "0b")
    snapshot = tmp_path / "snapshots" / "1"
    snapshot.mkdir(parents=True)
    (snapshot / "model.onnx").symlink_to(Path("..", "..", "blobs", "0a"))
    (snapshot / "model.onnx_data").symlink_to(Path("..", "..", "blobs", "0b"))
    strip(snapshot / "model.onnx", out / "model.onnx")
    assert (out / "model.onnx_data").read_bytes() == DATA
    with open(snapshot / "model.onnx", "rb") as file:
        htp.load(file).save(out / "again.onnx")
    assert (out / "again.onnx.data").read_bytes() == DATA
    strip(snapshot / "model.onnx", snapshot / "model.onnx")
    assert sorted(os.listdir(tmp_path / "blobs")) == ["0a", "0b"]


def test_a_link_to_a_model_with_data_beside_the_model(tmp_path, out):
    put(tmp_path / "v3" / "model.onnx", "w.bin")
    (tmp_path / "latest.onnx").symlink_to(Path("v3", "model.onnx"))
    strip(tmp_path / "latest.onnx", out / "plain.onnx")
    assert (out / "w.bin").read_bytes() == DATA
    strip(tmp_path / "latest.onnx", tmp_path / "plain.onnx")
    assert (tmp_path / "w.bin").read_bytes() == DATA


# --- together or not at all


class Refusing:
    """``os.replace`` that fails at its nth call, counted over a save."""

    def __init__(self, nth, real=os.replace):
        self.left, self.real = nth, real

    def __call__(self, source, target):
        self.left -= 1
        if self.left == 0:
            raise OSError(28, "No space left on device")
        self.real(source, target)


def test_model_and_data_change_together_or_not_at_all(theirs, out, monkeypatch):
    put(out / "plain.onnx", "w.bin")
    (out / "w.bin").write_bytes(b"old")
    put(theirs / "model.onnx", "w.bin", "sub/new.bin")
    before, said = contents(out), []
    for nth in range(1, 99):
        with monkeypatch.context() as patched:
            refusing = Refusing(nth)
            patched.setattr(os, "replace", refusing)
            try:
                strip(theirs / "model.onnx", out / "plain.onnx")
                break
            except htp.HTPError as error:
                said.append(str(error))
        assert contents(out) == before
        assert not (out / "sub").exists()
    assert all("No space left" in text for text in said)
    assert nth == 5  # w.bin aside, w.bin, sub/new.bin, the model: each failed once
    assert sorted(contents(out)) == ["plain.onnx", "sub/new.bin", "w.bin"]


KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
import htp
real = os.replace
def replace(source, target, left=[{nth}]):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(source, target)
os.replace = replace
htp.load(sys.argv[1]).strip().save(sys.argv[2])
"""


def test_what_a_killed_run_moved_is_put_back_by_the_next(theirs, out):
    put(out / "plain.onnx", "w.bin")
    (out / "w.bin").write_bytes(b"old")
    put(theirs / "model.onnx", "w.bin", "sub/new.bin")
    before = contents(out)
    code = KILLED.format(path=sys.path, nth=4)
    files = [str(theirs / "model.onnx"), str(out / "plain.onnx")]
    ran = subprocess.run([sys.executable, "-c", code, *files], check=False, env=os.environ)
    assert ran.returncode == -signal.SIGKILL
    assert [name for name in os.listdir(out) if name.startswith(PREFIX)]
    assert (out / "w.bin").read_bytes() == DATA
    scratch._clear(str(out))
    assert contents(out) == before
    assert sorted(os.listdir(out)) == ["plain.onnx", "w.bin"]


def test_what_was_written_after_a_kill_stays(out):
    left = out / f"{PREFIX}killed"
    (left / "new").mkdir(parents=True)
    (left / "new" / "plain.onnx").write_bytes(b"new")
    (left / "old").mkdir()
    (left / "old" / "w.bin").write_bytes(b"old")
    (left / "moves").write_text(
        '{"main":"plain.onnx","files":{"w.bin":[1,2,3],"../up":[1,2,3]},"folders":[]}'
    )
    (out / "w.bin").write_bytes(b"later")
    scratch._clear(str(out))
    assert contents(out) == {"w.bin": b"later"}


def test_a_list_of_moves_leads_nowhere_else(out, tmp_path):
    (tmp_path / "old").mkdir()
    for name in ("../up.bin", "/up.bin", "..", "sub/../../up.bin"):
        left = out / f"{PREFIX}odd"
        (left / "new").mkdir(parents=True)
        (left / "new" / "m").write_bytes(b"new")
        (left / "old").mkdir()
        (left / "up.bin").write_bytes(b"evil")
        (left / "moves").write_text(f'{{"main":"m","files":{{"{name}":null}},"folders":[]}}')
        assert moves._said(str(left)) is None
        scratch._clear(str(out))
        assert not left.exists()


def test_undoing_twice_is_undoing_once(out):
    made = scratch.Scratch(str(out))
    with made:
        Path(made.new, "w.bin").write_bytes(b"new")
        Path(made.new, "m").write_bytes(b"new")
        (out / "w.bin").write_bytes(b"old")
        (out / "m").mkdir()  # cannot be replaced by a file
        with pytest.raises(OSError, match="directory"):
            moves.move(made.root, str(out / "m"), None)
        moves.undo(made.root, str(out))
        moves.undo(made.root, str(out))
        assert (out / "w.bin").read_bytes() == b"old"


def test_a_living_runs_folder_stays(out):
    with scratch.Scratch(str(out)) as living:
        Path(living.new, "half").write_bytes(b"x")
        with scratch.Scratch(str(out)):
            assert os.path.exists(living.new)
        strip(put(out / "model.onnx"), out / "model.onnx")
        assert Path(living.new, "half").exists()
    assert os.listdir(out) == ["model.onnx"]


WAITING = """
import sys, time
sys.path[:0] = {path!r}
from htp.file.scratch import Scratch
with Scratch(sys.argv[1]):
    print("ready", flush=True)
    time.sleep(600)
"""


def test_another_process_counts_as_living_until_it_is_killed(out):
    command = [sys.executable, "-c", WAITING.format(path=sys.path), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b"ready\n"
            scratch._clear(str(out))
            assert len(os.listdir(out)) == 1
        finally:
            other.kill()
    scratch._clear(str(out))
    assert os.listdir(out) == []


def test_a_folder_that_another_run_removes_at_once_is_made_again(out, monkeypatch):
    real, calls = scratch._locked, []

    def stolen(folder):
        calls.append(folder)
        if len(calls) == 1:
            shutil.rmtree(folder)
        return real(folder)

    monkeypatch.setattr(scratch, "_locked", stolen)
    with scratch.Scratch(str(out)) as made:
        assert os.path.isdir(made.new)
    assert len(calls) == 2


def test_links_that_look_like_leftovers_stay(out, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_bytes(SECRET)
    (out / f"{PREFIX}link").symlink_to(elsewhere)
    (out / f"{PREFIX}file").write_bytes(SECRET)
    scratch._clear(str(out))
    assert contents(elsewhere) == {"kept": SECRET}
    assert (out / f"{PREFIX}file").exists()


# --- modes and kinds


@pytest.fixture
def _usual_mask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_usual_mask")
def test_modes_stay(theirs, out):
    put(out / "plain.onnx", "w.bin")
    os.chmod(out / "plain.onnx", 0o600)
    os.chmod(out / "w.bin", 0o640)
    put(theirs / "model.onnx", "w.bin", "new.bin")
    strip(theirs / "model.onnx", out / "plain.onnx")
    strip(theirs / "model.onnx", out / "fresh.onnx")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()}
    assert modes["plain.onnx"] == 0o600
    assert modes["w.bin"] == 0o640
    assert modes["new.bin"] == 0o600  # as the model that it belongs to
    assert modes["fresh.onnx"] == 0o644
    os.chmod(theirs / "model.onnx", 0o600)
    strip(theirs / "model.onnx", theirs / "model.onnx")
    assert stat.S_IMODE((theirs / "model.onnx").stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a device"])
def test_only_regular_files_are_replaced_and_read(kind, theirs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    path = Path("odd")
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    else:
        _, terminal = pty.openpty()  # where it lies nothing can be made, should it not be refused
        path = Path(os.ttyname(terminal))
    before = path.lstat()
    started = time.monotonic()
    with pytest.raises(htp.HTPError, match=f"is {kind}, not a file"):
        strip(put(theirs / "model.onnx"), path)
    with pytest.raises(htp.HTPError, match=f"is {kind}, not a file"):
        store.Destination(path)
    with pytest.raises(htp.InvalidModelError, match=f"it is {kind}"):
        htp.load(path)
    assert time.monotonic() - started < 60  # a hang, nothing else
    assert path.lstat().st_mode == before.st_mode


def test_an_export_follows_no_link(out, tmp_path):
    """What torch names is replaced, as plain torch does, but nothing elsewhere is."""
    (tmp_path / "secret").write_bytes(SECRET)
    (out / "model.onnx.data").symlink_to(tmp_path / "secret")
    with store.Destination(out / "model.onnx") as destination:
        Path(destination.scratch, "model.onnx.data").write_bytes(DATA)
        destination.commit([b"model"])
    assert (tmp_path / "secret").read_bytes() == SECRET
    assert contents(out) == {"model.onnx": b"model", "model.onnx.data": DATA}


# --- file objects


class Short(io.RawIOBase):
    """Takes 100 bytes at a time, as a raw file may."""

    def __init__(self, most=100):
        super().__init__()
        self.most, self.taken = most, []

    def writable(self):
        return True

    def write(self, data):
        self.taken.append(bytes(data[: self.most]))
        return len(self.taken[-1])


def test_a_raw_file_gets_all(theirs):
    file = Short()
    tagged = htp.load(put(theirs / "model.onnx", None, None))
    tagged.save(file)
    assert b"".join(file.taken) == (theirs / "model.onnx").read_bytes()
    assert len(file.taken) > 3


def test_a_file_object_that_says_nothing_took_all(theirs):
    class Silent:
        def __init__(self):
            self.taken = []

        def write(self, data):
            self.taken.append(data)

    file = Silent()
    htp.load(put(theirs / "model.onnx")).save(file)
    assert b"".join(file.taken) == (theirs / "model.onnx").read_bytes()


@pytest.mark.parametrize("answer", [0, None])
def test_a_raw_file_that_takes_no_more(answer, theirs):
    class Full(Short):
        def write(self, data):
            return super().write(data) if len(self.taken) < 2 else answer

    with pytest.raises(htp.HTPError, match="takes no more"):
        htp.load(put(theirs / "model.onnx")).save(Full())


def unusable(tmp_path):
    (tmp_path / "there").write_bytes(b"x")
    closed = io.BytesIO()
    closed.close()
    return {
        "is closed": closed,
        "takes text": io.StringIO(),
        "not open for writing": open(tmp_path / "there", "rb"),
    }


@pytest.mark.parametrize("why", ["is closed", "takes text", "not open for writing"])
def test_a_file_object_that_cannot_be_written_is_noticed_before(why, tmp_path):
    files = unusable(tmp_path)
    with pytest.raises(htp.CaptureError, match=rf"{why}.*\n.*'wb'"):
        store.Destination(files[why])
    for file in files.values():
        file.close()


@pytest.mark.parametrize("target", [3, None, [], b"model.onnx"])
def test_a_target_of_the_wrong_kind(target, theirs):
    tagged = htp.load(put(theirs / "model.onnx"))
    with pytest.raises(htp.HTPError, match="must be a path or a binary file object; found"):
        tagged.save(target)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a\0b/model.onnx"])
def test_a_name_that_no_file_can_have(name, theirs):
    tagged = htp.load(put(theirs / "model.onnx"))
    for work in (tagged.save, store.Destination, htp.load):
        with pytest.raises(htp.HTPError):
            work(name)


def test_a_path_that_is_bytes_inside(theirs):
    class Old:
        def __init__(self, path):
            self.path = path

        def __fspath__(self):
            return os.fsencode(self.path)

    tagged = htp.load(Old(put(theirs / "model.onnx")))
    tagged.save(Old(theirs / "again.onnx"))
    assert (theirs / "again.onnx").exists()
