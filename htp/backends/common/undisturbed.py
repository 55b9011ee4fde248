"""What torch itself leaves behind after an export, put back.

Some releases forget it when an export fails inside them: ``torch.export`` 2.6 leaves a hook that
every later module would call, and a warnings filter. Strict capture leaves the fake tensors that a
``forward`` or a hook stored in a module (the ``weight`` of ``weight_norm``), without a failure.
"""

import warnings
from collections import OrderedDict
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Tuple


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Restore warnings filters, torch's global module hooks and the model's tensors on leaving."""
    from torch.nn.modules import module

    tables: Any = [
        table
        for name, table in vars(module).items()
        if name.startswith("_global_") and isinstance(table, dict)
    ]
    before = [dict(table) for table in tables]
    held = _tensors(model)
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for table, content in zip(tables, before):
                if dict(table) != content:
                    table.clear()
                    table.update(content)
            for attributes, tensors in held:
                if tensors or not _all_plain(attributes):
                    _put_back(attributes, tensors)


Attributes = Dict[str, Any]

_PLAIN = frozenset((bool, dict, float, int, list, OrderedDict, set, str, tuple, type(None)))
"""Types that most attributes of a module have: torch is slow to answer whether one is a tensor."""


def _tensors(model: Any) -> List[Tuple[Attributes, Attributes]]:
    """The attributes of every module, and those of them that are tensors."""
    import torch

    if not isinstance(model, torch.nn.Module) or isinstance(model, torch.jit.ScriptModule):
        return []
    tables = [vars(module) for module in _modules(model)]
    return [(table, {} if _all_plain(table) else _only_tensors(table)) for table in tables]


def _modules(model: Any) -> List[Any]:
    """Every module of a model, each once; ``model.modules()`` makes up names on the way."""
    pending, found = [model], {id(model): model}
    while pending:
        for child in pending.pop()._modules.values():
            if child is not None and id(child) not in found:
                found[id(child)] = child
                pending.append(child)
    return list(found.values())


def _all_plain(table: Attributes) -> bool:
    return _PLAIN.issuperset(map(type, table.values()))


def _only_tensors(table: Attributes) -> Attributes:
    import torch

    return {name: value for name, value in table.items() if isinstance(value, torch.Tensor)}


def _put_back(attributes: Attributes, tensors: Attributes) -> None:
    now = _only_tensors(attributes)
    for name in now:
        if name not in tensors:
            del attributes[name]
    for name, value in tensors.items():
        if now.get(name) is not value:
            attributes[name] = value
