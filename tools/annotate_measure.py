"""Measures ``htp.annotate`` on plain exports of the zoo, with the installed torch.

    python tools/annotate_measure.py     # writes tests/results/annotate/torchX.Y.json

Each architecture is exported once by ``htp.export``. Stripped, the file is byte for byte what torch
alone writes: that is annotated. Two truths judge it: the tags that HTP captured during that very
export (which the oracles of docs/accuracy.md judge elsewhere), for every node; and the oracle of
values, which shares no code with the capture, for the nodes that it can decide.
"""

import itertools
import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional, Sequence, Tuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

import onnx  # noqa: E402
import torch  # noqa: E402
from oracles.subject import (  # type: ignore[import-not-found]  # noqa: E402
    Exported,
    Subject,
    export,
)
from oracles.values import known_owners  # type: ignore[import-not-found]  # noqa: E402
from zoo import subjects  # type: ignore[import-not-found]  # noqa: E402

import htp  # noqa: E402
from fingerprint import fingerprint  # noqa: E402
from htp.annotated import subject_of  # noqa: E402
from htp.annotating.joined import SOURCES, Source, annotated  # noqa: E402
from htp.annotating.subject import METADATA, NODES  # noqa: E402
from htp.testing.graph import document_order  # noqa: E402
from written import as_json  # noqa: E402

__all__ = ["main", "measured"]

COUNTS = ("right", "wrong", "unknown")

Owner = Tuple[str, int]


class Way(NamedTuple):
    """What is asked.

    Attributes:
        name: how the page calls it.
        sources: those that are asked.
        flow: whether data flow is asked behind them.
    """

    name: str
    sources: Sequence[Source]
    flow: bool


WAYS = (
    *(Way(source.name, (source,), False) for source in SOURCES),
    Way("weights and data flow", [s for s in SOURCES if s.name not in (METADATA, NODES)], True),
    Way("all", SOURCES, True),
)


def measured(folder: str, subject: Subject, backend: str) -> Dict[str, Any]:
    """What each way tells of one architecture, with the model and without."""
    exported = export(subject, backend, folder)
    truth = [tag for _, tag in exported.tagged.nodes()]
    bare = os.path.join(folder, "bare.onnx")
    htp.load(exported.path).strip().save(bare)
    decided = _decided(exported)
    found: Dict[str, Any] = {}
    for with_model in (False, True):
        annotating = subject_of(bare, exported.model if with_model else None)
        for way in WAYS:
            tags = annotated(annotating, way.sources, way.flow).tags
            row = _counted(tags, [(tag.path, tag.call) for tag in truth])
            if way.name == "all":
                row["values"] = _counted(tags, decided)
            found[f"{way.name}, model" if with_model else way.name] = row
    return {"nodes": len(truth), "ways": found}


def _decided(exported: Exported) -> Sequence[Optional[Owner]]:
    """Of every node, what the oracle of values says of it.

    As everywhere, nodes that stand for operations of several calls are not judged by it.
    """
    owners = known_owners(exported)
    main = sum(1 for _ in document_order(exported.tagged.model.graph.node))
    judged = [
        None if tag.shared else next((owners[name] for name in node.output if name in owners), None)
        for node, tag in itertools.islice(exported.tagged.nodes(), main)
    ]
    rest = sum(1 for _ in exported.tagged.nodes()) - main
    return [*judged, *([None] * rest)]


def _counted(tags: Sequence[Any], truth: Sequence[Optional[Owner]]) -> Dict[str, Any]:
    counts: Dict[str, Any] = dict.fromkeys(COUNTS, 0)
    for tag, true in zip(tags, truth):
        if true is not None:
            said = (tag.path, tag.call) == true
            counts["unknown" if not tag.stack else "right" if said else "wrong"] += 1
    return counts


def _runs(backend: str, only: Sequence[str]) -> Iterator[Tuple[str, Mapping[str, Any]]]:
    for subject in subjects():
        if only and not any(name in subject.name for name in only):
            continue
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield subject.name, measured(folder, subject, backend)
            except htp.CaptureError as error:  # torch itself can't export it
                print(f"{subject.name}: {str(error)[:80]!r}", file=sys.stderr)


def main(only: Sequence[str]) -> None:
    """Measure every backend that can run here."""
    usable = [info.name for info in htp.available_backends() if info.usable]
    result = {
        "code": fingerprint(),
        "torch": torch.__version__.partition("+")[0],
        "onnx": onnx.__version__,
        "backends": {name: dict(_runs(name, only)) for name in usable},
    }
    release = ".".join(result["torch"].split(".")[:2])
    path = ROOT / "tests" / "results" / "annotate" / f"torch{release}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_json(result, 3), encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
