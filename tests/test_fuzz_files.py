"""Damaged and hostile files: every operation ends with a result or an ``HTPError``, and soon.

``HTP_FUZZ_FILES`` says how many files; ``nox -s fuzz-files -- 10000`` sets it. A file that failed
is made again by its number. No torch is needed.
"""

import contextlib
import io
import os
import random
import signal
from collections import Counter
from pathlib import Path

import mutations
import pytest

import htp
from htp.cli import main

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*was tagged by HTP"),
    pytest.mark.filterwarnings("ignore:.* are no functions: "),
    pytest.mark.filterwarnings("ignore:All nodes have tags, but whether those still fit"),
]

COUNT = int(os.environ.get("HTP_FUZZ_FILES", "120"))
BATCH = 40
HANG = 240
"""Seconds for all operations on one file of some 100 kB: no measure, but no hang."""

FILES = Path(__file__).parent / "files"
SECRET = b"the user's own"


def kinds():
    torchscript = FILES / "schema1_torchscript.onnx"
    return {
        "torchscript": mutations.tagged_again(torchscript),
        "bodies and functions": mutations.tagged_again(mutations.with_everything()),
        "second schema": mutations.with_everything(),
        "external data": mutations.with_everything("w.bin"),
        "first schema": (FILES / "schema1_fx.onnx").read_bytes(),
        "other tools": mutations.in_other_words(torchscript.read_bytes()),
    }


KINDS = kinds()


def made(number):
    """A file by its number: of which kind, and what was done to it."""
    chance = random.Random(number)
    kind = list(KINDS)[number % len(KINDS)]
    data, done = KINDS[kind], []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        mutation = chance.choice(mutations.MUTATIONS)
        with contextlib.suppress(Exception):  # what is damaged already can't be parsed again
            data = mutation(data, chance)
            done.append(mutation.__name__)
    return kind, done, data


@pytest.fixture
def folder(tmp_path):
    """Where the file lies, among what it may name; and where it is written to."""
    theirs, out = tmp_path / "theirs", tmp_path / "out"
    for each in (theirs, out):
        each.mkdir()
        (each / "w.bin").write_bytes(bytes(32) if each is theirs else SECRET)
    (tmp_path / "secret").write_bytes(SECRET)
    (theirs / "link").symlink_to(tmp_path / "secret")
    (theirs / "linked").symlink_to(tmp_path)
    os.mkfifo(theirs / "pipe")
    for name in (".bashrc", "kept.txt", ".git/hooks/x"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(SECRET)
        (theirs / name).parent.mkdir(parents=True, exist_ok=True)
        (theirs / name).write_bytes(b"evil")
    return tmp_path


def untouched(folder):
    kept = [folder / "secret"]
    kept += [folder / "out" / name for name in (".bashrc", "kept.txt", ".git/hooks/x", "w.bin")]
    return [path.read_bytes() for path in kept] == [SECRET] * len(kept)


def operations(path, out, in_words):
    """Everything that one can do with a file, each on a model that was read anew."""
    target = out / "out.onnx"

    def everything(work):
        return lambda: work(htp.load(path))

    def command(*words):
        def run():
            nowhere = io.StringIO()
            silent = contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere)
            with silent[0], silent[1], pytest.raises(SystemExit) as stopped:
                main([str(word) for word in words])
            assert stopped.value.code in (0, 3)

        return run

    yield everything(lambda tagged: tagged.coverage)
    yield everything(lambda tagged: list(tagged.nodes()))
    yield everything(lambda tagged: (tagged.find("*"), tagged.find("")))
    yield everything(lambda tagged: tagged.find("block*@0", op_type="Add"))
    yield everything(lambda tagged: tagged.find("no such module"))
    yield everything(lambda tagged: [(b.own, b.shared) for b in tagged.tree().walk()])
    yield everything(lambda tagged: tagged.tag("/block/Add"))
    yield everything(lambda tagged: tagged.tag("no such node"))
    yield everything(lambda tagged: tagged.parameters())
    yield everything(lambda tagged: [origin.records() for origin in tagged.origins])
    yield everything(lambda tagged: [origin.skeleton() for origin in tagged.origins])
    yield everything(lambda tagged: tagged._file.weights())
    yield everything(lambda tagged: (repr(tagged), tagged.torch, tagged.schema))
    yield everything(lambda tagged: tagged._repr_html_())
    yield everything(lambda tagged: tagged.strip().save(target))
    yield everything(lambda tagged: (tagged.model, tagged.strip().coverage))
    yield everything(lambda tagged: tagged.save(target))
    yield everything(lambda tagged: tagged.save(path))
    yield everything(lambda tagged: htp.load(tagged.model).save(io.BytesIO()))
    yield everything(lambda tagged: htp.diff(tagged, KINDS["torchscript"]).to_json())
    yield everything(lambda tagged: str(htp.diff(KINDS["external data"], tagged)))
    yield everything(lambda tagged: tagged.as_functions("*", "block").save(target))
    yield everything(lambda tagged: (tagged.boundary("block"), tagged.select("block*")))
    yield everything(lambda tagged: tagged.cost({"n": 2}).to_json())
    yield everything(lambda tagged: tagged.cost().to_json())
    yield everything(lambda tagged: tagged.extract("block").save(target))
    yield everything(lambda tagged: [part.save(target) for part in tagged.split("block")])
    yield everything(lambda tagged: htp.report(tagged, io.BytesIO(), name="model"))
    yield everything(lambda tagged: htp.carry(KINDS["torchscript"], tagged).save(target))
    yield everything(lambda tagged: htp.carry(tagged, KINDS["torchscript"]).save(target))
    if in_words:
        yield command("tree", path)
        yield command("tree", path, "--calls", "--json")
        yield command("nodes", path)
        yield command("nodes", path, "--json")
        yield command("strip", path, "-o", target)


class Hangs(BaseException):
    """No error of any kind that something may catch."""


def hangs(*_):
    raise Hangs


def outcome(folder, data, in_words):
    """How many operations came to a result and how many were refused; anything else is raised."""
    path = folder / "theirs" / "model.onnx"
    counted = Counter()
    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(HANG)
    try:
        for operation in operations(path, folder / "out", in_words):
            path.write_bytes(data)
            try:
                operation()
                counted["done"] += 1
            except htp.HTPError:
                counted["refused"] += 1
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert untouched(folder)
    return counted


@pytest.mark.parametrize("first", range(0, COUNT, BATCH))
def test_files(first, folder):
    counted = Counter()
    for number in range(first, min(first + BATCH, COUNT)):
        kind, done, data = made(number)
        try:
            counted += outcome(folder, data, number % 10 == 0)
        except BaseException as error:
            name = type(error).__name__
            raise AssertionError(f"file {number}, {kind}, {done}: {name}: {error}") from error
    assert counted["done"] > counted["refused"] / 10  # neither all good nor all refused
    assert counted["refused"]


def test_good_files_are_good(folder):
    for data in KINDS.values():
        assert outcome(folder, data, in_words=True)["done"] >= 16


def test_what_is_wrong_is_seen(folder, monkeypatch):
    """An error of another kind, and what does not end."""

    def broken(path, *_):
        yield lambda: {}["no such key"]

    def endless(*_):
        yield lambda: [None for _ in iter(int, 1)]

    for wrong, error in ((broken, KeyError), (endless, Hangs)):
        monkeypatch.setitem(globals(), "operations", wrong)
        monkeypatch.setitem(globals(), "HANG", 1)
        with pytest.raises(error):
            outcome(folder, b"x", in_words=False)
