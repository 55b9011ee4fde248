"""Notices when another distribution's files lie among HTP's.

The distribution is called ``htp-onnx``; ``htp`` on PyPI is another project, and HTP itself bore
that name up to 0.1.0. Where both lay files into one folder, removing or upgrading either breaks the
one that stays::

    site-packages/htp/                     whose is it?
    site-packages/htp_onnx-0.2.0.dist-info/RECORD   lists htp/...
    site-packages/htp-0.1.0.dist-info/RECORD        lists htp/... too: said at import
"""

import os
import warnings
from typing import List

__all__ = ["strangers", "warn_of_strangers"]


def strangers(package: str) -> List[str]:
    """The distributions named ``htp`` that laid files into a package's folder.

    What an installer laid stands in ``RECORD`` beside it
    (https://packaging.python.org/en/latest/specifications/recording-installed-packages/). It is
    read only where there is such a distribution: all others pay for one listing of a folder.

    Args:
        package: the folder of the package, ``.../site-packages/htp``.

    Returns:
        Their names with the version: ``["htp 0.1.0"]``. None where nothing can be read.
    """
    beside, name = os.path.split(package)
    try:
        entries = os.listdir(beside or os.curdir)
    except OSError:
        return []
    end = len(".dist-info")
    named = [e for e in sorted(entries) if e[:4].lower() == "htp-" and e.endswith(".dist-info")]
    return [
        f"htp {entry[4:-end]}"
        for entry in named
        if entry[4].isdigit() and _lays_files_into(os.path.join(beside, entry, "RECORD"), name)
    ]


def _lays_files_into(record: str, name: str) -> bool:
    try:
        with open(record, encoding="utf-8", errors="replace") as lines:
            return any(line.lstrip('"').startswith(f"{name}/") for line in lines)
    except OSError:
        return False


def warn_of_strangers() -> None:
    """Say so where this package is imported."""
    package = os.path.dirname(__file__)
    found = strangers(package)
    if found:
        warnings.warn(
            f"Files of {' and '.join(found)} lie among those of htp-onnx in {package}: what is "
            "imported may be a mixture of both.\n"
            "Hint: pip uninstall htp, then pip install --force-reinstall --no-deps htp-onnx",
            RuntimeWarning,
            stacklevel=3,
        )
