"""Results as they are handed over: objects that have ``to_json``, its documents, or files of it."""

import json
import os
from typing import Any, Callable, Dict, Mapping

from htp.errors import HTPError, InvalidModelError
from htp.file import paths
from htp.reporting.results.bisection import bisection
from htp.reporting.results.carried import carried
from htp.reporting.results.diff import diff
from htp.reporting.results.given import Given
from htp.reporting.results.profile import profile
from htp.reporting.results.quantised import overflow, sensitivity
from htp.reporting.results.result import Result
from htp.reporting.results.verification import verification
from htp.reporting.texts import shown

__all__ = ["result_of"]

READERS: Dict[str, Callable[[Given], Result]] = {
    "htp.bisect/1": bisection,
    "htp.carry/1": carried,
    "htp.diff/1": diff,
    "htp.overflow/1": overflow,
    "htp.profile/1": profile,
    "htp.sensitivity/1": sensitivity,
    "htp.verify/1": verification,
}
"""How the documents of each schema are read."""


def result_of(given: Any) -> Result:
    """A result in the page's form.

    Args:
        given: an object with ``to_json``, the document that this gives, or the path of a file that
            holds it.

    Raises:
        HTPError: it is no result that a page shows.
    """
    if isinstance(given, (str, os.PathLike)):
        name = paths.text(given)
        return _read(_document(name), shown(repr(name)))
    if callable(getattr(given, "to_json", None)):
        return _read(given.to_json(), f"The {type(given).__name__}")
    return _read(given, "The result")


def _document(name: str) -> Any:
    try:
        return json.loads(paths.read(name))
    except InvalidModelError as error:
        raise HTPError(
            str(error).partition("\n")[0], "name what 'htp ... --json' wrote."
        ) from error
    except (ValueError, RecursionError) as error:
        raise HTPError(
            f"{shown(repr(name))} is no JSON: {shown(error)}.", "name what 'htp ... --json' wrote."
        ) from error


def _read(document: Any, where: str) -> Result:
    schema = document.get("schema") if isinstance(document, Mapping) else None
    reader = READERS.get(schema) if isinstance(schema, str) else None
    if reader is None:
        said = "has no schema" if schema is None else f"is of schema {shown(repr(schema))}"
        raise HTPError(
            f"{where} {said}, which a report does not show.",
            f"it shows {', '.join(sorted(READERS))}.",
        )
    return reader(Given(document, where))
