"""A profile as a table, and what there is to say of it."""

from typing import Dict, Iterator, Mapping, Sequence, Tuple

from htp.profiling.kernels import OwnedKernel
from htp.profiling.rows import ProfileRow
from htp.showing.sheet import INDEX, Column, Sheet, of_call

__all__ = ["duration", "named_providers", "percent", "remarks", "sheet", "short"]


def duration(seconds: float, plain: bool = False) -> str:
    """A time as people read it: three digits and a unit; in ASCII where that is all there is."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{_digits(seconds * factor)} {unit}"
    return f"{_digits(seconds * 1e6)} {'us' if plain else 'µs'}" if seconds > 0 else "0"


def _digits(number: float) -> str:
    return f"{number:.0f}" if number >= 1000 else f"{number:.3g}"


def percent(share: float) -> str:
    """A share as people read it: never 100 % unless it is all, never 0 unless it is nothing."""
    if 0.9995 <= share < 1:
        return "99.9 %"
    if 0 < share < 0.0005:
        return "<0.1 %"
    return f"{share * 100:.1f} %"


def named_providers(times: Mapping[str, float]) -> str:
    """Who executed it, with the share of each where there are several."""
    total = sum(times.values())
    if len(times) < 2 or not total:
        return ", ".join(map(short, times))
    return ", ".join(f"{short(name)} {percent(each / total)}" for name, each in times.items())


def short(provider: str) -> str:
    """``CPUExecutionProvider`` as ``CPU``."""
    end = "ExecutionProvider"
    return provider[: -len(end)] if provider.endswith(end) and provider != end else provider


def remarks(kernels: Sequence[OwnedKernel], seconds: float) -> Iterator[str]:
    """What could not be judged: of kernels without an owner why, and how long they take."""
    reasons: Dict[str, Tuple[int, float]] = {}
    for each in kernels:
        if not each.tag.stack:
            count, spent = reasons.get(each.reason, (0, 0.0))
            reasons[each.reason] = (count + 1, spent + each.kernel.seconds)
    for reason, (count, spent) in reasons.items():
        share = percent(spent / seconds) if seconds else "0 %"
        yield f"{count} kernels ({share}) are in no row: {reason}"
    shared = sum(each.kernel.seconds for each in kernels if each.tag.shared)
    if shared and seconds:
        yield (
            f"kernels of several modules ({percent(shared / seconds)}) are counted at their common "
            "ancestor; 'shared' shows them at the others"
        )


_COLUMNS: Tuple[Column[ProfileRow], ...] = (
    *of_call(lambda row: row.call),
    Column("module", lambda row: str(row.call) or "(root)"),
    Column(key="depth", value=lambda row: row.depth, dtype="int64"),
    Column(
        *("time", lambda row: duration(row.seconds), True),
        *("seconds", lambda row: row.seconds, "float64"),
    ),
    Column(
        *("share", lambda row: percent(row.share), True),
        *("share", lambda row: row.share, "float64"),
        bar=lambda row: row.share,
    ),
    Column(
        *("own", lambda row: duration(row.own) if row.own else "", True),
        *("own", lambda row: row.own, "float64"),
    ),
    Column(
        *("shared", lambda row: duration(row.shared) if row.shared else "", True),
        *("shared", lambda row: row.shared, "float64"),
    ),
    Column(
        *("kernels", lambda row: f"{row.count:g}" if row.count else "", True),
        *("kernels", lambda row: row.count, "float64"),
    ),
    Column(
        *("provider", lambda row: named_providers(row.providers)),
        key="provider",
        value=lambda row: next(iter(row.providers), None),
        dtype="category",
    ),
    Column(key="operator", value=lambda row: next(iter(row.operators), None), dtype="category"),
)


def sheet(
    rows: Sequence[ProfileRow], title: str, ends: Sequence[str], parents: Sequence[int]
) -> Sheet[ProfileRow]:
    """The rows as people read them."""
    depths = [row.depth for row in rows]
    return Sheet(
        *("Profile", title, _COLUMNS, rows, INDEX, ends),
        depths=depths,
        parents=parents,
        whole=True,
    )
