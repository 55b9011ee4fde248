"""Does a backend hear what others export, and leave it as it is?"""

import io
import os
from typing import Any, Callable, List

import pytest
import torch

import htp
from htp import registry
from htp.file.records import record_bytes
from htp.testing.case import Case, Example
from htp.testing.harmless import Raises, Unsupported
from htp.testing.models import case as case_named
from htp.testing.plain import PLAIN
from htp.testing.running import Workshop, shown
from htp.testing.untouched import Snapshot

__all__ = ["Listening"]

HEARD = ("siblings", "two_parents")


class Listening:
    """The promise that exports of others are theirs: heard, and unchanged."""

    def test_exports_of_others_are_heard(
        self, workshop: Workshop, backend_name: str, tmp_path: Any
    ) -> None:
        """Each export inside one context is told of once, with the owners that htp.export finds."""
        export = _plain(backend_name)
        paths = [str(tmp_path / f"{name}.onnx") for name in HEARD]
        plain = [_exported(export, name, path) for name, path in zip(HEARD, paths)]
        with _backend(backend_name).listen() as listener:
            assert listener.take() == []
            listened = [_exported(export, name, path) for name, path in zip(HEARD, paths)]
            heard = listener.take()
            assert listener.take() == []
        assert listened == plain, "other bytes while listening"
        assert len(heard) == len(HEARD)
        for name, data, one in zip(HEARD, listened, heard):
            assert type(one.model) is type(case_named(name).example().model)
            after = one.capture(record_bytes(data)).after
            unused = {id(node) for body in after.uncalled() for node in body.walk()}
            owners = [
                node.owner.stack if node.owner else None
                for node in after.walk()
                if id(node) not in unused
            ]
            captured = [
                tag.stack if tag.provenance is htp.Provenance.CAPTURED else None
                for _, tag in workshop.exported(backend_name, case_named(name)).tagged.nodes()
            ]
            assert owners == captured, f"{name}: other owners"

    def test_exports_of_others_are_tagged(
        self, workshop: Workshop, backend_name: str, tmp_path: Any
    ) -> None:
        """Inside ``htp.tagging`` each is torch's own, with the tags that htp.export writes."""
        export = _plain(backend_name)
        paths = [str(tmp_path / f"{name}.onnx") for name in HEARD]
        plain = [_exported(export, name, path) for name, path in zip(HEARD, paths)]
        with htp.tagging(backend_name) as exports:
            for name, path in zip(HEARD, paths):
                export(case_named(name), path)
        assert [(told.path, told.reason) for told in exports] == [(path, None) for path in paths]
        for name, path, data in zip(HEARD, paths, plain):
            ours = workshop.exported(backend_name, case_named(name)).tagged
            assert [tag for _, tag in htp.load(path).nodes()] == [tag for _, tag in ours.nodes()]
            file = io.BytesIO()
            htp.load(path).strip().save(file)
            assert file.getvalue() == data, f"{name}: other bytes while listening"

    @pytest.mark.parametrize("failing", [Raises, Unsupported])
    def test_a_failed_export_of_others_is_torchs_own(
        self, backend_name: str, failing: Any, tmp_path: Any
    ) -> None:
        """Torch's error passes as it is, the listener knows where, and the next one is heard."""
        export, path = _plain(backend_name), str(tmp_path / "model.onnx")
        bad = Case("failing", lambda: Example(failing(), (torch.randn(3, 4),)))
        plain = _error(export, bad, path)
        before = Snapshot(bad.example().model)
        with _backend(backend_name).listen() as listener:
            listened = _error(export, bad, path)
            assert listener.take() == []
            where = listener.where()
            export(case_named("siblings"), path)
            assert len(listener.take()) == 1
        assert listened is plain
        found = (where.running or where.converting)[-1].path
        assert found == ("child" if failing is Raises else "")
        assert not before.differences(), shown(before.differences())


def _backend(name: str) -> Any:
    return registry.load(registry.chosen(name))


def _plain(backend: str) -> Callable[[Case, str], None]:
    exporter = registry.chosen(backend).exporter
    if exporter not in PLAIN:
        pytest.skip(f"{backend} listens to {exporter}, which this suite cannot call")
    return PLAIN[exporter]


def _exported(export: Callable[[Case, str], None], name: str, path: str) -> bytes:
    export(case_named(name), path)
    with open(path, "rb") as file:
        return file.read()


def _error(export: Callable[[Case, str], None], case: Case, path: str) -> type:
    """The class of the error; the error itself would keep parts of torch's dead graph alive."""
    kinds: List[type] = []
    try:
        export(case, path)
    except Exception as error:
        kinds.append(type(error))
    assert kinds, "the export did not fail"
    assert not os.path.exists(path)
    return kinds[0]
