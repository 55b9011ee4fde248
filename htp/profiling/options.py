"""Session options of onnxruntime that are changed for one session, and are then as they were.

They cannot be copied: custom operators, free dimensions and configuration in them cannot be read.
A session takes its own copy when it is made, so they are set, used, and put back.
"""

import os
from contextlib import contextmanager
from typing import Any, Dict, Iterator, Mapping

__all__ = ["ASSIGNED", "FOLDER", "LARGE", "apply", "lent", "own", "saved_as"]

FOLDER = "session.model_external_initializers_file_folder_path"
"""Where data files lie of a model that is handed over as bytes."""
ASSIGNED = "session.record_ep_graph_assignment_info"
"""Whether it is recorded which provider takes which node. Of all these an empty text is what none
is: https://github.com/microsoft/onnxruntime/blob/main/include/onnxruntime/core/session/
onnxruntime_session_options_config_keys.h"""
_SAVED = "session.optimized_model_external_initializers_"
_LEAST = f"{_SAVED}min_size_in_bytes"
_DEFAULTS = {_LEAST: "1024"}

LARGE = 1 << 30
"""Bytes of a model beyond which it is saved with a data file: none of protobuf may have 2 GB."""

_ERRORS = 3
"""Of onnxruntime's log: errors, no warnings."""


def own(package: Any) -> Any:
    """New session options."""
    options = package.SessionOptions()
    options.log_severity_level = _ERRORS
    return options


def saved_as(path: str, size: int) -> Dict[str, str]:
    """The entries for saving a model of this size."""
    if size <= LARGE:
        return {}
    return {f"{_SAVED}file_name": f"{os.path.basename(path)}.data", _LEAST: "1024"}


@contextmanager
def lent(options: Any, values: Mapping[str, Any], entries: Mapping[str, str]) -> Iterator[None]:
    """Set attributes and configuration of session options, and put them back on leaving.

    Args:
        options: the caller's, or new ones.
        values: the attributes.
        entries: the configuration.
    """
    before = {name: getattr(options, name) for name in values}
    held = {key: _entry(options, key) for key in entries}
    try:
        apply(options, values, entries)
        yield
    finally:
        apply(options, before, held)


def apply(options: Any, values: Mapping[str, Any], entries: Mapping[str, str]) -> None:
    """Set attributes and configuration of session options."""
    for name, value in values.items():
        setattr(options, name, value)
    for key, entry in entries.items():
        _set(options, key, entry)


def _entry(options: Any, key: str) -> str:
    try:
        return str(options.get_session_config_entry(key))
    except RuntimeError:  # there is none
        return _DEFAULTS.get(key, "")


def _set(options: Any, key: str, entry: str) -> None:
    """Set an entry, if it is another one: onnxruntime logs what is overwritten."""
    if _entry(options, key) != entry:
        options.add_session_config_entry(key, entry)
