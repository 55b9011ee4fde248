"""Every error that HTP raises.

Each text says what happened, what was found and what is accepted, and then gives a hint.
"""

from typing import Iterable, Optional

__all__ = [
    "BackendUnavailableError",
    "CaptureError",
    "ExtractionError",
    "HTPError",
    "InvalidModelError",
    "UnknownModuleError",
    "UnsupportedTorchError",
    "did_you_mean",
]


class HTPError(Exception):
    """The parent of every error that HTP raises.

    Args:
        message: what happened, what was found and what is accepted.
        hint: what the reader can do about it.
    """

    def __init__(self, message: str, hint: Optional[str] = None) -> None:
        self.hint = hint
        super().__init__(f"{message}\nHint: {hint}" if hint else message)

    def say(self, line: str) -> None:
        """Add a line to what happened, before the hint; nothing where the line is empty."""
        if line:
            before, hint, after = (
                str(self).rpartition("\nHint: ") if self.hint else (str(self), "", "")
            )
            self.args = (f"{before}\n{line}{hint}{after}", *self.args[1:])


class UnsupportedTorchError(HTPError):
    """The installed torch is missing or older than every registered backend accepts."""


class BackendUnavailableError(HTPError):
    """The backend does not exist, or its probe says that it cannot run here."""


class CaptureError(HTPError):
    """The export failed, its arguments don't fit, or what was captured doesn't fit the file.

    Args:
        message: as of every error of HTP's.
        hint: likewise.
        asked: what was asked for cannot be had of any model, so that it does not matter where.
    """

    def __init__(self, message: str, hint: Optional[str] = None, *, asked: bool = False) -> None:
        self.asked = asked
        super().__init__(message, hint)


class ExtractionError(HTPError):
    """A module cannot be cut out of a file: what would be left is not the module.

    Args:
        message: as of every error of HTP's.
        hint: likewise.
        reason: why, in one word: ``none`` (no node is its own), ``fused``, ``folded``, ``unread``,
            ``rewritten``, ``body``, ``function``, ``cut`` (the file is itself a part that holds
            only some of it), ``type`` (of a value that it reads no type is known).
        ancestor: the smallest module call around it that can be cut out, as ``path`` or
            ``path@call``; None where there is none.
    """

    def __init__(
        self,
        message: str,
        hint: Optional[str] = None,
        *,
        reason: str = "",
        ancestor: Optional[str] = None,
    ) -> None:
        self.reason, self.ancestor = reason, ancestor
        super().__init__(message, hint)


class InvalidModelError(HTPError):
    """The file is not an ONNX model, is damaged, or carries tags that cannot be read."""


class UnknownModuleError(HTPError, LookupError):
    """No node, value or module of that name is in the model."""


_LONGEST = 300
"""Names in files are as long as somebody wrote them; longer ones are no spelling to compare."""

_SHOWN = 48
"""So much of both ends of a longer name is listed."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint that names the closest of ``known``, or lists a few of them, cut where they are long.

    How long it takes is proportional to the names: comparing two is quadratic in their length.
    """
    import difflib

    names = sorted({candidate for candidate in known if candidate})
    spelled = [candidate for candidate in names if max(len(candidate), len(name)) <= _LONGEST]
    close = difflib.get_close_matches(name, spelled, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(repr(candidate) for candidate in close) + "?"
    if not names:
        return "the model has no named ones."
    shown = ", ".join(map(_cut, names[:8]))
    return f"known are {shown}" + (f" and {len(names) - 8} more." if len(names) > 8 else ".")


def _cut(name: str) -> str:
    return name if len(name) <= 2 * _SHOWN else f"{name[:_SHOWN]}...{name[-_SHOWN:]}"
