"""``--no-skips``: where all is installed, a skip says that something is missing."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

TESTS = """
import pytest

@pytest.fixture
def tool():
    pytest.skip("no tool here")

def test_with(tool): pass

def test_inside(): pytest.skip("no other tool")

@pytest.mark.skipif(True, reason="another release")
def test_marked(): pass

@pytest.mark.xfail(reason="known")
def test_known(): raise ValueError

def test_plain(): pass
"""
FILE = "import pytest\npytest.importorskip('no_such_tool')\n"


def outcome(folder, text, *options):
    (folder / "test_it.py").write_text(text)
    paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "tools"), *filter(None, sys.path)])
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "conftest"),
            *("-c", os.devnull, "--rootdir", str(folder), *options, str(folder)),
        ],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout


def test_without_the_option_they_are_skipped(tmp_path):
    status, shown = outcome(tmp_path, TESTS)
    assert status == 0
    assert "1 passed, 3 skipped, 1 xfailed" in shown
    assert "1 skipped" in outcome(tmp_path, FILE)[1]


def test_a_test_that_is_skipped_fails_and_says_why(tmp_path):
    status, shown = outcome(tmp_path, TESTS, "--no-skips")
    assert status == 1
    assert "1 failed, 1 passed, 1 xfailed, 2 errors" in shown
    assert all(why in shown for why in ("no tool here", "no other tool", "another release"))


def test_a_file_that_is_skipped_fails(tmp_path):
    status, shown = outcome(tmp_path, FILE, "--no-skips")
    assert status == 2
    assert "could not import 'no_such_tool'" in shown
