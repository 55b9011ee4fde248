"""Report files as documents: of bounded size, and nothing in them is followed or evaluated."""

import json
import math
import os
from typing import Any, NoReturn

from htp.errors import HTPError
from htp.file.paths import opened, text

__all__ = ["LARGEST", "as_json", "as_text", "damaged", "entries", "number", "read", "word"]

LARGEST = 1 << 29
"""Bytes of a report at most. An onnxruntime that ran for long writes some hundred bytes for each
kernel that it ran, up to a million of them."""

LONGEST = 1 << 16
"""Characters of a name at most: that of a kernel that many operations were fused into is long."""


def damaged(name: str, why: str) -> HTPError:
    """The error of a report that cannot be read."""
    return HTPError(
        f"The report {name!r} is damaged: {why}.",
        "look whether the run that wrote it ended, and profile again.",
    )


def read(path: Any) -> bytes:
    """The bytes of a report.

    Raises:
        HTPError: it cannot be read, or it is too large.
    """
    try:
        with opened(text(path)) as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise HTPError(
            f"Cannot read {os.fspath(path)!r}: {getattr(error, 'strerror', None) or error}.",
            "name a report that is there.",
        ) from error
    if len(data) > LARGEST:
        raise HTPError(
            f"The report {os.fspath(path)!r} is larger than {LARGEST >> 20} MB.",
            "profile fewer runs.",
        )
    return data


def as_text(data: bytes, name: str) -> str:
    """The text that these bytes are.

    Raises:
        HTPError: they are none.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise damaged(name, "it is no text") from error


def as_json(data: bytes, name: str) -> Any:
    """The JSON document that these bytes are.

    Raises:
        HTPError: they are none, or it is nested too deep.
    """
    try:
        said = data.decode("utf-8-sig")
        return json.loads(said, parse_constant=_no_number, strict=False)  # trtexec escapes nothing
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:200]
        raise damaged(name, f"it is no JSON document ({why})") from error


def _no_number(said: str) -> NoReturn:
    raise ValueError(f"{said} is no number")


def entries(value: Any, name: str, what: str) -> Any:
    """A list, as a report must have it at this place."""
    if not isinstance(value, list):
        raise damaged(name, f"{what} is no list")
    return value


def number(value: Any, name: str, what: str) -> float:
    """A number that is a duration, a time or a count: finite, and not below 0.

    Raises:
        HTPError: it is none.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < 1e18 or not math.isfinite(value):
        raise damaged(
            name, f"{what} is {str(value)[:40]!r}, and must be a number that is not below 0"
        )
    return float(value)


def word(value: Any, name: str, what: str) -> str:
    """A text of a length that a name may have.

    Raises:
        HTPError: it is none.
    """
    if not isinstance(value, str) or len(value) > LONGEST:
        raise damaged(name, f"{what} is no text, or longer than any name")
    return value
