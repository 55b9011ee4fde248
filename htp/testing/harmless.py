"""Is everything as it was, also after a failure?"""

import os
import threading
from typing import Any, Dict, List, Tuple

import pytest
import torch
from torch import Tensor, nn

import htp
from htp.testing.case import Case
from htp.testing.models import case as case_named
from htp.testing.oracle import contamination
from htp.testing.running import Workshop, shown
from htp.testing.untouched import Snapshot

__all__ = ["Harmless", "Raises", "Unsupported"]


class Raises(nn.Module):
    """Its child fails in ``forward``, after the exporter has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Linear(4, 4)
        self.child = RaisesHere()

    def forward(self, x: Tensor) -> Tensor:
        """Call the child."""
        result: Tensor = self.child(self.before(x))
        return result


class RaisesHere(nn.Module):
    """Fails whenever it is called."""

    def forward(self, x: Tensor) -> Tensor:
        raise ZeroDivisionError("this module always fails")


class Unsupported(nn.Module):
    """Uses an operation that no exporter of torch knows."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        """The eigenvalues of a square matrix."""
        square = torch.matmul(self.before(x).transpose(0, 1), x)
        return torch.linalg.eigvalsh(square)


FAILING = (Raises, Unsupported)


class Harmless:
    """The promise to do no harm to the process, to the model and to files."""

    def test_export_leaves_everything_as_it_was(
        self, workshop: Workshop, backend_name: str
    ) -> None:
        """Torch's functions, the model, warnings and loggers after a good export."""
        names = ("siblings", "forward_hooks", "dynamic_shapes", "weight_norm", "autograd_function")
        for name in names:
            case = case_named(name)
            workshop.exported(backend_name, case)  # torch has imported what it imports lazily
            model, args, kwargs = case.example()
            model.train(name == "siblings")
            before = Snapshot(model)
            htp.export(model, args, kwargs=kwargs, backend=backend_name, **case.options())
            assert not before.differences(), shown(before.differences())

    @pytest.mark.parametrize("failing", FAILING)
    def test_failure_leaves_everything_as_it_was(
        self, workshop: Workshop, backend_name: str, failing: Any, tmp_path: Any
    ) -> None:
        """A clear error; the process, the model and the file of before are untouched."""
        with pytest.raises(htp.CaptureError):  # torch has imported what it imports lazily
            htp.export(failing(), (torch.randn(3, 4),), backend=backend_name)
        model, path = failing(), tmp_path / "model.onnx"
        path.write_bytes(b"what was there before")
        stamp = os.stat(path)
        before = Snapshot(model)
        with pytest.raises(htp.CaptureError, match="Hint: "):
            htp.export(model, (torch.randn(3, 4),), path, backend=backend_name)
        assert not before.differences(), shown(before.differences())
        assert os.listdir(tmp_path) == ["model.onnx"]
        assert path.read_bytes() == b"what was there before"
        assert os.stat(path).st_mtime_ns == stamp.st_mtime_ns

    @pytest.mark.parametrize("failing", FAILING)
    def test_failure_leaves_no_file(
        self, workshop: Workshop, backend_name: str, failing: Any, tmp_path: Any
    ) -> None:
        """Nothing is left in the folder that a failed export would have written to."""
        with pytest.raises(htp.CaptureError):
            htp.export(
                failing(), (torch.randn(3, 4),), tmp_path / "model.onnx", backend=backend_name
            )
        assert os.listdir(tmp_path) == []

    def test_export_works_after_a_failure(self, workshop: Workshop, backend_name: str) -> None:
        """The next export knows nothing of the failed one."""
        case = case_named("two_parents")
        expected = workshop.exported(backend_name, case).tagged
        with pytest.raises(htp.CaptureError):
            htp.export(Raises(), (torch.randn(3, 4),), backend=backend_name)
        model, args, _ = case.example()
        tagged = htp.export(model, args, backend=backend_name)
        assert [tag for _, tag in tagged.nodes()] == [tag for _, tag in expected.nodes()]

    def test_two_threads_export_at_once(self, workshop: Workshop, backend_name: str) -> None:
        """Both succeed, and neither has the other's modules in its tags."""
        cases = [case_named("two_parents"), case_named("nested_containers")]
        examples = [case.example() for case in cases]
        before = Snapshot(examples[0].model)
        start = threading.Barrier(len(cases))
        results: Dict[str, htp.TaggedModel] = {}
        errors: List[Tuple[str, BaseException]] = []

        def work(case: Case, example: Any) -> None:
            start.wait()
            try:
                results[case.name] = htp.export(
                    example.model, example.args, backend=backend_name, **case.options()
                )
            except BaseException as error:
                errors.append((case.name, error))

        threads = [
            threading.Thread(target=work, args=(case, example))
            for case, example in zip(cases, examples)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors, shown(errors)
        for case in cases:
            found = contamination(results[case.name], workshop.truth(case))
            assert found == (0, len(case.marks)), f"{case.name}: {found}"
        assert not before.differences(), shown(before.differences())

    def test_model_is_not_kept_alive(self, workshop: Workshop, backend_name: str) -> None:
        """The result holds the graph, not the model: its memory can be freed."""
        import gc
        import weakref

        model, args, _ = case_named("siblings").example()
        tagged = htp.export(model, args, backend=backend_name)
        alive = weakref.ref(model)
        del model
        gc.collect()
        assert alive() is None
        assert tagged.coverage.total
