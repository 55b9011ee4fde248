"""``--results FILE`` writes what the run found, for ``compat_matrix.md``.

With ``--no-skips`` a test that is skipped fails: what it needs was to be there.
"""

import collections
import datetime as dt
import json
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import pytest

from fingerprint import fingerprint

COMPANIONS = ("onnx", "onnxscript", "onnx-ir", "protobuf", "onnxruntime", "numpy", "transformers")
OUTCOMES = ("passed", "failed", "xfailed", "skipped")


def pytest_addoption(parser):
    parser.addoption("--results", metavar="FILE", help="write the results of this run as JSON")
    parser.addoption("--no-skips", action="store_true", help="a test that is skipped fails")


def pytest_configure(config):
    path = config.getoption("--results")
    if path:
        writes = not hasattr(config, "workerinput")
        config.pluginmanager.register(Results(os.path.abspath(path), writes), "htp-results")
    if config.getoption("--no-skips"):
        config.pluginmanager.register(NoSkips(), "htp-no-skips")


def pytest_collection_modifyitems(items):
    """Tests that a row of ``expected_failures.json`` names without a table of their own."""
    for item in items:
        if item.get_closest_marker("look"):
            continue
        parameters = item.callspec.id.split("-") if hasattr(item, "callspec") else []
        for backend in {"fx", "torchscript"}.intersection(parameters):
            from expected import reason_of  # imports torch, which the look session is without

            case = "-".join(part for part in parameters if part != backend)
            reason = reason_of(backend, case, item.originalname)
            if reason and not item.get_closest_marker("xfail"):  # a table's own says more
                item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(autouse=True, scope="module")
def nothing_is_compiled_yet():
    """Dynamo gives up on a function of torch's that it compiled too often, for whatever models.

    Which files of tests one process has run before is chance.
    """
    dynamo = sys.modules.get("torch._dynamo")  # most files never load it, and some have no torch
    if dynamo is not None:
        dynamo.reset()


class NoSkips:
    """Makes each skip a failure that says why, of a test and of a whole file."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self):
        return failed_if_skipped((yield))

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self):
        return failed_if_skipped((yield))


def failed_if_skipped(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = report.longrepr[2]
    return report


class Results:
    """Counts outcomes, and sums the figures that the conformance tests hand in.

    Behind ``-n`` the tests run in several processes: each report says of its test what is counted,
    and the process that gets all reports counts and writes.
    """

    def __init__(self, path, writes):
        self.path = path
        self.writes = writes
        self.total = collections.Counter()
        self.skips = collections.Counter()
        self.backends = {}
        self.worst = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        case = parameters.get("case") or parameters.get("subject")
        report.htp_backend = parameters.get("backend_name") or parameters.get("accepting")
        report.htp_case = {"case": getattr(case, "name", "-"), "test": item.originalname}
        return report

    def pytest_runtest_logreport(self, report):
        outcome = outcome_of(report)
        known, _ = self.worst.get(report.nodeid, (None, None))
        if outcome is not None and known != "failed":
            self.worst[report.nodeid] = (outcome, report)

    def pytest_sessionfinish(self):
        if not self.writes:
            return
        for nodeid in sorted(self.worst):  # processes end in any order
            outcome, report = self.worst[nodeid]
            self.total[outcome] += 1
            if outcome == "skipped":
                self.skips[report.longrepr[2].replace("Skipped: ", "", 1)] += 1
            if report.htp_backend is not None:
                entry = self.backends.setdefault(report.htp_backend, empty_entry())
                add(entry, outcome, report)
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
            "skips": dict(sorted(self.skips.items())),
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


def add(entry, outcome, report):
    """Add what a test's report says to its backend's figures."""
    entry[outcome] += 1
    if outcome == "failed":
        entry["failures"].append(report.nodeid)
    if outcome == "xfailed":
        entry["expected_failures"].append({**report.htp_case, "reason": report.wasxfail})
    for name, values in dict_sum(report.user_properties).items():
        kind, _, oracle = name.partition(".")
        place = entry[kind]
        if oracle:
            place = entry.setdefault("oracles", {}).setdefault(oracle, {"decided": 0, "wrong": 0})
        for key, value in values.items():
            place[key] += value
    for name, row in report.user_properties:
        if name == "call_values":
            sums = entry.setdefault("call_values", {})
            for key, count in row.items():
                sums[key] = sums.get(key, 0) + count
        if name == "comparison":
            entry.setdefault("comparison", {})[row["subject"]] = row["methods"]
