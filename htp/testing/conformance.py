"""The suite that every backend passes, in HTP or out of it.

A backend's whole test file is::

    from htp.testing import BackendConformance

    class TestBackends(BackendConformance):
        pass

It needs pytest, onnxruntime and the installed torch, and takes every backend that is registered and
accepts this torch. ``backend = "name"`` in the class keeps it to one.
"""

from typing import Any, ClassVar, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import pytest

import htp
from htp.registry import specs
from htp.testing.agreement import Agreement
from htp.testing.answers import Answers
from htp.testing.expectations import reason_to_fail
from htp.testing.files import Files
from htp.testing.harmless import Harmless
from htp.testing.listening import Listening
from htp.testing.models import cases_for
from htp.testing.noise import LET_TORCH_WARN
from htp.testing.plain import PLAIN
from htp.testing.running import Workshop
from htp.torch_release import RELEASE

__all__ = ["BackendConformance"]


@LET_TORCH_WARN
class BackendConformance(Answers, Files, Harmless, Listening, Agreement):
    """Every promise of HTP, for every registered backend that accepts the installed torch.

    Attributes:
        backend: the one backend to test; None for all.
        expected_failures: rows like those of ``expected_failures.json``, for a backend's own tests.
    """

    backend: ClassVar[Optional[str]] = None
    expected_failures: ClassVar[Sequence[Mapping[str, str]]] = ()

    def pytest_generate_tests(self, metafunc: "pytest.Metafunc") -> None:
        """One test for each backend, and for each case that the backend can take."""
        wanted = metafunc.fixturenames
        if "accepting" in wanted:
            metafunc.parametrize("accepting", self._accepting())
        elif "other" in wanted:
            metafunc.parametrize(("backend_name", "other", "case"), self._pairs(metafunc))
        elif "exporter" in wanted:
            rows = [
                (name, exporter)
                for name in self._usable()
                for exporter in [self._exporter(name)]
                if exporter is not None
            ]
            self._with_cases(metafunc, rows, ("backend_name", "exporter"))
        elif "case" in wanted:
            self._with_cases(metafunc, [(name,) for name in self._usable()], ("backend_name",))
        elif "backend_name" in wanted:
            test = metafunc.function.__name__
            metafunc.parametrize(
                "backend_name", [self._row((name,), name, None, test) for name in self._usable()]
            )

    def _with_cases(
        self, metafunc: "pytest.Metafunc", rows: Iterable[Tuple[str, ...]], names: Tuple[str, ...]
    ) -> None:
        test = metafunc.function.__name__
        metafunc.parametrize(
            (*names, "case"),
            [
                self._row((*row, case), row[0], case.name, test)
                for row in rows
                for case in cases_for(row[0])
            ],
        )

    def _pairs(self, metafunc: "pytest.Metafunc") -> List[Any]:
        """Each backend against the first one that can take the same case."""
        test = metafunc.function.__name__
        everyone = [info.name for info in htp.available_backends() if info.usable]
        rows = []
        for name in self._usable():
            for case in cases_for(name):
                other = next((o for o in everyone if case in cases_for(o)), name)
                if other != name:
                    rows.append(self._row((name, other, case), name, case.name, test))
        alone = pytest.mark.skip(reason="only one backend can run on this torch")
        return rows or [pytest.param(None, None, None, id="alone", marks=alone)]

    def _row(self, values: Tuple[Any, ...], backend: str, case: Optional[str], test: str) -> Any:
        reason = reason_to_fail(self.expected_failures, backend, case, test)
        marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
        return pytest.param(
            *values, id="-".join([backend, case] if case else [backend]), marks=marks
        )

    def _accepting(self) -> List[str]:
        """The backends that are meant for this torch."""
        return [
            spec.name
            for spec in specs()
            if RELEASE is not None and spec.accepts(RELEASE) and self.backend in (None, spec.name)
        ]

    def _usable(self) -> List[str]:
        usable = {info.name for info in htp.available_backends() if info.usable}
        return [name for name in self._accepting() if name in usable]

    def _exporter(self, backend: str) -> Optional[str]:
        exporter = next(spec.exporter for spec in specs() if spec.name == backend)
        return exporter if exporter in PLAIN else None

    @pytest.fixture
    def workshop(
        self, request: "pytest.FixtureRequest", tmp_path_factory: "pytest.TempPathFactory"
    ) -> Workshop:
        """Where each case is exported once for all tests of the session."""
        return _workshop(request.session, tmp_path_factory)

    def test_backend_can_run(self, accepting: str) -> None:
        """A backend that accepts this torch runs with the installed companions."""
        info = next(info for info in htp.available_backends() if info.name == accepting)
        assert info.usable, f"{accepting} accepts torch{info.torch}, but: {info.reason}"


_workshops: List[Tuple["pytest.TempPathFactory", Workshop]] = []


def _workshop(session: "pytest.Session", factory: "pytest.TempPathFactory") -> Workshop:
    for owner, workshop in _workshops:
        if owner is factory:
            return workshop
    workshop = Workshop(str(factory.mktemp("htp")))
    _workshops.append((factory, workshop))
    for exporter, names in _to_compare(session).items():
        workshop.start(exporter, names)
    return workshop


def _to_compare(session: "pytest.Session") -> Dict[str, List[str]]:
    """The cases that the chosen tests want to compare with a fresh process's, by exporter."""
    wanted: Dict[str, List[str]] = {}
    for item in session.items:
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        if {"exporter", "case"} <= set(parameters) and not parameters["case"].numbered:
            names = wanted.setdefault(parameters["exporter"], [])
            if parameters["case"].name not in names:
                names.append(parameters["case"].name)
    return wanted
