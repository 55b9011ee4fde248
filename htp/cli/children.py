"""Following the Python processes that a command starts, as ``htp run --children`` does.

A forked child has inherited all that listens. A new one finds a ``sitecustomize`` first on its
path, which begins to listen, and then hands over to that of its own installation. Either writes
what it exports into a folder that the command's process reads at the end.
"""

import contextlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict
from typing import Any, ContextManager, List, Optional

from htp.drop_in import tagging
from htp.exported import Exported, Wishes
from htp.scope import Coverage
from htp.turns import watching

__all__ = ["Children", "follow"]

_FOLDER = "HTP_RUN_FOLDER"
_WISHES = "wishes.json"

_SITE = '''"""Listens in a child of 'htp run --children', then is what was meant by its name."""

import importlib.machinery
import importlib.util
import os
import sys

_here = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _here]
try:
    from htp.cli.children import follow
except ImportError:  # a Python without HTP: nothing of it is tagged
    pass
else:
    follow()
_spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
if _spec is not None and _spec.loader is not None:
    sys.modules["sitecustomize"] = _module = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(_module)
'''

_open: List[ContextManager[Any]] = []
"""The contexts of this process, which end with it."""


class Children:
    """What the children of this process export.

    Args:
        wishes: what is wanted of their exports.
    """

    def __init__(self, wishes: Wishes) -> None:
        self._folder = tempfile.mkdtemp(prefix="htp-run-")
        site = os.path.join(self._folder, "site")
        os.mkdir(site)
        with open(os.path.join(site, "sitecustomize.py"), "w", encoding="utf-8") as file:
            file.write(_SITE)
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = site + (os.pathsep + before if before else "")
        os.environ[_FOLDER] = self._folder
        with open(os.path.join(self._folder, _WISHES), "w", encoding="utf-8") as file:
            json.dump(wishes, file)
        _listen(_Writer(self._folder, but=os.getpid()))

    def exports(self) -> List[Exported]:
        """What they exported, process by process; the folder is removed."""
        names = sorted(name for name in os.listdir(self._folder) if name.endswith(".jsonl"))
        found = []
        for name in names:
            with open(os.path.join(self._folder, name), encoding="utf-8") as file:
                found += [_decoded(json.loads(line)) for line in file]
        shutil.rmtree(self._folder, ignore_errors=True)
        return found


def follow() -> None:
    """Listen in this process, which ``htp run`` has started indirectly, until it ends."""
    folder = os.environ.get(_FOLDER)
    if folder is not None and os.path.isdir(folder):
        _listen(_Writer(folder))
        with open(os.path.join(folder, _WISHES), encoding="utf-8") as file:
            context = tagging(*json.load(file))
        context.__enter__()
        _open.append(context)


def _listen(writer: "_Writer") -> None:
    context = watching(writer)
    context.__enter__()
    _open.append(context)


class _Writer:
    """Writes down what this process exports, at once: many a child ends without a farewell.

    Args:
        folder: where to.
        but: the process that needs not.
    """

    def __init__(self, folder: str, but: Optional[int] = None) -> None:
        self._folder = folder
        self._but = but

    def __call__(self, exported: Exported) -> None:
        """Write one down."""
        process = os.getpid()
        if process != self._but:
            with contextlib.suppress(OSError):
                path = os.path.join(self._folder, f"{process}.jsonl")
                with open(path, "a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(exported)) + "\n")


def _decoded(held: Any) -> Exported:
    coverage = held["coverage"]
    return Exported(**{**held, "coverage": None if coverage is None else Coverage(**coverage)})
