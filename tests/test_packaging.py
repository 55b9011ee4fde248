"""What the installed distribution says and holds."""

from importlib import metadata
from pathlib import Path

import htp
from fingerprint import fingerprint

NAME = "htp-onnx"


def test_the_core_needs_only_onnx_and_packaging():
    needed = metadata.requires(NAME)
    assert sorted(line for line in needed if "extra ==" not in line) == ["onnx>=1.16", "packaging"]


def test_version_and_python():
    distribution = metadata.distribution(NAME)
    assert distribution.version == htp.__version__
    assert distribution.metadata["Requires-Python"] == ">=3.8"
    assert distribution.metadata["License-Expression"] == "Apache-2.0"


def test_extras():
    extras = metadata.distribution(NAME).metadata.get_all("Provides-Extra")
    assert sorted(extras) == ["all", "cli", "runtime", "torch"]


def test_the_wheel_holds_types_data_and_the_conformance_suite():
    files = {str(path) for path in metadata.files(NAME)}
    assert {"htp/py.typed", "htp/cli/companions.json", "htp/testing/__init__.py"} <= files


def test_the_wheel_holds_nothing_but_the_package():
    roots = {path.parts[0] for path in metadata.files(NAME) if ".." not in path.parts}
    assert roots == {"htp", f"htp_onnx-{htp.__version__}.dist-info"}


def test_the_command_is_announced():
    points = [point for point in metadata.distribution(NAME).entry_points if point.name == "htp"]
    assert [point.value for point in points] == ["htp.cli:main"]


def test_the_wheel_is_of_the_code_of_this_checkout():
    assert fingerprint(Path(htp.__file__).parent) == fingerprint()
