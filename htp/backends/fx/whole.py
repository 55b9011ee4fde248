"""Views of the whole of a tensor: each holds what the tensor does, whatever that is.

    x[:]    x.expand_as(x)    x.transpose(0, 1) where both axes have one element

Such a view is of the same memory from the same place on, with the same axes and steps. That two
constants hold the same says less: what was computed of one of them may be the other by chance.
"""

from typing import Any, Iterable, Iterator, Tuple

__all__ = ["whole_views"]


def whole_views(nodes: Iterable[Any], table: Any) -> Iterator[Tuple[Any, Any]]:
    """Views of the whole among nodes that torch has translated, each with what it is a view of.

    Args:
        nodes: of a graph.
        table: what each became, by its name.
    """
    for node in nodes:
        given = node.args[0] if node.args and getattr(node.target, "is_view", False) else None
        if given is None or not _all_of(
            node.meta.get("val"), getattr(given, "meta", {}).get("val")
        ):
            continue
        old, new = table.get(node.name), table.get(given.name)
        if old is not new and _is_value(old) and _is_value(new):
            yield old, new


def _all_of(view: Any, tensor: Any) -> bool:
    """Whether a view has the axes, the steps and the beginning of what it is a view of."""
    import torch

    if not (isinstance(view, torch.Tensor) and isinstance(tensor, torch.Tensor)):
        return False
    if not view.layout == tensor.layout == torch.strided or view.dtype != tensor.dtype:
        return False
    if (view.is_conj(), view.is_neg()) != (tensor.is_conj(), tensor.is_neg()):
        return False
    one, two = ((*t.shape, *t.stride(), t.storage_offset()) for t in (view, tensor))
    # To compare sizes that are symbols would tell torch what they are.
    return all(type(n) is int for n in (*one, *two)) and one == two


def _is_value(made: Any) -> bool:
    return made is not None and not isinstance(made, (tuple, list))
