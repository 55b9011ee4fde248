"""The pinned companions of each torch release: the files in ``constraints/``, and nothing else.

A file ``constraints/torchX.Y.txt`` starts with ``# python 3.NN``, the Python that its session runs
on; every other line pins one package exactly. Adding a torch release is adding such a file.
``constraints/libraries/LIBRARY-torchX.Y.txt`` is the same for a library whose exports are tested.
"""

import re
from pathlib import Path
from typing import Dict, List, NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import Version

__all__ = ["COMPANIONS", "CONSTRAINTS", "Pins", "all_pins", "library_pins", "read_pins"]

CONSTRAINTS = Path(__file__).resolve().parent.parent / "constraints"

COMPANIONS = ("onnx", "onnxscript", "onnx-ir", "protobuf", "numpy", "onnxruntime", "transformers")
"""What a test session installs beside torch, where the file pins it."""

UNDECLARED = ("setuptools",)
"""What some torch imports at run time and does not ask for: 1.10 and 1.11."""

_NAME = re.compile(r"(?:([a-z-]+)-)?torch(\d+\.\d+)\.txt")
_PYTHON = re.compile(r"# python (3\.\d+)")
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;#]+)")


class Pins(NamedTuple):
    """One torch minor release and what it is tested with.

    Attributes:
        release: the minor release, for example ``2.10``.
        python: the Python that its session runs on, for example ``3.13``.
        path: the constraint file.
        versions: version of each pinned package, by its normalised name.
        library: the library whose environment it is; "" where HTP alone is tested.
    """

    release: str
    python: str
    path: Path
    versions: Dict[str, str]
    library: str = ""

    @property
    def companions(self) -> List[str]:
        """Names of what is installed beside torch: the pinned ones, in the order of the lists."""
        return [name for name in (*COMPANIONS, *UNDECLARED) if name in self.versions]


def read_pins(path: Path) -> Pins:
    """Read one constraint file.

    Raises:
        ValueError: the name, the first line or a pin is not as this module's docstring says.
    """
    name = _NAME.fullmatch(path.name)
    first, *rest = path.read_text(encoding="utf-8").splitlines() or [""]
    python = _PYTHON.match(first)
    if not name or not python:
        raise ValueError(f"{path}: must be named torchX.Y.txt and start with '# python 3.NN'")
    versions: Dict[str, str] = {}
    for line in rest:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        pin = _PIN.match(line)
        if not pin:
            raise ValueError(f"{path}: {line!r} is not an exact pin (name==version)")
        versions[canonicalize_name(pin.group(1))] = pin.group(2)
    return Pins(name.group(2), python.group(1), path, versions, name.group(1) or "")


def all_pins(folder: Path = CONSTRAINTS) -> List[Pins]:
    """Every pinned release, oldest first."""
    pins = [read_pins(path) for path in folder.glob("torch*.txt")]
    return sorted(pins, key=lambda pin: Version(pin.release))


def library_pins(folder: Path = CONSTRAINTS) -> List[Pins]:
    """Every pinned environment of a library, by its name, the oldest torch first."""
    pins = [read_pins(path) for path in (folder / "libraries").glob("*.txt")]
    return sorted(pins, key=lambda pin: (pin.library, Version(pin.release)))
