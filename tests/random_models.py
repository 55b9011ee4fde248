"""Random models: trees of modules with sharing, repetition, containers and functional code.

A model is drawn as a plan of tuples, strings and numbers, so that it can be printed, shrunk and
kept in a file. Every module of a plan maps a tensor of shape (2, 4) to one of the same shape.
"""

from typing import Any, Callable, Dict, List, Sequence, Tuple

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from htp.testing.case import Case, Example, Marked
from htp.testing.models.containers import bind_forward, wrap_forward
from htp.testing.models.sharing import Block, Borrower, Dense

__all__ = ["case_of", "plans", "ways"]

Plan = Any
"""A leaf's name; a number, which is one of the modules made before; or a branch
``(kind, plans, steps)``."""

Step = Tuple[str, int, int]
"""What to do, with which child, how often."""


class Norm(Marked):
    """A normalisation around which nothing is computed but its mark."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.mark(self.norm(x))


class Dropped(Marked):
    """Throws away what its child computes."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        self.unused(x)
        return self.mark(x)


class Common(Marked):
    """Multiplies by a number that all of its class use, so that equal ones may be merged."""

    def forward(self, x: Tensor) -> Tensor:
        return self.mark_with(3.0, x)


class Constants(Marked):
    """Makes constants of every kind, and reads those that it holds, registered or not."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("offset", torch.ones(4))
        self.scale = torch.full((4,), 0.25)

    def forward(self, x: Tensor) -> Tensor:
        x = x + torch.full((2, 4), 0.5) + torch.arange(4.0) * 0.125
        x = x * torch.tensor(1.5) - self.offset + self.scale
        x = torch.where(x > torch.zeros_like(x), x, x * 0.5)
        return self.mark(x + x.shape[0])


class Overriding(Marked):
    """Has a ``__call__`` of its own, in which it computes as well."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def __call__(self, x: Tensor) -> Tensor:
        result: Tensor = self.mark(super().__call__(torch.sin(x)))
        return result

    def forward(self, x: Tensor) -> Tensor:
        return torch.cos(self.linear(x))


def _constant_in_hooks() -> nn.Module:
    dense = Dense()
    dense.register_forward_pre_hook(lambda module, args: (args[0] * torch.full((4,), 1.25),))
    dense.register_forward_hook(lambda module, args, output: output + torch.full((4,), 0.75))
    return dense


def _hooked() -> nn.Module:
    dense = Dense()
    dense.register_forward_pre_hook(lambda module, args: (torch.sin(args[0]),))
    dense.register_forward_hook(lambda module, args, output: module.mark(output))
    return dense


LEAVES: Dict[str, Callable[[], nn.Module]] = {
    "dense": Dense,
    "block": Block,
    "norm": Norm,
    "dropped": Dropped,
    "common": Common,
    "linear": lambda: nn.Linear(4, 4),
    "relu": nn.ReLU,
    "identity": nn.Identity,
    "dropout": lambda: nn.Dropout(0.5),
    "hooked": _hooked,
    "hook's constant": _constant_in_hooks,
    "constants": Constants,
    "overriding": Overriding,
    "wrapped": lambda: wrap_forward(Dense()),
    "bound": lambda: bind_forward(Dense()),
}

FUNCTIONS: Sequence[Callable[[Tensor], Tensor]] = (
    torch.sigmoid,
    lambda x: x + 1,
    lambda x: x.reshape(4, 2).t().reshape(2, 4),
    lambda x: (x * 2).clamp_(min=-1.0),
    lambda x: torch.cat([x[:, 2:], x[:, :2]], dim=1),
    lambda x: torch.softmax(x, dim=-1),
)


class Branch(Marked):
    """Runs its steps one after the other.

    Attributes:
        shares: whether a module of the model has several names. Then none is run by its ``forward``
            alone: by which of the names others were reached cannot be told from the calls.
    """

    shares = False

    def __init__(self, children: Sequence[nn.Module], steps: Sequence[Step]) -> None:
        super().__init__()
        self.steps = tuple(steps)
        self.number = len(children)
        self.register(children)

    def register(self, children: Sequence[nn.Module]) -> None:
        """Make the children submodules, some of them under two names."""
        for at, child in enumerate(children):
            self.add_module(f"part{at}", child)

    def reach(self, at: int) -> Any:
        """Look a child up, by the first of its names."""
        return getattr(self, f"part{at}")

    def other(self, child: nn.Module, x: Tensor) -> Tensor:
        """A method of its own, which is no module call."""
        result: Tensor = self.mark(child(x))
        return result

    def run(self, what: str, child: Any, times: int, x: Tensor) -> Tensor:
        """One step with one child."""
        if what == "residual":
            x = x + child(x)
        elif what == "twice":
            x = child(x) - child(x)
        elif what == "method":
            x = self.other(child, x)
        elif what == "direct" and not self.shares:
            x = child.forward(x)
        elif what == "slice" and isinstance(child, nn.Sequential):
            x = child[:times](x)
        else:
            for _ in range(times):
                x = child(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        for what, which, times in self.steps:
            if what == "function":
                x = FUNCTIONS[which % len(FUNCTIONS)](x)
            else:
                x = self.run(what, self.reach(which % self.number), times, x)
        return self.mark(x)


class Listed(Branch):
    """The same with a ``ModuleList``."""

    def register(self, children: Sequence[nn.Module]) -> None:
        self.parts = nn.ModuleList(children)

    def reach(self, at: int) -> Any:
        return self.parts[at]


class Named(Branch):
    """The same with a ``ModuleDict``, and with the first child under a second name."""

    def register(self, children: Sequence[nn.Module]) -> None:
        self.parts = nn.ModuleDict({f"key{at}": child for at, child in enumerate(children)})
        self.alias = children[0]

    def reach(self, at: int) -> Any:
        return self.parts[f"key{at}"]


KINDS: Dict[str, Callable[[Sequence[nn.Module], Sequence[Step]], nn.Module]] = {
    "branch": Branch,
    "list": Listed,
    "dict": Named,
    "sequential": lambda children, steps: nn.Sequential(*children),
}


def _leaf() -> "st.SearchStrategy[Plan]":
    return st.one_of(st.sampled_from([*sorted(LEAVES), "borrower"]), st.integers(0, 7))


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["call", "call", "residual", "twice", "method", "direct", "slice", "function"]
        ),
        st.integers(0, 5),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=4,
)


def _branch(inner: "st.SearchStrategy[Plan]") -> "st.SearchStrategy[Plan]":
    return st.tuples(
        st.sampled_from(sorted(KINDS)), st.lists(inner, min_size=1, max_size=4), _STEPS
    )


def plans() -> "st.SearchStrategy[Plan]":
    """Plans of models, from a single branch to a few levels of them."""
    return _branch(st.recursive(_leaf(), _branch, max_leaves=10))


def _build(plan: Plan, made: List[nn.Module]) -> nn.Module:
    if isinstance(plan, int):
        return made[plan % len(made)] if made else _build("dense", made)
    if plan == "borrower":
        return Borrower(made[-1]) if made else _build("dense", made)
    if isinstance(plan, str):
        module = LEAVES[plan]()
    else:
        kind, inner, steps = plan
        children = [_build(part, made) for part in inner]
        module = KINDS[kind](children, [tuple(step) for step in steps])
    made.append(module)
    return module


def _shares(plan: Plan) -> bool:
    if isinstance(plan, (list, tuple)):
        return plan[0] == "dict" or any(map(_shares, plan[1]))
    return isinstance(plan, int) or plan == "borrower"


KEYWORDS = ("scale", "shift", "bias")


class Root(Marked):
    """The whole model, so that the root has operations of its own."""

    def __init__(self, plan: Plan, *, second_name: bool = False) -> None:
        super().__init__()
        self.model = _build(plan, [])
        shares = second_name or _shares(plan)
        for module in self.model.modules():
            if isinstance(module, Branch):
                module.shares = shares
        if second_name:
            self.again = self.model
        self.second_name = second_name

    def forward(self, x: Tensor, scale: Any = None, shift: Any = None, bias: Any = None) -> Tensor:
        x = x + 1
        x = x if scale is None else x * scale
        x = x if shift is None else x - shift
        x = self.again(x) if self.second_name else self.model(x)
        return self.mark(x if bias is None else x + bias)


def ways() -> "st.SearchStrategy[Tuple[List[str], bool]]":
    """How the root is called: keyword inputs in any order, its child by a second name."""
    some = st.lists(st.sampled_from(KEYWORDS), unique=True, max_size=len(KEYWORDS))
    return st.tuples(some, st.booleans())


def case_of(plan: Plan, way: Tuple[Sequence[str], bool] = ((), False)) -> Case:
    """The plan as a case of the conformance suite."""
    keywords, second_name = way

    def build() -> Example:
        kwargs = {name: torch.randn(2, 4) for name in keywords}
        return Example(Root(plan, second_name=second_name), (torch.randn(2, 4),), kwargs)

    return Case("random", build)
