"""What ``nox -s new-release`` finds and writes, without the registry: uv's answers are literals."""

import json
from pathlib import Path

import pytest

import new_release
import pins
from htp.torch_release import NEWEST_TESTED, RELEASE

if RELEASE is None or f"{RELEASE.major}.{RELEASE.minor}" != NEWEST_TESTED:
    pytest.skip(
        f"nothing here depends on the release: run on torch {NEWEST_TESTED}",
        allow_module_level=True,
    )

FILES = {
    "torch2.3.txt": "# python 3.9\nonnx==1.0\ntimm==1.0\nnumpy==1.0\ntorch==2.3.0\n",
    "torch2.4.txt": "# python 3.11\nidna==3.0\nnumpy==2.0\nonnx==1.1\ntorch==2.4.1\n",
}
UNIVERSAL = {
    "torch": "2.5.1",
    "typing_extensions": "4.0",
    "nvidia-cublas": "13.4 ; sys_platform == 'linux'",
    "triton": "3.9 ; python_full_version < '3.16' and sys_platform == 'linux'",
}


@pytest.fixture
def known(tmp_path):
    folder = tmp_path / "constraints"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return pins.all_pins(folder)


class Registry:
    """Answers as uv does, for the Pythons that it has wheels for; keeps what it was asked."""

    def __init__(self, *pythons, lacks=()):
        self.pythons = pythons
        self.lacks = lacks
        self.asked = []

    def __call__(self, requirements, python, *options, kept=""):
        self.asked.append((tuple(requirements), python, options, kept))
        if python not in self.pythons or set(self.lacks) & set(requirements):
            raise new_release.NoReleaseError(f"nothing fits Python {python}")
        if "--universal" in options:
            return UNIVERSAL
        names = {name: "9.0" for name in requirements if "==" not in name}
        held = dict(line.split("==") for line in kept.splitlines())
        gpu = {"nvidia-cublas": "13.4", "Triton": "3.9"}
        return {**gpu, "torch": "2.5.1", **names, **{n: held[n] for n in names if n in held}}


def test_the_newest_python_at_hand_with_wheels(known):
    registry = Registry("3.13", "3.12", "3.11", "3.9")
    found = new_release.find("2.5", ["3.9", "3.11", "3.12"], known, resolver=registry)
    assert found.python == "3.12"
    assert found.remarks == ["Python 3.13 can have it, and is not at hand"]
    asked = {python for _, python, _, _ in registry.asked}
    assert asked == {"3.13", "3.12", "3.11", "3.10", "3.9"}


def test_companions_stay_and_what_gpus_need_is_left_out(known):
    found = new_release.find("2.5", ["3.11"], known, resolver=Registry("3.11"))
    assert found.text == "# python 3.11\nnumpy==2.0\nonnx==1.1\ntimm==1.0\ntorch==2.5.1\n"
    assert found.newer == ["onnx 1.1 (9.0)", "numpy 2.0 (9.0)", "timm 1.0 (9.0)"]


def test_the_newest_companions_if_wanted(known):
    found = new_release.find("2.5", ["3.11"], known, newest=True, resolver=Registry("3.11"))
    assert "onnx==9.0" in found.text
    assert found.newer == []


def test_a_release_between_others_starts_from_the_one_before(known, tmp_path):
    (tmp_path / "constraints" / "torch2.9.txt").write_text(FILES["torch2.4.txt"])
    known = pins.all_pins(tmp_path / "constraints")
    assert new_release.before("2.5", known).release == "2.4"
    assert new_release.before("2.1", known).release == "2.3"
    assert "timm" not in new_release.companions("2.5", known)
    assert "timm" in new_release.companions("2.10", known)


def test_without_the_zoo_where_that_is_not_out_yet(known):
    found = new_release.find("2.5", ["3.11"], known, resolver=Registry("3.11", lacks=["timm"]))
    assert "timm" not in found.text
    assert found.remarks == ["without timm: nothing fits Python 3.11"]


@pytest.mark.parametrize(
    ("release", "have", "registry", "says"),
    [
        ("2.5", ["3.11"], Registry(), "the registry has no wheel of torch==2.5.*: nothing fits"),
        (
            "2.5",
            ["3.10"],
            Registry("3.12"),
            "no Python at hand (3.10) can have it: Python 3.12",
        ),
        ("2.5", ["3.11"], Registry("3.11", lacks=["onnx"]), "nothing fits Python 3.11"),
        ("2.4", ["3.11"], Registry("3.11"), "constraints/torch2.4.txt is there"),
        ("2.5.1", ["3.11"], Registry("3.11"), "'2.5.1' is not a minor release"),
        ("../2.5", ["3.11"], Registry("3.11"), "'../2.5' is not a minor release"),
    ],
)
def test_a_release_that_cannot_be_pinned(release, have, registry, says, known):
    with pytest.raises(new_release.NoReleaseError) as raised:
        new_release.find(release, have, known, resolver=registry)
    assert says in str(raised.value)


def test_an_error_writes_nothing(monkeypatch, capsys):
    written = []
    monkeypatch.setattr(new_release, "write", lambda *args: written.append(args))
    assert new_release.main(["pins", NEWEST_TESTED, "--have", "3.13"]) == 1
    assert written == []
    told = capsys.readouterr()
    assert not told.out
    assert told.err == (
        f"Error: no pins for torch {NEWEST_TESTED}: constraints/torch{NEWEST_TESTED}.txt is there\n"
    )


@pytest.mark.parametrize(("release", "row"), [("2.16", "2.16"), ("2.7", "2.15")])
def test_what_is_written_is_read_and_the_row_is_the_newest(release, row, tmp_path):
    table = tmp_path / "torch_release.py"
    table.write_text('X: Final = "2.5"\n\nNEWEST_TESTED: Final = "2.15"\n"""Newest."""\n')
    found = new_release.Found("3.13", "# python 3.13\ntorch==9.1\n", [], [])
    written = new_release.write(release, found, tmp_path, table)
    assert len(written) == (2 if row == release else 1)
    made = pins.read_pins(tmp_path / f"torch{release}.txt")
    assert (made.release, made.python, made.versions) == (release, "3.13", {"torch": "9.1"})
    assert table.read_text() == (
        f'X: Final = "2.5"\n\nNEWEST_TESTED: Final = "{row}"\n"""Newest."""\n'
    )


def test_the_row_is_where_it_is_looked_for(tmp_path):
    table = tmp_path / "torch_release.py"
    table.write_bytes(new_release.RELEASES.read_bytes())
    new_release.write("99.0", new_release.Found("3.13", "", [], []), tmp_path, table)
    assert '\nNEWEST_TESTED: Final = "99.0"\n' in table.read_text(encoding="utf-8")


def test_what_is_left_is_told_from_results(tmp_path, monkeypatch):
    monkeypatch.setattr(new_release, "RESULTS", tmp_path)
    newest, previous = pins.all_pins()[-1], pins.all_pins()[-2]

    def left():
        return list(new_release.left(newest.release, pins.all_pins()))

    assert f"no run of the whole suite: nox -s tests-torch{newest.release}" in left()
    assert any("are not recorded" in line for line in left())
    (tmp_path / "options").mkdir()
    for each, default in ((previous, "1"), (newest, "2")):
        record = {"parameters": [{"name": "a", "default": default}, {"name": "b", "default": "0"}]}
        (tmp_path / "options" / f"torch{each.release}.json").write_text(json.dumps(record))
    result = {"backends": {"fx": {"failures": ["t.py::one"]}}, "tests": {"failed": 3}}
    (tmp_path / f"torch{newest.release}.json").write_text(json.dumps(result))
    told = left()
    assert "torch.onnx.export: a was 1, is 2" in told
    assert not any(": b was" in line for line in told)
    assert any(line.startswith("fails: t.py::one;") for line in told)
    assert any(line.startswith("2 more tests fail") for line in told)


def test_a_text_that_speaks_of_a_release_is_found():
    places = list(new_release._named(NEWEST_TESTED))
    readme = Path(new_release.ROOT, "README.md").read_text(encoding="utf-8").splitlines()
    (line,) = (n for n, text in enumerate(readme, 1) if f"to {NEWEST_TESTED}." in text)
    assert f"README.md:{line}" in places
    assert not any(place.startswith(("compat_matrix.md", "CHANGELOG.md")) for place in places)
