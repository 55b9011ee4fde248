"""What calls compute of arguments that torch's optimiser folded, as torch first built it.

    built      table -> Unsqueeze -> t;  x, t -> Mul -> y     the call takes table and x
    finished                             x, t -> Mul -> y     t is an initializer now

That the call takes ``table`` can only be told where all that it does with it is known: it goes
through operations of the call's own that were folded, and their results are what operations read
that are still the ones that were built. Then those that were folded are remembered.
"""

from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from htp.backends.fx.built import Built
from htp.backends.fx.ir import operator, walk
from htp.backends.fx.operations import SMALL, UnknownError, as_tensor, means_the_same, said
from htp.graph.records import Operation
from htp.scope import Stack

__all__ = ["FoldedWork"]

_MOST = 64
"""Values between an argument and what is left of it: of more it is not known what they are."""


Reader = Tuple[int, int]
"""A node, by its number, and the place among what it reads."""


class FoldedWork:
    """What was folded of one graph.

    Args:
        model: the finished IR model.
        nodes: of the graph as torch first built it, in order.
        opsets: of that graph.
        is_copy: whether a value is what a node handed on of another one, which it read.
    """

    def __init__(
        self,
        model: Any,
        nodes: Sequence[Built],
        opsets: Mapping[str, int],
        is_copy: Callable[[Any, Any], bool],
    ) -> None:
        self._nodes = nodes
        self._is_copy = is_copy
        self._opsets = (opsets, dict(model.opset_imports))
        self._maker: Dict[int, Tuple[int, int]] = {}
        self._alike: Dict[Any, List[Any]] = {}
        self._reads: Dict[int, List[Reader]] = {}
        for at, built in enumerate(nodes):
            for n, value in enumerate(built.outputs):
                self._maker[id(value)] = (at, n)
                self._alike.setdefault((built.kind, n), []).append(value)
            for place, value in enumerate(built.inputs):
                self._reads.setdefault(id(value), []).append((at, place))
        numbers = {id(built.node): at for at, built in enumerate(nodes)}
        self._left: Set[int] = set()
        self._read_now: Dict[int, List[Tuple[Optional[int], int]]] = {}
        for node, _ in walk(model):
            number = numbers.get(id(node))
            self._left.update(() if number is None else (number,))
            for place, value in enumerate(node.inputs):
                self._read_now.setdefault(id(value), []).append((number, place))
        self._weights = {id(value): value for value in model.graph.initializers.values()}
        self._taken = {value.name for value in self._weights.values()}
        self._returned = {id(value) for value in model.graph.outputs}
        self._names: Dict[Any, str] = {}
        self._made: Dict[str, Operation] = {}
        self._stands: Dict[str, str] = {}
        self._read: Set[str] = set()

    def names(self, stack: Stack, arguments: Mapping[int, Sequence[Any]]) -> Dict[int, str]:
        """The names of arguments of a call in ``operations``, by their numbers.

        Those are left out of which it is not known what becomes of them.

        Args:
            stack: of the call.
            arguments: by its number, the values of the graph that torch first built that an
                argument is: torch may compute a view several times.
        """
        ends: Dict[int, Dict[int, Any]] = {}
        for number, values in arguments.items():
            try:
                ends[number] = self._ends(stack, values)
            except UnknownError:
                continue
        while ends:
            stops = {self._key(arguments[number][0]) for number in ends}
            for each, found in ends.items():
                try:
                    self._remember(stack, found, stops)
                except UnknownError:
                    del ends[each]
                    break
            else:
                break
        return {number: self._name(self._key(arguments[number][0])) for number in ends}

    def made_of(self, stack: Stack, argument: Iterable[Any]) -> List[Any]:
        """What a call computes of an argument, if some of that was folded; else nothing.

            t -> Relu -> r;  x, r -> Mul -> y       became       x, t -> Mul -> y

        ``r`` holds what ``t`` does, so one constant may stand for both in the file; what reads it
        there may read what the call made of its argument.
        """
        pending, seen = list(argument), set(map(id, argument))
        made: Dict[int, Any] = {}
        was_folded = False
        while pending:
            value = pending.pop()
            for at, _ in self._reads.get(id(value), ()):
                built = self._nodes[at]
                if built.varies or self._is_of_others(at, stack):
                    continue
                for each in built.outputs:
                    computes = not self._is_copy(each, value)
                    was_folded |= computes and at not in self._left
                    if computes or id(value) in made:
                        made[id(each)] = each
                    pending += [] if id(each) in seen else [each]
                    seen.add(id(each))
        return list(made.values()) if was_folded else []

    def operations(self) -> Tuple[Operation, ...]:
        """What was folded."""
        made = list(dict.fromkeys(self._made.values()))
        stands = self._stands.items()
        return (*made, *(Operation("Identity", (held,), (name,)) for name, held in stands))

    def _ends(self, stack: Stack, argument: Sequence[Any]) -> Dict[int, Any]:
        """The initializers that hold what a call makes of an argument, each with what it holds.

        Raises:
            UnknownError: it makes something else of it as well.
        """
        found: Dict[int, Any] = {}
        readers: Set[Reader] = set()
        pending, derived = list(argument), set(map(id, argument))
        self._refuse_alike(stack, argument)
        while pending:
            value = pending.pop()
            if id(value) in self._returned or len(derived) > _MOST:
                raise UnknownError
            for reader in self._reads.get(id(value), ()):
                built = self._nodes[reader[0]]
                if built.owner is None:
                    raise UnknownError
                if self._is_of_others(reader[0], stack):
                    continue
                if built.varies or reader[0] in self._left:
                    end = self._read_by(reader)
                    if self._key(found.setdefault(end, value)) != self._key(value):
                        raise UnknownError
                    readers.add(reader)
                else:
                    pending += [each for each in built.outputs if id(each) not in derived]
                    derived.update(map(id, built.outputs))
        if not found:  # it does something, but nothing is to be seen of it
            raise UnknownError
        self._refuse_other_readers(stack, found, readers)
        return found

    def _refuse_other_readers(self, stack: Stack, ends: Iterable[int], known: Set[Reader]) -> None:
        """Refuse initializers that a call, or nobody knows who, reads as something else as well.

        Raises:
            UnknownError: there is such a reader.
        """
        for end in ends:
            for number, place in self._read_now[end]:
                others = number is not None and self._is_of_others(number, stack)
                if not others and (number, place) not in known:
                    raise UnknownError

    def _is_of_others(self, number: int, stack: Stack) -> bool:
        """Whether it is known that a node is not the call's own."""
        owner = self._nodes[number].owner
        return owner is not None and owner[: len(stack)] != stack

    def _refuse_alike(self, stack: Stack, argument: Sequence[Any]) -> None:
        """Refuse an argument of which others may have made what the call reads once more.

        Raises:
            UnknownError: it is such an argument.
        """
        mine = set(map(id, argument))
        key, *others = {self._key(value) for value in argument}
        if others:
            raise UnknownError
        for value in self._alike.get(key, ()):
            owner = self._nodes[self._maker[id(value)][0]].owner or ()
            if id(value) in mine or owner[: len(stack)] == stack:
                continue
            readers = [at for at, _ in self._reads.get(id(value), ())]
            if not all(self._is_of_others(at, stack) for at in readers):
                raise UnknownError

    def _read_by(self, reader: Reader) -> int:
        """The initializer that a node reads now in this place, if the node is what it was."""
        at, place = reader
        node = self._nodes[at].node
        if at not in self._left or len(node.inputs) != len(self._nodes[at].inputs):
            raise UnknownError
        if id(node.inputs[place]) not in self._weights:
            raise UnknownError
        return id(node.inputs[place])

    def _key(self, value: Any) -> Any:
        """Equal for values that are computed in the same way."""
        at, place = self._maker.get(id(value), (-1, 0))
        return id(value) if at < 0 else (self._nodes[at].kind, place)

    def _name(self, key: Any) -> str:
        if key not in self._names:
            number = len(self._names)
            while f"#{number}" in self._taken:
                number += len(self._names) + 1
            self._taken.add(f"#{number}")
            self._names[key] = f"#{number}"
        return self._names[key]

    def _remember(self, stack: Stack, found: Dict[int, Any], stops: Set[Any]) -> None:
        """Remember how values are computed of arguments.

        Raises:
            UnknownError: something else is needed for it, or an initializer is known to stand for
                something else.
        """
        made: Dict[str, Operation] = {}
        stands: Dict[str, str] = {}
        for end, value in found.items():
            self._add(stack, value, stops, made)
            held, name = self._name(self._key(value)), str(self._weights[end].name)
            if self._stands.get(name, held) != held:
                raise UnknownError
            stands[name] = held
        read = {name for each in made.values() for name in each.inputs}
        apart = self._stands.keys().isdisjoint(read)
        if not apart or not stands.keys().isdisjoint(read | (self._read & stands.keys())):
            raise UnknownError  # it reads a weight whose name stands for what is computed
        self._read |= read
        self._made.update(made)
        self._stands.update(stands)

    def _add(self, stack: Stack, value: Any, stops: Set[Any], made: Dict[str, Operation]) -> None:
        """Add how a value is computed of arguments."""
        pending = [value]
        while pending:
            each = pending.pop()
            key = self._key(each)
            at, _ = self._maker.get(id(each), (-1, 0))
            if key in stops or self._name(key) in made:
                continue
            if at < 0:
                made[self._name(key)] = self._constant(each)
                continue
            built = self._nodes[at]
            own = built.owner is not None and built.owner[: len(stack)] == stack
            if built.varies or not (own or built.node.op_type == "Constant") or len(made) > _MOST:
                raise UnknownError
            if not means_the_same(built.node, *self._opsets):
                raise UnknownError
            names = [self._name((built.kind, place)) for place in range(len(built.outputs))]
            read = ["" if one is None else self._name(self._key(one)) for one in built.inputs]
            done = Operation(operator(built.node), tuple(read), tuple(names), said(built.node))
            made.update((name, done) for name in names)
            pending += [one for one in built.inputs if one is not None]

    def _constant(self, value: Any) -> Operation:
        """What a value is that nothing computes."""
        name = (self._name(self._key(value)),)
        if value.const_value is None:
            raise UnknownError
        if value.const_value.size > SMALL and id(value) in self._weights:
            return Operation("Identity", (str(value.name),), name)
        return Operation("Constant", (), name, (("value", "TENSOR", as_tensor(value.const_value)),))
