"""A backend from another package: installed by pip, found by its entry point, and used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import htp

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "htp-example-backend"

EXPORT = """
import json, torch, htp
model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()).eval()
tagged = htp.export(model, (torch.ones(1, 2),), "model.onnx", backend="example")
owners = sorted({(tag.path, str(tag.provenance)) for _, tag in htp.load("model.onnx").nodes()})
print(json.dumps({"backend": tagged.backend, "owners": owners}))
"""

LIST = """
import json, warnings, htp
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    names = [info.name for info in htp.available_backends()]
    chosen = htp.backend
texts = [str(w.message) for w in caught if issubclass(w.category, RuntimeWarning)]
print(json.dumps({"names": names, "chosen": chosen, "warnings": texts}))
"""


def python(*arguments, path, cwd):
    """Run Python with ``path`` importable; the last line of what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(path)},
        cwd=str(cwd),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that pip installed the example into."""
    target = tmp_path_factory.mktemp("installed")
    offline = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    install = [sys.executable, "-m", "pip", "install", *offline, "--target", str(target)]
    subprocess.run([*install, str(EXAMPLE)], check=True, cwd=str(target))
    return target


def test_an_installed_backend_is_listed_and_not_the_default(installed, tmp_path):
    found = json.loads(python("-c", LIST, path=installed, cwd=tmp_path))
    assert found["names"] == [*(info.name for info in htp.available_backends()), "example"]
    assert found["chosen"] == htp.backend
    assert found["warnings"] == []


def test_an_installed_backend_exports(installed, tmp_path):
    found = json.loads(python("-c", EXPORT, path=installed, cwd=tmp_path))
    assert found == {"backend": "example", "owners": [["0", "captured"], ["1", "captured"]]}


def test_it_passes_the_conformance_suite(installed, tmp_path):
    report = python(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull),
        *("--rootdir", str(tmp_path), "--import-mode=importlib"),
        *("-k", "backend_can_run or two_parents or cond"),
        str(EXAMPLE / "test_conformance.py"),
        path=installed,
        cwd=tmp_path,
    )
    assert " passed" in report
    assert " failed" not in report


BROKEN = {
    "missing": ("import a_package_that_is_not_there", "ModuleNotFoundError"),
    "no_attribute": ("SPECK = 1", "AttributeError"),
    "no_spec": ("SPEC = 'torchscript'", "TypeError"),
    "taken": (
        "from htp import BackendSpec; SPEC = BackendSpec('fx', 'taken:Backend', since='2.5')",
        "ValueError",
    ),
}


def test_broken_plug_ins_warn_and_are_listed(tmp_path):
    for name, (source, _) in BROKEN.items():
        (tmp_path / f"{name}.py").write_text(source)
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[htp.backends]\n{name} = {name}:SPEC\n")

    found = json.loads(python("-c", LIST, path=tmp_path, cwd=tmp_path))

    assert found["names"] == [*(info.name for info in htp.available_backends()), *BROKEN]
    assert len(found["warnings"]) == len(BROKEN)
    for text, (name, (_, error)) in zip(found["warnings"], BROKEN.items()):
        assert f"leaves out the backend plug-in '{name}' ({name}:SPEC): {error}: " in text
