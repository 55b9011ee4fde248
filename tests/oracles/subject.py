"""What an oracle is asked about, and what it answers."""

import os
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Mapping, NamedTuple, Tuple

import torch

import htp
from htp.testing.case import Case, Example

__all__ = ["Exported", "Report", "Subject", "export", "of_case"]


@dataclass(frozen=True)
class Subject:
    """A model to be exported.

    Attributes:
        name: how tests call it.
        build: makes the model in evaluation mode with its inputs, equal each time.
        options: keyword arguments of ``htp.export``.
    """

    name: str
    build: Callable[[], Example]
    options: Mapping[str, Any] = field(default_factory=dict)


class Exported(NamedTuple):
    """A subject as HTP exported it through one backend.

    Attributes:
        tagged: what ``htp.export`` returned.
        path: the file that was written.
        model: the model that was exported, or one like it.
        args: its positional inputs.
        kwargs: its keyword inputs.
    """

    tagged: htp.TaggedModel
    path: str
    model: torch.nn.Module
    args: Tuple[Any, ...]
    kwargs: Mapping[str, Any]

    def fresh(self, build: Callable[[], Example]) -> "Exported":
        """The same export beside a model that has never run: some keep what they computed."""
        return Exported(self.tagged, self.path, *build())


class Report(NamedTuple):
    """What one oracle says of one export.

    Attributes:
        decided: how many facts it could decide.
        wrong: those of them that the tags contradict, a line each.
        undecided: what it could not decide, with the reason, a line each.
    """

    decided: int
    wrong: Tuple[str, ...] = ()
    undecided: Tuple[str, ...] = ()


def of_case(case: Case) -> Subject:
    """A case of the conformance suite."""
    return Subject(case.name, case.example, case.options())


def export(subject: Subject, backend: str, folder: str) -> Exported:
    """Export a subject to ``folder/model.onnx``."""
    model, args, kwargs = subject.build()
    path = os.path.join(folder, "model.onnx")
    options: Dict[str, Any] = dict(subject.options)
    tagged = htp.export(model, args, path, kwargs=kwargs, backend=backend, **options)
    return Exported(tagged, path, model, args, kwargs)
