"""``--results FILE`` writes what the run found, for ``compat_matrix.md``."""

import collections
import datetime as dt
import json
import os
import platform
from importlib import metadata
from pathlib import Path

import pytest
from expected import reason_of

from fingerprint import fingerprint

COMPANIONS = ("onnx", "onnxscript", "onnx-ir", "protobuf", "onnxruntime", "numpy", "transformers")
OUTCOMES = ("passed", "failed", "xfailed", "skipped")


def pytest_addoption(parser):
    parser.addoption("--results", metavar="FILE", help="write the results of this run as JSON")


def pytest_configure(config):
    path = config.getoption("--results")
    if path:
        config.pluginmanager.register(Results(os.path.abspath(path)), "htp-results")


def pytest_collection_modifyitems(items):
    """Tests that a row of ``expected_failures.json`` names without a table of their own."""
    for item in items:
        parameters = item.callspec.id.split("-") if hasattr(item, "callspec") else []
        for backend in {"fx", "torchscript"}.intersection(parameters):
            case = "-".join(part for part in parameters if part != backend)
            reason = reason_of(backend, case, item.originalname)
            if reason and not item.get_closest_marker("xfail"):  # a table's own says more
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


class Results:
    """Counts outcomes, and sums the figures that the conformance tests hand in."""

    def __init__(self, path):
        self.path = path
        self.total = collections.Counter()
        self.backends = {}
        self.worst = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        outcome = outcome_of(report)
        known = self.worst.get(item.nodeid, (None, None, None, ()))[0]
        if outcome is not None and known != "failed":
            self.worst[item.nodeid] = (outcome, item, report, report.user_properties)
        return report

    def pytest_sessionfinish(self):
        for nodeid, (outcome, item, report, figures) in self.worst.items():
            self.total[outcome] += 1
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            name = parameters.get("backend_name") or parameters.get("accepting")
            if name is not None:
                entry = self.backends.setdefault(name, empty_entry())
                add(entry, outcome, item, report, nodeid, dict_sum(figures))
                for property_name, row in figures:
                    if property_name == "call_values":
                        sums = entry.setdefault("call_values", {})
                        for key, count in row.items():
                            sums[key] = sums.get(key, 0) + count
                    if property_name == "comparison":
                        entry.setdefault("comparison", {})[row["subject"]] = row["methods"]
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(self.document(), file, indent=1, sort_keys=True)
            file.write("\n")

    def document(self):
        import htp

        torch = version("torch")
        return {
            "schema": 1,
            "code": fingerprint(Path(htp.__file__).parent),
            "torch": torch,
            "release": ".".join(torch.split(".")[:2]) if torch else None,
            "python": platform.python_version(),
            "companions": {name: version(name) for name in COMPANIONS if version(name)},
            "date": dt.datetime.now(tz=dt.timezone.utc).date().isoformat(),
            "backends": self.backends,
            "tests": {name: self.total[name] for name in OUTCOMES},
        }


def version(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def outcome_of(report):
    """What a phase of a test says of the whole test, or None when it says nothing."""
    if hasattr(report, "wasxfail"):
        return "failed" if report.passed else "xfailed"
    if report.failed:
        return "failed"
    if report.skipped:
        return "skipped"
    return "passed" if report.when == "call" else None


def empty_entry():
    counts = dict.fromkeys(OUTCOMES, 0)
    coverage = dict.fromkeys(("captured", "propagated", "inferred", "unknown"), 0)
    oracle = {"decided": 0, "wrong": 0}
    return {
        **counts,
        "expected_failures": [],
        "failures": [],
        "coverage": coverage,
        "oracle": oracle,
    }


def dict_sum(figures):
    """The figures of one test, by name; those of a named oracle count for all oracles as well."""
    sums = {}
    for name, values in figures:
        kind, _, oracle = name.partition(".")
        if kind in ("coverage", "oracle"):
            sums.setdefault(kind, collections.Counter()).update(values)
        if kind == "oracle" and oracle:
            sums.setdefault(name, collections.Counter()).update(values)
    return sums


def add(entry, outcome, item, report, nodeid, figures):
    entry[outcome] += 1
    if outcome == "failed":
        entry["failures"].append(nodeid)
    if outcome == "xfailed":
        case = item.callspec.params.get("case") or item.callspec.params.get("subject")
        row = {"case": getattr(case, "name", "-"), "test": item.originalname}
        entry["expected_failures"].append({**row, "reason": report.wasxfail})
    for name, values in figures.items():
        kind, _, oracle = name.partition(".")
        place = entry[kind]
        if oracle:
            place = entry.setdefault("oracles", {}).setdefault(oracle, {"decided": 0, "wrong": 0})
        for key, value in values.items():
            place[key] += value
