"""The modules of the model that a file is said to be of: paths, classes, and who holds whom."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Tuple

__all__ = ["Module", "Modules", "modules_of", "named_modules", "spoken"]


class Module(NamedTuple):
    """One module, as it is registered under one path.

    Attributes:
        path: the attribute path.
        type: qualified class name.
        is_called: whether it has a ``forward``: lists of modules have none.
        first: the first path of the same object.
    """

    path: str
    type: str
    is_called: bool
    first: str


class Modules:
    """The modules of a model, looked up by what names can tell of them.

    Args:
        registered: every path with its module, in the order of registration.
        tensors: for each full name of a parameter or buffer, all full names of that tensor.
    """

    def __init__(
        self, registered: Iterable[Module], tensors: Optional[Dict[str, Tuple[str, ...]]] = None
    ) -> None:
        self.all = {module.path: module for module in registered}
        self.tensors = tensors or {}
        self._aliases: Dict[str, List[str]] = {}
        self._spoken: Dict[str, List[str]] = {}
        self._holders: Dict[str, str] = {"": ""}
        for module in self.all.values():
            self._aliases.setdefault(module.first, []).append(module.path)
            if module.path == module.first:
                self._spoken.setdefault(spoken(module.path), []).append(module.path)
        self._own: Dict[Tuple[str, str], List[str]] = {}
        for module in self.all.values():
            place = (self.holder(module.path), spoken(module.first))
            if module.path and self.alias(module.first, place[0]) == module.path:
                self._own.setdefault(place, []).append(module.path)

    def __contains__(self, path: str) -> bool:
        return path in self.all

    @property
    def types(self) -> Dict[str, str]:
        """The class of each module."""
        return {path: module.type for path, module in self.all.items()}

    def holder(self, path: str) -> str:
        """The path of the module that reaches this one: lists that cannot be called are passed."""
        if path not in self._holders:
            above = path.rpartition(".")[0]
            while above and not (above in self.all and self.all[above].is_called):
                above = above.rpartition(".")[0]
            self._holders[path] = above
        return self._holders[path]

    def chain(self, path: str) -> Tuple[str, ...]:
        """The calls that lead to a module if each is made by the module that holds it."""
        found = [path]
        while found[-1]:
            found.append(self.holder(found[-1]))
        return tuple(reversed(found))

    def alias(self, first: str, enclosing: str) -> str:
        """The path by which the module that calls it reaches a module."""
        paths = self._aliases[first]
        if len(paths) > 1:
            own = [path for path in paths if path and self.holder(path) == enclosing]
            below = [path for path in paths if path.startswith(f"{enclosing}.")]
            return (own or below or paths)[0]
        return paths[0]

    def called(self, name: str, enclosing: str) -> List[str]:
        """The modules that torch calls so within a call of another, by their paths there.

        Those that it holds itself come alone, else those below it, else any; none where a great
        many are called so, since a name tells nothing then.
        """
        own = self._own.get((enclosing, name))
        if own:
            return own
        known = self._spoken.get(name, ())
        if len(known) > _SEVERAL:
            return []
        found = [self.alias(first, enclosing) for first in known]
        below = [path for path in found if path.startswith(f"{enclosing}.")] if enclosing else []
        return below or found


_SEVERAL = 256


def spoken(path: str) -> str:
    """How the TorchScript exporter speaks of a module: from the last part that is no number.

    https://github.com/pytorch/pytorch/blob/v2.4.0/torch/onnx/utils.py (_setup_trace_module_map)
    """
    parts = path.split(".")
    at = next((at for at in reversed(range(len(parts))) if not parts[at].isnumeric()), 0)
    return ".".join(parts[at:])


def named_modules(parameters: Iterable[str]) -> Modules:
    """The modules that the full names of parameters tell of. A list of modules is never called."""
    paths: Dict[str, None] = {"": None}
    for name in parameters:
        path = name.rpartition(".")[0]
        ends = [at for at, sign in enumerate(path) if sign == "."]
        if path and len(ends) < _MOST and all(part for part in path.split(".")):
            paths.update((path[:end], None) for end in ends)
            paths[path] = None
    lists = {path.rpartition(".")[0] for path in paths if path.rpartition(".")[2].isdigit()}
    return Modules(Module(path, "", path == "" or path not in lists, path) for path in paths)


_MOST = 100
"""Parts of a path: what has more is none."""


def modules_of(model: Any) -> Modules:
    """The modules of a PyTorch model.

    Args:
        model: an ``nn.Module``.
    """
    from torch import nn

    bare = (nn.ModuleList.forward, nn.ModuleDict.forward)
    first: Dict[int, str] = {}
    registered = []
    for path, module in _named(model.named_modules):
        cls = type(module)
        lists = isinstance(module, (nn.ModuleList, nn.ModuleDict)) and cls.forward in bare
        kind = f"{cls.__module__}.{cls.__qualname__}"
        registered.append(Module(path, kind, not lists, first.setdefault(id(module), path)))
    return Modules(registered, _tensors(model))


def _named(call: Any) -> List[Tuple[str, Any]]:
    """What ``named_modules`` and the like give, aliases included where this torch can."""
    try:
        return list(call(remove_duplicate=False))
    except TypeError:  # torch 1.8
        return list(call())


def _tensors(model: Any) -> Dict[str, Tuple[str, ...]]:
    """All names of each parameter and buffer, itself first."""
    groups: Dict[int, List[str]] = {}
    held = []  # ids are only unique while the objects live
    for path, module in _named(model.named_modules):
        for call in (module.named_parameters, module.named_buffers):
            for name, tensor in call(recurse=False):
                held.append(tensor)
                groups.setdefault(id(tensor), []).append(f"{path}.{name}" if path else name)
    return {
        name: (name, *(other for other in names if other != name))
        for names in groups.values()
        for name in names
    }
