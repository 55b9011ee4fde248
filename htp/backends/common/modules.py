"""The names under which a model reaches its modules and parameters, aliases included.

``named_modules()`` drops aliases, and its ``remove_duplicate=False`` is younger than the oldest
torch that HTP supports, so the registration tables are walked here.
"""

import sys
from typing import Any, Dict, List, Tuple

from htp.scope import Stack


class ModuleNames:
    """Every attribute path of every module of a model."""

    def __init__(self, root: Any) -> None:
        self.paths: Dict[int, List[str]] = {}
        self._keep = root  # ids are only unique while the objects live
        self._modules: Dict[str, Any] = {}
        for path, module in _registered(root):
            self.paths.setdefault(id(module), []).append(path)
            self._modules[path] = module

    def __contains__(self, module: Any) -> bool:
        return id(module) in self.paths

    def path(self, module: Any, enclosing: Stack) -> str:
        """The path through which the running call reached a module.

        Of several aliases it is the one that the innermost enclosing call holds itself, directly or
        in a list; else the first one below the innermost enclosing call that has one; else the
        first registered name.

        ``c = C(x); x = x``: where the root calls ``self.x``, it is ``x``, and within ``c``'s call
        it is ``c.x``.
        """
        paths = self.paths[id(module)]
        if len(paths) == 1:
            return paths[0]
        if enclosing:
            for path in paths:
                if path and self._holder(path) == enclosing[-1].path:
                    return path
        return self._lent(paths, enclosing)

    def _lent(self, paths: List[str], enclosing: Stack) -> str:
        for call in reversed(enclosing):
            below = [path for path in paths if call.path and path.startswith(call.path + ".")]
            if below:
                return below[0]
        return paths[0]

    def _holder(self, path: str) -> str:
        """The path of the module that reaches this one: lists that cannot be called are passed."""
        holder = path.rpartition(".")[0]
        while holder and not _can_be_called(self._modules[holder]):
            holder = holder.rpartition(".")[0]
        return holder

    def tensors(self) -> Dict[str, Tuple[str, ...]]:
        """For each parameter's or buffer's full name: all names of that tensor, itself first."""
        groups: Dict[int, List[str]] = {}
        held: List[Any] = []  # a scripted module makes these objects anew at each look-up
        for path, module in _registered(self._keep):
            below = f"{path}." if path else ""
            for table in (getattr(module, "_parameters", {}), getattr(module, "_buffers", {})):
                for name, tensor in table.items():
                    if tensor is not None:
                        held.append(tensor)
                        groups.setdefault(id(tensor), []).append(below + name)
        found = {}
        for names in groups.values():
            for name in names:
                tied = len(names) > 1
                found[name] = (name, *(n for n in names if n != name)) if tied else (name,)
        return found


def _registered(root: Any) -> List[Tuple[str, Any]]:
    """Every registered path in registration order. A module inside itself is not entered again."""
    found: List[Tuple[str, Any]] = []

    def enter(module: Any, path: str, above: Tuple[int, ...]) -> None:
        found.append((path, module))
        children = getattr(module, "_modules", None)  # a scripted function has none
        if children:
            below, inside = f"{path}." if path else "", (*above, id(module))
            for name, child in children.items():
                if child is not None and id(child) not in above:
                    enter(child, below + name, inside)

    enter(root, "", ())
    return found


def _can_be_called(module: Any) -> bool:
    """Whether a module has a ``forward`` of its own: lists of modules have none."""
    from torch import nn

    if isinstance(module, (nn.ModuleList, nn.ModuleDict)):
        return type(module).forward not in (nn.ModuleList.forward, nn.ModuleDict.forward)
    return True


def compiled_inside(module: Any) -> Any:
    """The module that ``torch.compile`` wrapped in this one, else None.

    The wrapper calls it by a method that it bound when it was made, which nobody hears:
    https://github.com/pytorch/pytorch/blob/v2.5.0/torch/_dynamo/eval_frame.py#L178
    """
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    wrapper = getattr(dynamo, "OptimizedModule", None)
    return module._orig_mod if wrapper is not None and isinstance(module, wrapper) else None


def type_name(module: Any) -> str:
    """The qualified class name; a scripted module tells that of the class it was made from."""
    kind = type(module)
    scripted = kind.__module__.startswith("torch.jit") and hasattr(module, "_c")
    if scripted or hasattr(module, "qualified_name"):  # of a scripted function
        parts = str(module._c._type() if scripted else module.qualified_name).split(".")
        return ".".join(part for part in parts[1:] if not part.startswith("___torch_mangle"))
    return f"{kind.__module__}.{kind.__qualname__}"
