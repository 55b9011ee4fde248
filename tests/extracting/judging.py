"""Is a part the module call that it says it is? onnxruntime runs it on what the module saw.

Where the part says which argument an input is, that one is fed, and the claim has to hold: the
whole file computes those numbers there. Else numbers tell: the input is the argument that equals
what the whole file computes under its name; where the file has no such name, the first argument
that fits by kind and shape. An input that no argument equals is foreign: it is fed what the whole
file computes. A part that is not one to one with the module has to say so.

A part is judged on three things: what the call saw; the same for other inputs of the model, of
other lengths where axes are dynamic; and changed arguments, some with another sign. Foreign inputs
stay as they were then, and arguments of which the part says that they were folded to constants,
which the other inputs have to bear out. This tells a part from a piece of it: the activation behind
a fused convolution gives the right numbers on foreign inputs, and doesn't see the arguments at all.
"""

from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import onnx
import torch

from extracting.seen import Array, Key, Run, Seen, Value, distance, session_of

__all__ = ["FLOOR", "Claims", "Port", "Verdict", "judge", "tolerance"]

FLOOR = 1e-4
"""Differences that are rounding, whatever the file's own."""

FACTOR = 10.0
MOST = 1e-2
CHANGED = 10.0
"""How much more on changed arguments, which are larger than those that a layer is made for."""

NEAR = 1e-2
"""How far the file's value may be from the argument that it is."""


class Port(NamedTuple):
    """What a part says of one of its inputs or outputs.

    Attributes:
        value: its name in the whole file.
        places: where it stands among the arguments or results; none for what is foreign.
    """

    value: str
    places: Tuple[Tuple[str, ...], ...] = ()


class Claims(NamedTuple):
    """What a part says of itself.

    Attributes:
        inputs: by name; without those of which it says nothing.
        outputs: likewise.
        classes: why its inputs and outputs are not all the module's own, a class for each; None
            where it does not speak of that at all.
        folded: the places of arguments that it says are constants in the file.
    """

    inputs: Mapping[str, Port] = {}
    outputs: Mapping[str, Port] = {}
    classes: Optional[Tuple[str, ...]] = None
    folded: FrozenSet[Tuple[str, ...]] = frozenset()


def tolerance(apart: float) -> float:
    """What a part may differ by, of a file that differs from the model by so much."""
    return min(max(FLOOR, FACTOR * apart), MOST)


@dataclass
class Verdict:
    """What came of one part.

    Attributes:
        problems: why it is no such part, a line each; none for a part that is right.
        judged: whether PyTorch made this call in the forward pass, so that there is a truth.
        inputs: ``exact``; ``fewer`` where an argument has no input, ``foreign`` where an input is
            no argument.
        outputs: ``exact``; ``fewer`` where a result has no output, ``foreign`` where an output is
            no result.
        foreign: the names of foreign inputs and outputs.
        missing: the places of arguments and results that have none.
        order: whether its inputs are in the module's own order.
        kinds: on what it was run.
    """

    problems: List[str] = field(default_factory=list)
    judged: bool = True
    inputs: str = "exact"
    outputs: str = "exact"
    foreign: List[str] = field(default_factory=list)
    missing: List[str] = field(default_factory=list)
    order: bool = True
    kinds: List[str] = field(default_factory=list)
    valid: bool = False

    @property
    def equal(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.valid and not self.problems

    @property
    def exact(self) -> bool:
        """Whether its inputs and outputs are the module's own, one to one."""
        return self.inputs == self.outputs == "exact"


class Part(NamedTuple):
    """A part that onnxruntime has loaded."""

    session: Any
    inputs: List[Tuple[str, str, List[Any]]]
    outputs: List[str]

    def run(self, feeds: Mapping[str, Array]) -> List[Any]:
        found: List[Any] = self.session.run(None, dict(feeds))
        return found


KINDS = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(int16)": np.int16,
    "tensor(bool)": np.bool_,
}


NO_CLAIMS = Claims()


def judge(path: str, call: Key, runs: Sequence[Run], claims: Claims = NO_CLAIMS) -> Verdict:
    """Hold a part against a call.

    Args:
        path: of the part.
        call: of which module.
        runs: forward passes of the whole model; the first one on the inputs of the export.
        claims: what the part says of itself.
    """
    verdict = Verdict()
    part = _loaded(path, verdict)
    seen = runs[0].calls.get(call)
    if part is None or seen is None:
        verdict.judged = seen is not None
        return verdict
    matched = _inputs(part, seen, runs[0], claims, verdict)
    order: Optional[List[Optional[int]]] = None
    for at, run in enumerate(runs):
        seen = run.calls.get(call)
        if seen is None:
            continue
        what = ("the inputs of the export", "other inputs")[min(at, 1)]
        feeds = _feeds(part, matched, seen, run, claims)
        if isinstance(feeds, str):
            verdict.problems.append(f"on {what}: {feeds}")
            break
        made = _ran(part, feeds, what, verdict)
        if made is None:
            break
        order = _outputs(part, made, seen.outputs, order, what, tolerance(run.apart), verdict)
        if order is None:
            break
        verdict.kinds.append(what)
    _are_constant(claims.folded, [run.calls[call] for run in runs if call in run.calls], verdict)
    if order is not None:
        seen = runs[0].calls[call]
        _with_other_arguments(part, matched, seen, runs[0], order, claims, verdict)
    return verdict


def _loaded(path: str, verdict: Verdict) -> Optional[Part]:
    try:
        onnx.checker.check_model(path, full_check=True)
    except Exception as error:  # the checker raises what it likes
        verdict.problems.append(f"the checker refuses it: {_first(error)}")
        return None
    try:
        session = session_of(path, plain=True)  # its optimisers have errors of their own
    except Exception as error:  # so does onnxruntime
        verdict.problems.append(f"onnxruntime does not load it: {_first(error)}")
        return None
    verdict.valid = True
    inputs = [(value.name, value.type, list(value.shape)) for value in session.get_inputs()]
    return Part(session, inputs, [value.name for value in session.get_outputs()])


def _first(error: Exception) -> str:
    return " ".join(str(error).split())[:240]


Matched = Dict[str, Optional[int]]
"""For each input of a part, the number of the argument that it stands for, or None."""


def _inputs(part: Part, seen: Seen, run: Run, claims: Claims, verdict: Verdict) -> Matched:
    """Which argument each input of the part is."""
    free = list(range(len(seen.inputs)))
    matched = _claimed(part, seen, run, claims, verdict)
    for at in matched.values():
        if at in free:
            free.remove(at)
    for name, kind, shape in part.inputs:
        if name in matched:
            continue
        value = run.values.get(claims.inputs[name].value if name in claims.inputs else name)
        if value is not None:
            near = [(_far(value, seen.inputs[at]), at) for at in free]
            found = [at for far, at in sorted(near) if far <= NEAR]
        else:
            found = [at for at in free if _fits(seen.inputs[at], kind, shape)]
        matched[name] = found[0] if found else None
        if found:
            free.remove(found[0])
    named = [matched[name] for name, _, _ in part.inputs]
    taken = [at for at in named if at is not None]
    verdict.foreign += [f"input {name}" for name, at in matched.items() if at is None]
    tensors = [at for at in free if seen.inputs[at].is_tensor]
    missing = [at for at in tensors if not _has_twin(seen.inputs, at, taken)]
    verdict.missing += [f"input {'.'.join(seen.inputs[at].place)}" for at in missing]
    verdict.inputs = "foreign" if len(taken) < len(named) else "fewer" if missing else "exact"
    verdict.order = taken == sorted(taken)
    return matched


def _claimed(
    part: Part, seen: Seen, run: Run, claims: Claims, verdict: Verdict
) -> Dict[str, Optional[int]]:
    """The inputs of which the part says which arguments they are."""
    places = {value.place: at for at, value in enumerate(seen.inputs)}
    matched: Dict[str, Optional[int]] = {}
    for name, _, _ in part.inputs:
        port = claims.inputs.get(name, Port(name))
        said = [places[place] for place in port.places if place in places]
        value = run.values.get(port.value)
        if not said:
            continue
        matched[name] = said[0]
        if run.apart > NEAR or value is None:
            continue
        for at in said:
            if _far(value, seen.inputs[at]) > NEAR:
                place = ".".join(seen.inputs[at].place)
                verdict.problems.append(f"it says that input {name} is {place}, which it is not")
    return matched


def _has_twin(values: Sequence[Value], at: int, taken: Sequence[int]) -> bool:
    """Whether the same tensor is there already: the same object, or one of equal numbers."""
    return any(
        values[at].twin == values[other].twin or _same(values[at].array, values[other].array)
        for other in taken
    )


def _same(one: Array, two: Array) -> bool:
    return one.dtype == two.dtype and np.array_equal(one, two, equal_nan=one.dtype.kind == "f")


def _far(value: Array, argument: Value) -> float:
    """How far a value of the file is from an argument; numbers are tensors while torch traces."""
    if argument.is_tensor:
        return distance(value, argument.array)
    return 0.0 if value.size == 1 and value.reshape(()) == argument.array else float("inf")


def _fits(argument: Value, kind: str, shape: Sequence[Any]) -> bool:
    array = argument.array
    if argument.is_tensor:
        sizes = [(a, b) for a, b in zip(array.shape, shape) if isinstance(b, int)]
        same = array.ndim == len(shape) and all(a == b for a, b in sizes)
        return same and array.dtype == KINDS.get(kind)
    return len(shape) == 0


def _feeds(part: Part, matched: Matched, seen: Seen, run: Run, claims: Claims) -> Any:
    """What the part is fed; or, in words, what cannot be told."""
    feeds: Dict[str, Array] = {}
    for name, kind, _ in part.inputs:
        at = matched[name]
        if at is not None and at >= len(seen.inputs):
            return f"the call has no argument {at} there"
        whole = run.values.get(claims.inputs[name].value if name in claims.inputs else name)
        value = whole if at is None else seen.inputs[at].array
        if value is None:
            return f"nothing tells what input {name} is"
        if at is not None and not seen.inputs[at].is_tensor:
            value = value.astype(KINDS[kind]).reshape(np.shape(value if whole is None else whole))
        feeds[name] = value
    return feeds


def _ran(
    part: Part, feeds: Mapping[str, Array], what: str, verdict: Verdict
) -> Optional[List[Any]]:
    try:
        return part.run(feeds)
    except Exception as error:  # onnxruntime raises what it likes
        verdict.problems.append(f"onnxruntime fails on {what}: {_first(error)}")
        return None


def _outputs(
    part: Part,
    made: Sequence[Any],
    results: Sequence[Value],
    before: Optional[List[Optional[int]]],
    what: str,
    most: float,
    verdict: Verdict,
) -> Optional[List[Optional[int]]]:
    """Which result each output of the part is; None where they are not equal.

    Args:
        before: what was told on other inputs, which has to hold again.
    """
    tensors = [at for at, value in enumerate(results) if value.is_tensor]
    if before is not None:
        order = before
        wrong = [
            f"output {name} is {distance(array, results[at].array):.2g} away"
            for name, array, at in zip(part.outputs, made, order)
            if at is not None and not _is_result(array, results[at], most)
        ]
    else:
        order, wrong = _matched_outputs(part, made, results, tensors, most)
        taken = [at for at in order if at is not None]
        missing = [at for at in tensors if at not in taken and not _has_twin(results, at, taken)]
        foreign = [name for name, at in zip(part.outputs, order) if at is None]
        verdict.foreign += [f"output {name}" for name in foreign]
        verdict.missing += [f"output {'.'.join(results[at].place)}" for at in missing]
        verdict.outputs = "foreign" if foreign else "fewer" if missing else "exact"
        if taken != sorted(taken):
            wrong.append(f"its outputs are in another order than the module's: {taken}")
        if tensors and not taken and not wrong:
            wrong.append("none of its outputs is a result of the module")
    if wrong:
        verdict.problems.append(f"on {what}: " + "; ".join(wrong))
        return None
    return order


def _matched_outputs(
    part: Part,
    made: Sequence[Any],
    results: Sequence[Value],
    tensors: Sequence[int],
    most: float,
) -> Tuple[List[Optional[int]], List[str]]:
    """By order where that fits, else by numbers."""
    if len(made) == len(tensors):
        pairs = list(zip(made, tensors))
        if all(_equal(array, results[at].array, most) for array, at in pairs):
            return list(tensors), []
    free, order = list(range(len(results))), []
    for array in made:
        fitting = (at for at in free if _is_result(array, results[at], most))
        found = next(fitting, None)
        order.append(found)
        if found is not None:
            free.remove(found)
    taken = [at for at in order if at is not None]
    free = [at for at in tensors if at in free and not _has_twin(results, at, taken)]
    lost = [at for at, found in enumerate(order) if found is None]
    wrong = []
    for at in lost:
        alike = [o for o in free if getattr(made[at], "shape", None) == results[o].array.shape]
        if alike:
            nearest = min(distance(made[at], results[o].array) for o in alike)
            wrong.append(f"output {part.outputs[at]} is no result: {nearest:.2g} away")
    return order, wrong


def _is_result(made: Any, result: Value, most: float) -> bool:
    """Numbers that a module returns may be outputs: they are tensors while torch traces."""
    if result.is_tensor or not isinstance(made, np.ndarray):
        return result.is_tensor and _equal(made, result.array, most)
    return made.size == 1 and bool(made.reshape(()) == result.array)


def _equal(made: Any, wanted: Array, most: float) -> bool:
    return isinstance(made, np.ndarray) and distance(made, wanted) <= most


def _with_other_arguments(
    part: Part,
    matched: Matched,
    seen: Seen,
    run: Run,
    order: Sequence[Optional[int]],
    claims: Claims,
    verdict: Verdict,
) -> None:
    """The module again in PyTorch on changed arguments; the part keeps its foreign inputs."""
    what = "changed arguments"
    changed = {
        value.place: _changed(torch.from_numpy(value.array))
        for value in seen.inputs
        if value.is_tensor and value.array.dtype.kind == "f" and value.array.size
        if value.place not in claims.folded
    }
    wanted = _again(seen, changed) if changed else None
    if wanted is None or len(wanted) != len(seen.outputs):
        return
    feeds = _feeds(part, matched, seen, run, claims)
    for name, at in matched.items():
        if at is not None and seen.inputs[at].place in changed:
            feeds[name] = changed[seen.inputs[at].place].numpy()
    made = _ran(part, feeds, what, verdict)
    if made is None:
        return
    most = min(CHANGED * tolerance(run.apart), MOST)
    for array, at in zip(made, order):
        if at is None or _is_result(array, wanted[at], most):
            continue
        same = _again(seen, {})
        if same is not None and _same(same[at].array, seen.outputs[at].array):
            far = distance(array, wanted[at].array)
            verdict.problems.append(f"it is not the module: on {what} its output is {far:.2g} away")
        return
    verdict.kinds.append(what)


def _are_constant(
    folded: FrozenSet[Tuple[str, ...]], calls: Sequence[Seen], verdict: Verdict
) -> None:
    """What was folded is the same whatever the model is given."""
    for place in sorted(folded):
        held = [each.array for seen in calls for each in seen.inputs if each.place == place]
        if any(distance(other, held[0]) > FLOOR for other in held[1:]):
            name = ".".join(place)
            verdict.problems.append(f"it says that input {name} was folded; it is no constant")


def _again(seen: Seen, changed: Mapping[Tuple[str, ...], torch.Tensor]) -> Optional[List[Value]]:
    try:
        return seen.again(changed)
    except Exception:  # a module may refuse what no forward pass gives it
        return None


def _changed(tensor: torch.Tensor) -> torch.Tensor:
    """Other numbers, a fourth with another sign; zeros, and the great ones of masks, stay."""
    generator = torch.Generator().manual_seed(3)
    random = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
    factors = torch.where(random < 0.25, -random - 0.8, random + 0.2)
    return torch.where(tensor.abs() < 1e3, tensor * factors, tensor)
