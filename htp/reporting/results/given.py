"""Looks into a result that somebody hands over: what is not as it should be is said, and where."""

import math
from typing import Any, Iterator, List, Mapping, Optional, Tuple, Union

from htp.errors import HTPError

__all__ = ["NOT_FINITE", "Given", "Number", "digits"]

Number = Union[int, float, str, None]
"""A number; what is not finite is ``"inf"``, ``"-inf"`` or ``"nan"``."""

NOT_FINITE = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def digits(number: Number) -> str:
    """A number within a sentence: three digits of it."""
    if number is None:
        return "not known"
    return str(number) if isinstance(number, (str, int)) else f"{number:.3g}"


class Given:
    """One object of a JSON document.

    Args:
        value: what stands there.
        where: what to call the document.
        at: where in it this is.

    Raises:
        HTPError: it is no object.
    """

    def __init__(self, value: Any, where: str, at: str = "") -> None:
        self.where, self._at = where, at
        if not isinstance(value, Mapping):
            raise self._wrong("", "an object", value)
        self._value = value

    def _wrong(self, key: str, wanted: str, value: Any) -> HTPError:
        place = ".".join(filter(None, (self._at, key)))
        named = f"{place!r} of it" if place else "it"
        return HTPError(
            f"{self.where} cannot be shown: {named} should be {wanted}, "
            f"and is {type(value).__name__}.",
            "hand over what 'htp ... --json' wrote, as it is.",
        )

    def text(self, key: str) -> str:
        """A text."""
        value = self._value.get(key)
        if not isinstance(value, str):
            raise self._wrong(key, "a text", value)
        return value

    def maybe_text(self, key: str) -> Optional[str]:
        """A text, or None where there is none."""
        return None if self._value.get(key) is None else self.text(key)

    def flag(self, key: str) -> bool:
        """Whether something is so."""
        value = self._value.get(key)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def number(self, key: str) -> Number:
        """A number, ``"inf"`` and the like, or None where there is none."""
        value = self._value.get(key)
        if value is None or (isinstance(value, str) and value in NOT_FINITE):
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(key, "a number", value)
        return value if _is_small(value) else str(float("inf" if value > 0 else "-inf"))

    def finite(self, key: str) -> float:
        """A number, which has to be there and to be finite."""
        value = self.number(key)
        if value is None or isinstance(value, str):
            raise self._wrong(key, "a finite number", value)
        return value

    def whole(self, key: str) -> int:
        """A whole number."""
        value = self.finite(key)
        if value != int(value):
            raise self._wrong(key, "a whole number", value)
        return int(value)

    def texts(self, key: str) -> Tuple[str, ...]:
        """A list of texts."""
        values = self._list(key)
        for value in values:
            if not isinstance(value, str):
                raise self._wrong(key, "a list of texts", value)
        return tuple(values)

    def remarks(self) -> List[str]:
        """Its remarks, as sentences."""
        return [f"Remark: {each}." for each in self.texts("remarks")]

    def each(self, key: str) -> Iterator["Given"]:
        """The objects of a list."""
        for number, value in enumerate(self._list(key)):
            yield Given(value, self.where, f"{key}[{number}]")

    def one(self, key: str) -> "Given":
        """An object."""
        return Given(self._value.get(key), self.where, key)

    def maybe(self, key: str) -> "Optional[Given]":
        """An object, or None where there is none."""
        return None if self._value.get(key) is None else self.one(key)

    def numbers(self, key: str) -> List[Tuple[str, float]]:
        """An object of finite numbers."""
        held = self.one(key)
        return [(name, held.finite(name)) for name in held.names()]

    def names(self) -> List[str]:
        """What the object has."""
        return list(map(str, self._value))

    def groups(self, key: str) -> List[Tuple[str, ...]]:
        """A list of lists of texts."""
        found = [Given({"group": value}, self.where, key) for value in self._list(key)]
        return [each.texts("group") for each in found]

    def _list(self, key: str) -> List[Any]:
        value = self._value.get(key)
        if not isinstance(value, (list, tuple)):
            raise self._wrong(key, "a list", value)
        return list(value)


def _is_small(value: float) -> bool:
    """Whether a page can hold it: JavaScript's numbers are those of IEEE 754."""
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
