"""A library's export in fresh processes: by itself, under ``htp run``, inside ``htp.tagging``."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Set

import onnx

import htp
from libraries.ways import SCRIPTS, Way

__all__ = ["Run", "Runs", "counts", "owners", "same", "stripped"]

RECORDER = str(SCRIPTS.parent / "recorder.py")
PATIENCE = 900


class Run(NamedTuple):
    """What one process did.

    Attributes:
        folder: what it wrote.
        output: its standard output.
        errors: its standard error.
        status: its exit status.
        records: what ``htp.tagging`` told, where it was the one that tagged.
    """

    folder: Path
    output: str
    errors: str
    status: int
    records: List[Dict[str, Any]]

    @property
    def returned(self) -> List[str]:
        """What the script printed of what the library gave back."""
        return [line for line in self.output.splitlines() if line.startswith("returned:")]

    @property
    def models(self) -> List[str]:
        """Every model and every file of weights, by its path in the folder."""
        found = [p for p in self.folder.rglob("*") if p.suffix in (".onnx", ".data")]
        return sorted(path.relative_to(self.folder).as_posix() for path in found)

    @property
    def files(self) -> List[str]:
        """Every file, by its path in the folder."""
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return sorted(path.relative_to(self.folder).as_posix() for path in found)


class Runs:
    """Runs one way. Each process works in a folder of the same name, since names may be written.

    Args:
        way: which.
        folder: where, empty.
    """

    def __init__(self, way: Way, folder: Path) -> None:
        self._way = way
        self._folder = folder
        self._work = folder / "work"
        self._start = folder / "start"
        self._start.mkdir()
        if way.setup:
            script, *arguments = way.setup
            made = self._process([sys.executable, str(SCRIPTS / script), *arguments], self._start)
            assert made.returncode == 0, made.stderr

    def plain(self) -> Run:
        """The library by itself."""
        program, *arguments = self._way.arguments
        if self._way.is_script:
            return self._run("plain", [sys.executable, program, *arguments])
        return self._run("plain", [_command(program), *arguments])

    def under_htp_run(self) -> Run:
        """The same as the command of ``htp run``."""
        run = [sys.executable, "-m", "htp", "run", *self._way.options, "--"]
        return self._run("run", [*run, *self._way.arguments])

    def inside_tagging(self) -> Run:
        """The same script inside ``htp.tagging``."""
        return self._run("tagging", [sys.executable, RECORDER, *self._way.arguments])

    def _run(self, name: str, command: List[str]) -> Run:
        shutil.copytree(self._start, self._work)
        done = self._process(command, self._work)
        kept = self._folder / name
        records = self._work / "records.json"
        told = json.loads(records.read_text(encoding="utf-8")) if records.exists() else []
        if records.exists():
            records.unlink()
        self._work.rename(kept)
        return Run(kept, done.stdout, done.stderr, done.returncode, told)

    def _process(self, command: List[str], where: Path) -> "subprocess.CompletedProcess[str]":
        home = self._folder / "home"
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
            "HF_HUB_OFFLINE": "1",  # nothing is downloaded, and nothing looks whether it could be
            "HF_HOME": str(home),
            "KERAS_HOME": str(home),
            "YOLO_CONFIG_DIR": str(home),
            "YOLO_OFFLINE": "true",
            "YOLO_AUTOINSTALL": "false",
            "PYTHONIOENCODING": "utf-8",
        }
        if self._way.seeded:
            environment["PYTHONHASHSEED"] = "0"
        home.mkdir(exist_ok=True)
        return subprocess.run(
            command,
            cwd=where,
            env=environment,
            timeout=PATIENCE,
            encoding="utf-8",
            capture_output=True,
            check=False,
        )


def _command(name: str) -> str:
    return os.path.join(os.path.dirname(sys.executable), name)


def _loaded(path: Path) -> Optional[htp.TaggedModel]:
    """A model with its tags; None where nothing in it tells of modules."""
    try:
        return htp.load(path)
    except htp.InvalidModelError:
        return None


def stripped(path: Path) -> bytes:
    """The bytes of a model without what HTP wrote."""
    tagged, plain = _loaded(path), io.BytesIO()
    if tagged is None:
        return path.read_bytes()
    tagged.strip().save(plain)
    return plain.getvalue()


def same(found: Path, plain: Path, dated: str) -> bool:
    """Whether a file, stripped, is the other one; but for the time of day that a library notes."""
    if found.suffix != ".onnx":
        return found.read_bytes() == plain.read_bytes()
    ours, theirs = stripped(found), plain.read_bytes()
    if dated:
        ours, theirs = _without(ours, dated), _without(theirs, dated)
    return ours == theirs


def _without(content: bytes, key: str) -> bytes:
    model = onnx.load_from_string(content)
    kept = [entry for entry in model.metadata_props if entry.key != key]
    assert len(kept) < len(model.metadata_props), f"the library writes no {key!r}"
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    return model.SerializeToString(deterministic=True)


def counts(path: Path) -> Dict[str, int]:
    """The nodes of a file, and how many of them have a tag of HTP's: a guess from names is none.

    Those of a file that a tool rewrote are carried from the origin that it holds.
    """
    tagged = _loaded(path)
    if tagged is None:
        return {"nodes": len(onnx.load(path, load_external_data=False).graph.node), "tagged": 0}
    coverage = tagged.coverage
    known = coverage.total - coverage.unknown if coverage.captured or tagged.carried else 0
    return {"nodes": coverage.total, "tagged": known}


def owners(path: Path) -> Set[str]:
    """The modules that own nodes of a file."""
    tagged = _loaded(path)
    return set() if tagged is None else {tag.path for _, tag in tagged.nodes()}
