"""``import htp`` is cheap, and works where torch is missing or not supported.

These run in fresh interpreters whose packages are those of this environment, by symbolic links,
but for torch: it is really not there, or another version's metadata is.
"""

import ast
import os
import subprocess
import sys
import sysconfig

import pytest

import htp
from htp import neighbours
from htp.testing.noise import LET_TORCH_WARN

HEAVY = ("torch", "onnx", "onnxruntime", "onnxscript", "onnx_ir", "numpy", "google.protobuf")
HEAVY += ("transformers", "click", "rich", "pytest", "asyncio", "xml")


def run(code, path):
    """The last line that the code prints, as a value."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": str(path)},
        cwd=os.path.dirname(sys.executable),  # out of the checkout, whose htp/ would come first
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return ast.literal_eval(done.stdout.splitlines()[-1])


@pytest.fixture
def packages(tmp_path):
    """Makes a folder that holds every installed package but torch, and a torch's metadata."""

    target = tmp_path / "packages"
    target.mkdir()

    def make(torch=None):
        for folder in dict.fromkeys(sysconfig.get_paths()[kind] for kind in ("purelib", "platlib")):
            for name in os.listdir(folder):
                hidden = name.lower().startswith(("torch", "functorch"))
                if not hidden and not (target / name).exists():
                    os.symlink(os.path.join(folder, name), target / name)
        if not (target / "htp").exists():
            os.symlink(os.path.dirname(htp.__file__), target / "htp")
        if torch:
            info = target / f"torch-{torch}.dist-info"
            info.mkdir()
            text = f"Metadata-Version: 2.1\nName: torch\nVersion: {torch}\n"
            (info / "METADATA").write_text(text)
        return target

    return make


@pytest.mark.parametrize("torch", [None, "1.7.1", "2.4.1", "2.15.0", "not a version"])
def test_import_brings_in_nothing_heavy(packages, torch):
    path = packages(torch)
    code = f"import sys, htp; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert run(code, path) == []


def test_import_brings_in_nothing_heavy_where_torch_is():
    code = f"import sys, htp; print([name for name in {HEAVY!r} if name in sys.modules])"
    path = os.pathsep.join(filter(None, sys.path))
    assert run(code, path) == []


@pytest.mark.parametrize(
    ("torch", "name"),
    [(None, None), ("1.7.1", None), ("2.4.1", "torchscript"), ("2.10.0", "fx"), ("oddly", None)],
)
def test_the_backend_is_chosen_by_metadata_alone(packages, torch, name):
    assert run("import htp; print(repr(htp.backend))", packages(torch)) == name


EXPORT = """
import htp
try:
    htp.export(object(), ())
except htp.UnsupportedTorchError as error:
    print(repr(str(error)))
"""


def test_export_without_torch(packages):
    text = run(EXPORT, packages())
    assert text.startswith("torch is not installed. Backends and the releases they accept:\n")
    assert "  torchscript: torch>=1.8" in text
    assert "\nHint: install torch" in text


def test_export_with_a_torch_that_is_too_old(packages):
    text = run(EXPORT, packages("1.7.1"))
    assert text.startswith("No capture backend accepts torch 1.7.1.")
    assert "  fx: torch>=2.5" in text
    assert "\nHint: install one of those torch releases" in text


def test_backends_without_torch(packages):
    row = "(i.name, i.usable, i.reason, i.default)"
    code = f"import htp; print([{row} for i in htp.available_backends()])"
    reason = "torch is not installed"
    rows = run(code, packages())
    assert rows[:2] == [("torchscript", False, reason, False), ("fx", False, reason, False)]


@LET_TORCH_WARN
def test_a_file_is_read_without_torch(packages, tmp_path):
    import torch

    path = tmp_path / "tagged.onnx"
    tagged = htp.export(torch.nn.Sequential(torch.nn.Linear(2, 2)).eval(), torch.ones(1, 2), path)
    code = f"import htp; m = htp.load({str(path)!r}); print([t.path for _, t in m.nodes()])"
    assert run(code, packages()) == [tag.path for _, tag in tagged.nodes()]
    code = f"import htp; print(htp.load({str(path)!r}).strip().coverage.captured)"
    assert run(code, packages()) == 0


@pytest.mark.parametrize("first", ["htp.backends", "htp.backends.base", "htp.registry"])
def test_the_package_of_the_backends_can_be_imported(packages, first):
    code = f"import {first}, htp, htp.backends.base as b; print(htp.backends.base is b)"
    assert run(code, packages()) is True


def lay(packages, name, *files):
    """What an installer leaves of a distribution: its metadata, with a list of its files."""
    info = packages / f"{name}.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("".join(f"{file},sha256=0,1\n" for file in files))


IMPORT_AND_LISTEN = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import htp
    import htp.scope
print([(w.category.__name__, str(w.message), w.lineno) for w in caught])
"""


@pytest.mark.parametrize(
    ("name", "file"),
    [("htp-0.1.0", "htp/__init__.py"), ("HTP-2.0", "htp/new.py"), ("htp-3", '"htp/a,b.py"')],
)
def test_files_of_another_distribution_among_htps_are_said_once(packages, name, file):
    path = packages()
    lay(path, name, "hx/__init__.py", file)
    [(category, text, line)] = run(IMPORT_AND_LISTEN, path)
    assert category == "RuntimeWarning"
    assert line == 5, "it points at the import"
    assert text.startswith(f"Files of htp {name[4:]} lie among those of htp-onnx in {path}")
    assert "\nHint: pip uninstall htp" in text


def test_a_neighbour_that_keeps_to_itself_is_not_mentioned(packages):
    path = packages()
    lay(path, "htp-0.1.0", "hx/__init__.py", "../../bin/hx")  # what the one on PyPI lays
    lay(path, "htp_onnx-9.9.9", "htp/__init__.py")  # HTP itself
    lay(path, "htp_tools-1.0", "htp_tools/__init__.py")
    (path / "htp-0.2.0.dist-info").mkdir()  # without a list
    assert run(IMPORT_AND_LISTEN, path) == []


def test_a_clean_installation_is_silent(packages):
    assert run(IMPORT_AND_LISTEN, packages()) == []


def test_a_folder_that_cannot_be_listed_says_nothing(tmp_path):
    assert neighbours.strangers(str(tmp_path / "missing" / "htp")) == []
