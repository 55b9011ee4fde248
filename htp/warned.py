"""Warnings that point at the line of whoever called HTP."""

import inspect
import warnings

__all__ = ["warn"]


def warn(text: str) -> None:
    """Warn whoever called HTP."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "htp":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, RuntimeWarning, stacklevel=level)
