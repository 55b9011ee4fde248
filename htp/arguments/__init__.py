"""One set of arguments for every release of torch's exporters, and running them."""

from htp.arguments.options import by_position, exporter_of, known
from htp.arguments.request import Exporter, Request, Written, checked

__all__ = [
    "Exporter",
    "Request",
    "Written",
    "by_position",
    "checked",
    "exporter",
    "exporter_of",
    "known",
]


def exporter(name: str) -> Exporter:
    """What runs one of ``registry.EXPORTERS``: a file of this folder knows its arguments."""
    from importlib import import_module

    export: Exporter = import_module(f"htp.arguments.{name}").export
    return export
