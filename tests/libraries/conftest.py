"""``--library NAME`` says which library is tested; ``--library-results FILE`` keeps what was found.

Without the first these tests are not there: the libraries are in environments of their own.
"""

import datetime as dt
import json
import os
import platform
from importlib import metadata
from pathlib import Path

import pytest
import torch

import htp
from fingerprint import fingerprint
from libraries.ways import ways_of

TOLD = ("onnx", "onnxscript", "onnx-ir", "onnxruntime", "onnxslim", "transformers", "optimum")


def pytest_addoption(parser):
    parser.addoption("--library", metavar="NAME", help="the library whose exports are tested")
    parser.addoption("--library-results", metavar="FILE", help="write what was found as JSON")


def pytest_ignore_collect(collection_path, config):
    return None if config.getoption("--library", None) else True


def pytest_generate_tests(metafunc):
    if "way" in metafunc.fixturenames:
        release = torch.__version__.partition("+")[0]
        ways = ways_of(metafunc.config.getoption("--library"), release)
        metafunc.parametrize("way", ways, ids=[way.name for way in ways], scope="module")


def pytest_configure(config):
    path = config.getoption("--library-results", None)
    if path:
        config.pluginmanager.register(Results(os.path.abspath(path), config), "library-results")


class Results:
    """Keeps a row for each way, and the first test of it that failed."""

    def __init__(self, path, config):
        self.path = path
        self.library = config.getoption("--library")
        self.rows = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        way = item.callspec.params.get("way") if hasattr(item, "callspec") else None
        if way is not None:
            row = self.rows.setdefault(way.name, row_of(way))
            row["tests"] += report.when == "call" and report.passed
            if report.failed and "failed" not in row:
                row["failed"] = f"{item.originalname}: {reason(call)}"
            for name, value in item.user_properties:
                row[name] = value
        return report

    def pytest_sessionfinish(self):
        document = {
            "schema": 1,
            "code": fingerprint(Path(htp.__file__).parent),
            "library": self.library,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "companions": {name: version(name) for name in TOLD if version(name)},
            "date": dt.datetime.now(tz=dt.timezone.utc).date().isoformat(),
            "ways": list(self.rows.values()),
        }
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1, sort_keys=True)
            file.write("\n")


def row_of(way):
    return {
        "name": way.name,
        "package": way.package,
        "version": version(way.package) if way.package else None,
        "call": way.call,
        "recipe": way.recipe,
        "exporter": way.exporter,
        "rewritten": dict(way.rewritten),
        "carried": dict(way.carried),
        "dated": way.dated,
        "seeded": way.seeded,
        "untagged": way.untagged,
        "remark": way.remark,
        "impossible": way.impossible,
        "inside": way.is_script and not way.options,
        "tests": 0,
    }


def reason(call):
    """Why a test failed, in one line."""
    lines = str(call.excinfo.value).splitlines() if call.excinfo else []
    return f"{call.excinfo.typename}: {lines[0] if lines else ''}"[:200]


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
