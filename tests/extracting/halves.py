"""Do the two halves of a split model, run one after the other, give what the whole gives?"""

import os
from typing import Any, Dict, Iterator, List, Sequence

import onnx

import htp
from extracting.judging import FLOOR
from extracting.seen import Array, Key, Run, distance, session_of

__all__ = ["AT_MOST", "halves"]

AT_MOST = 3
"""At how many modules a model is split."""


def halves(
    tagged: htp.TaggedModel, path: str, calls: Sequence[Key], runs: Sequence[Run], folder: str
) -> Iterator[Any]:
    """Split a model at some of its outer modules.

    Args:
        tagged: the model.
        path: of its file.
        calls: of its modules.
        runs: forward passes of the whole.
        folder: where the halves are written.

    Yields:
        Where it was split, and what is wrong, or an ``HTPError`` that refuses, or "".
    """
    outer = [name for name, number in calls if name and name.count(".") < 2 and number == 0]
    step = max(len(outer) // AT_MOST, 1)
    for at in outer[step - 1 :: step][:AT_MOST]:
        try:
            parts = tagged.split(at)
        except htp.HTPError as error:
            yield at, error
            continue
        for number, part in enumerate(parts):
            os.makedirs(os.path.join(folder, f"half{number}"), exist_ok=True)
            part.save(os.path.join(folder, f"half{number}", "half.onnx"))
        yield at, _wrong(path, runs, folder)


def _wrong(path: str, runs: Sequence[Run], folder: str) -> str:
    graph = onnx.load(path, load_external_data=False).graph
    names = [os.path.join(folder, f"half{number}", "half.onnx") for number in range(2)]
    try:
        for name in names:
            onnx.checker.check_model(name, full_check=True)
        sessions = [session_of(name, plain=True) for name in names]
        for run in runs:
            known: Dict[str, Array] = {
                value.name: run.values[value.name]
                for value in graph.input
                if run.values.get(value.name) is not None
            }
            for session in sessions:
                _run(session, known)
            for value in graph.output:
                wanted = run.values[value.name]
                if value.name not in known:
                    return f"neither half gives {value.name}"
                if wanted is not None and distance(known[value.name], wanted) > FLOOR:
                    return f"{value.name} is {distance(known[value.name], wanted):.2g} away"
    except Exception as error:  # the checker and onnxruntime raise what they like
        return " ".join(str(error).split())[:200]
    return ""


def _run(session: Any, known: Dict[str, Array]) -> None:
    feeds = {value.name: known[value.name] for value in session.get_inputs()}
    outputs: List[str] = [value.name for value in session.get_outputs()]
    known.update(zip(outputs, session.run(outputs, feeds)))
