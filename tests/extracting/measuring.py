"""One model through one backend: every module call is asked for, and judged."""

import collections
import os
import re
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from typing import Any, Callable, Counter, Dict, List, Optional, Sequence, Tuple

import torch
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

import htp
from extracting.halves import halves
from extracting.judging import Claims, Port, Verdict, judge
from extracting.seen import Key, Run, run_of, session_of
from extracting.subjects import Judged
from htp.testing.case import Example

__all__ = ["Extractor", "Measured", "NotExportedError", "exported", "extracted", "measure"]

CONSTANT = ("folded", "untraced")
"""The classes of arguments that are constants in the file."""

SAME = 1e-2
"""A file that differs more from its model than this computes something else."""


class NotExportedError(Exception):
    """torch does not export this model, or only to what onnxruntime does not load."""


Extractor = Callable[[htp.TaggedModel, str, int, str], Claims]
"""Writes the part that is a module call to a path. Refuses with an ``HTPError``."""


def extracted(tagged: htp.TaggedModel, path: str, call: int, to: str) -> Claims:
    """By ``TaggedModel.extract``."""
    part = tagged.extract(path, call=call)
    part.save(to)
    said = part.extraction
    inputs = {port.name: Port(port.value, port.places) for port in said.inputs}
    outputs = {port.name: Port(port.value, port.places) for port in said.outputs}
    classes = tuple(f"{row.side} {row.kind}" for row in said.rows)
    rows = [row for row in said.rows if row.side == "input" and row.kind in CONSTANT]
    folded = frozenset(row.place for row in rows if row.place is not None)
    return Claims(inputs, outputs, classes, folded)


@dataclass
class Measured:
    """What came of one model.

    Attributes:
        calls: how many module calls the forward pass made.
        without: how many of them have no node in the file.
        refused: how many were refused, by reason; ``without`` apart.
        empty: those refused that have no node, by reason.
        given: how many became a part.
        counts: of the parts: ``valid``, ``equal``, ``inputs``, ``outputs``, ``exact``, ``named``...
        exceptions: of the parts that are not one to one, by what they say and what was found.
        splits: of the models split in two: ``equal``, ``refused``; what is wrong is in ``wrong``.
        wrong: the parts that are not the module, each with what is wrong.
        apart: how far the file is from the model.
        runs: what the parts were judged on.
        seconds: for cutting out, all calls together.
    """

    calls: int = 0
    without: int = 0
    refused: Counter[str] = field(default_factory=collections.Counter)
    empty: Counter[str] = field(default_factory=collections.Counter)
    given: int = 0
    counts: Counter[str] = field(default_factory=collections.Counter)
    exceptions: Counter[str] = field(default_factory=collections.Counter)
    splits: Counter[str] = field(default_factory=collections.Counter)
    wrong: Dict[str, List[str]] = field(default_factory=dict)
    notes: Dict[str, str] = field(default_factory=dict)
    apart: float = 0.0
    runs: List[str] = field(default_factory=list)
    seconds: float = 0.0

    def to_json(self) -> Dict[str, Any]:
        """Counts and lines, without those that are zero."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        found["apart"] = float(f"{self.apart:.2g}")
        found["seconds"] = round(self.seconds, 2)
        return {name: value for name, value in found.items() if value or name == "given"}


def exported(judged: Judged, backend: str, cache: str) -> str:
    """The path of the model's file, which is written unless it is there.

    Raises:
        NotExportedError: torch refuses, or onnxruntime does what was exported.
    """
    folder = os.path.join(cache, backend, judged.axes, judged.name.replace(":", "-"))
    path, failed = os.path.join(folder, "model.onnx"), os.path.join(folder, "refused.txt")
    if not os.path.exists(path) and not os.path.exists(failed):
        os.makedirs(folder, exist_ok=True)
        model, args, kwargs = judged.build()
        try:
            options = {**judged.options(), "verbose": False}
            htp.export(model, args, path, kwargs=kwargs, backend=backend, **options)
        except Exception as error:  # torch's exporters raise what they like
            text = " ".join(f"{type(error).__name__}: {error}".split())[:400]
            with open(failed, "w", encoding="utf-8") as file:
                file.write(text)
    if os.path.exists(failed):
        with open(failed, encoding="utf-8") as file:
            raise NotExportedError(file.read())
    try:
        session_of(path, plain=True)
    except Exception as error:  # onnxruntime raises what it likes
        text = " ".join(str(error).split())[:300]
        raise NotExportedError(f"onnxruntime does not load the export: {text}") from error
    return path


def measure(
    judged: Judged, backend: str, cache: str, extractor: Extractor = extracted, only: str = ""
) -> Measured:
    """Cut a model into its calls, and judge each.

    Some models take another way while torch says that it exports. Where a part is wrong by the
    plain run, all of them are held against such a run, and it counts if fewer are wrong there. They
    are never held against both at once.

    Args:
        only: a path: nothing else is asked for.

    Raises:
        NotExportedError: torch does not export it.
    """
    path = exported(judged, backend, cache)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        runs, notes = _runs(judged, path, exporting=False)
        parts = _Parts(htp.load(path), sorted(runs[0].calls), extractor, folder, only)
        found = _judged(parts, runs, notes)
        if found.wrong:
            tried = [found, *_exporting(judged, path, parts)]
            found = min(tried, key=lambda each: len(each.wrong))
        if extractor is extracted and not only:
            _split(parts, path, runs, found)
    return found


def _exporting(judged: Judged, path: str, parts: "_Parts") -> List[Measured]:
    try:
        runs, notes = _runs(judged, path, exporting=True)
    except Exception:  # a model may not run so outside an exporter
        return []
    return [_judged(parts, runs, [*notes, "as while exporting"])]


class _Parts:
    """Each call's part, or why there is none."""

    def __init__(
        self,
        tagged: htp.TaggedModel,
        calls: Sequence[Key],
        extractor: Extractor,
        folder: str,
        only: str,
    ) -> None:
        owned = {(c.path, c.call) for _, tag in tagged.nodes() for c in (*tag.stack, *tag.shared)}
        self.tagged, self.folder = tagged, folder
        self.checks_ancestors = extractor is extracted and not only
        self.stacks = _stacks(tagged)
        self.calls = [call for call in calls if not only or call[0] == only]
        self.without = {call for call in self.calls if call not in owned}
        self.refused: Dict[Key, str] = {}
        self.ancestors: Dict[Key, Optional[str]] = {}
        self.given: Dict[Key, Tuple[str, Claims]] = {}
        self.broken: Dict[Key, str] = {}
        self.seconds = 0.0
        for number, (path, call) in enumerate(self.calls):
            to = os.path.join(folder, f"{number}", "part.onnx")
            os.mkdir(os.path.dirname(to))
            began = time.perf_counter()
            try:
                said = extractor(tagged, path, call, to)
                self.given[path, call] = to, said
            except htp.HTPError as error:
                self.refused[path, call] = _reason(error)
                self.ancestors[path, call] = getattr(error, "ancestor", None)
            except Exception as error:  # to be reported, whatever it is
                self.broken[path, call] = f"raises {type(error).__name__}: {str(error)[:200]}"
            self.seconds += time.perf_counter() - began

    def smallest(self, call: Key) -> Optional[str]:
        """The smallest call around one of which there is a part."""
        around = reversed(self.stacks[call][:-1])
        return next((_name(each) for each in around if each in self.given), None)


def _stacks(tagged: htp.TaggedModel) -> Dict[Key, List[Key]]:
    """For each call that owns nodes, it and those around it."""
    found: Dict[Key, List[Key]] = {}
    for _, tag in tagged.nodes():
        stack = [(each.path, each.call) for each in tag.stack]
        for depth in range(len(stack)):
            found.setdefault(stack[depth], stack[: depth + 1])
    return found


def _split(parts: _Parts, path: str, runs: Sequence[Run], found: Measured) -> None:
    for at, wrong in halves(parts.tagged, path, parts.calls, runs, parts.folder):
        refused = isinstance(wrong, htp.HTPError)
        said = f"refused: {_reason(wrong)}" if refused else "wrong" if wrong else "equal"
        found.splits[said] += 1
        if said == "wrong":
            found.wrong[f"split at {at}"] = [wrong]


def _reason(error: htp.HTPError) -> str:
    """What a refusal says, without the names in it."""
    said = getattr(error, "reason", None)
    return str(said) if said else re.sub(r"'[^']*'|\d+", "...", str(error).partition("\n")[0])


def _judged(parts: _Parts, runs: Sequence[Run], notes: Sequence[str]) -> Measured:
    found = Measured(len(parts.calls), len(parts.without), given=len(parts.given))
    found.apart, found.runs, found.seconds = runs[0].apart, list(notes), parts.seconds
    for call, reason in parts.refused.items():
        (found.empty if call in parts.without else found.refused)[reason] += 1
        told = parts.ancestors[call]
        if call in parts.stacks and parts.checks_ancestors:
            wanted = parts.smallest(call)
            if told != wanted:
                lines = found.wrong.setdefault(_name(call), [])
                lines.append(f"refused, and sends to {told!r}; {wanted!r} is the smallest")
    for call, text in parts.broken.items():
        found.wrong[_name(call)] = [text]
    for call, (path, said) in parts.given.items():
        _count(call, judge(path, call, runs, said), said, found)
    return found


def _name(call: Key) -> str:
    path, number = call
    return f"{path}@{number}" if number else path


def _count(call: Key, verdict: Verdict, said: Claims, found: Measured) -> None:
    said_nothing = said.classes == ()
    counts = {
        "valid": verdict.valid,
        "equal": verdict.equal and verdict.judged,
        "says_exact": said_nothing,
        "not_judged": not verdict.judged,
        "inputs": verdict.inputs == "exact",
        "outputs": verdict.outputs == "exact",
        "exact": verdict.exact,
        "all_three": verdict.exact and verdict.equal and verdict.judged,
        "disordered": not verdict.order,
    }
    found.counts.update({name: int(count) for name, count in counts.items()})
    found.counts.update(f"on {kind}" for kind in verdict.kinds)
    silent = not verdict.exact and verdict.judged and said_nothing
    problems = verdict.problems + ["not one to one, and says nothing of it"] * silent
    if problems:
        found.wrong[_name(call)] = problems
    if not verdict.exact:
        sides = f"inputs {verdict.inputs}, outputs {verdict.outputs}"
        found.exceptions[f"{' + '.join(sorted(set(said.classes or ('not said',))))} ({sides})"] += 1
        found.notes[_name(call)] = "; ".join(
            [
                *(f"foreign {each}" for each in verdict.foreign),
                *(f"missing {each}" for each in verdict.missing),
            ]
        )


def _runs(judged: Judged, path: str, *, exporting: bool) -> Tuple[List[Run], List[str]]:
    """On the inputs of the export, and on others if the file computes the same there."""
    try:
        found, notes = [run_of(path, judged.build(), exporting=exporting)], ["as exported"]
    except (Fail, InvalidArgument, RuntimeException) as error:
        if "while running" not in str(error):  # not given what it asks for
            raise
        text = " ".join(str(error).split())[:300]
        raise NotExportedError(f"onnxruntime does not run the export: {text}") from error
    if judged.others is not None:
        model, _, kwargs = judged.build()
        try:
            with torch.random.fork_rng(devices=[]):
                other = run_of(path, Example(model, judged.others(), kwargs), exporting=exporting)
        except Exception as error:  # a traced file may take no other lengths
            notes.append(f"no other inputs: {' '.join(str(error).split())[:160]}")
        else:
            fits = other.apart <= SAME
            notes.append("others" if fits else f"not others: {other.apart:.2g} away")
            found += [other] if fits else []
    return found, notes
