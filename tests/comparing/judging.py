"""Planted changes and disguises, and what ``htp.diff`` tells of them."""

import collections

from comparing import planting

import htp

__all__ = ["told_apart", "told_elsewhere"]


def told_elsewhere(tagged, model, seeds):
    """How many changes of each kind were planted; and those that were not told where they are.

    Args:
        tagged: the file.
        model: the same, as a ``ModelProto``.
        seeds: how often each kind is tried; every second time all names are others, too.
    """
    planted, wrong = collections.Counter(), []
    for plant in planting.PLANTS:
        for seed in range(seeds):
            changed = planting.copied(model)
            paths = plant(changed, planting.Chance(seed))
            if paths is None:
                continue
            planted[plant.__name__] += 1
            if seed % 2:
                planting.other_names(changed, planting.Chance(seed))
            found = {row.path for row in htp.diff(tagged, changed).rows}
            right = found <= paths - {"*"} if "*" in paths else found == paths
            if not found or not right:
                wrong.append((plant.__name__, seed, paths, found))
    return planted, wrong


def told_apart(tagged, model):
    """The disguises in which the same is told to be something else: each alone, and together."""
    wrong = []
    for disguise in planting.DISGUISES:
        changed = planting.copied(model)
        disguise(changed, planting.Chance(1))
        if not htp.diff(tagged, changed).equal:
            wrong.append(disguise.__name__)
    changed = planting.copied(model)
    for disguise in (planting.identities_in, planting.other_order, planting.other_names):
        disguise(changed, planting.Chance(2))
        if not htp.diff(tagged, changed).equal:
            wrong.append(f"... {disguise.__name__}")
    return wrong
