"""Which code of HTP a result is of: a fingerprint of every file of ``htp/`` that decides something.

    python tools/fingerprint.py     # that of this checkout

A result file holds the fingerprint of the package that was tested, and a page that is written from
results names the one that it was written for, so that each row can say whether it is of that code.
A page is not written anew whenever ``htp/`` changes: to check one, it is made again for the code
that it names, and what is said then is about the present code.
"""

import hashlib
import re
import sys
from pathlib import Path
from typing import Any, Iterable, Mapping, Optional, Sequence

__all__ = ["PACKAGE", "deliver", "fingerprint", "named_in", "of_code", "sentence", "stale"]

PACKAGE = Path(__file__).resolve().parent.parent / "htp"

_SENTENCE = (
    "*Of this code* says whether the run was of the code that this page was written for: `htp/` "
    "with the\nfingerprint `{}`, as `python tools/fingerprint.py` tells it."
)
_NAMED = re.compile(r"fingerprint `([0-9a-f]{16})`")


def fingerprint(package: Path = PACKAGE) -> str:
    """16 digits of a hash over the relative paths and the contents of all ``.py`` and ``.json``.

    A checkout and the wheel made of it have the same.
    """
    digest = hashlib.sha256()
    files = {p.relative_to(package).as_posix(): p for p in package.rglob("*.[pj][ys]*")}
    for name, path in sorted(files.items()):
        if path.suffix in (".py", ".json"):
            content = path.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()[:16]


def sentence(code: str) -> str:
    """What a page says of its marks."""
    return _SENTENCE.format(code)


def named_in(page: Path) -> Optional[str]:
    """The code that a page was written for, or None."""
    named = _NAMED.search(page.read_text(encoding="utf-8")) if page.exists() else None
    return named.group(1) if named else None


def of_code(result: Mapping[str, Any], code: str) -> str:
    """The mark of a row: ``yes``, or ``no``, also where the result does not know."""
    return "yes" if result.get("code") == code else "no"


def stale(results: Iterable[Mapping[str, Any]]) -> str:
    """In words, how many results are not of the present code."""
    marks = [of_code(result, fingerprint()) for result in results]
    return f"{marks.count('no')} of {len(marks)} results are not of the present code"


def deliver(options: Any, page: str, results: Sequence[Mapping[str, Any]], how: str) -> int:
    """Write a page, or with ``--check`` compare the one that is there.

    Args:
        options: with ``output``, ``check`` and ``fresh``.
        page: what the page shall be.
        results: what it was made of.
        how: the command that writes it.

    Returns:
        The exit status: 1 where it is stale, or a result is when ``fresh`` ones are asked for.
    """
    if not options.check:
        options.output.write_text(page, encoding="utf-8")
        print(f"wrote {options.output.name}; {stale(results)}")
    elif options.output.exists() and options.output.read_text(encoding="utf-8") == page:
        print(f"{options.output.name} is what the results say; {stale(results)}")
    else:
        print(f"{options.output.name} is stale.\nHint: {how}", file=sys.stderr)
        return 1
    return int(options.fresh and any(of_code(one, fingerprint()) == "no" for one in results))


if __name__ == "__main__":
    print(fingerprint(*map(Path, sys.argv[1:])))
