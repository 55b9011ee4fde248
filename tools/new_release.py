"""The pins of a torch release that is new to HTP, found in the registry: ``nox -s new-release``.

    python tools/new_release.py pins 2.16 --have 3.12 3.13    # writes what names the release
    python tools/new_release.py left 2.16                     # what is left to be decided

uv resolves. The newest Python is taken that is at hand and for which torch and its companions have
wheels. Companions stay at the pins of the release before, as far as the new torch lets them: what
works is not changed without need, and what the registry has newer is told. What only torch's GPU
builds ask for is not pinned, since the CPU builds lack it.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import (
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Set,
    Tuple,
)

from packaging.utils import canonicalize_name
from packaging.version import Version

from pins import COMPANIONS, CONSTRAINTS, UNDECLARED, Pins, all_pins, library_pins

ROOT = Path(__file__).resolve().parent.parent
RELEASES = ROOT / "htp" / "torch_release.py"
RESULTS = ROOT / "tests" / "results"
ZOO = ("torchvision", "timm", "pillow")
"""What the sessions with real architectures install, where it is pinned."""
PLATFORM = "x86_64-manylinux_2_28"
"""Where the sessions run."""

__all__ = ["NoReleaseError", "constraints", "find", "left", "main", "of_gpu_builds", "write"]

Resolver = Callable[..., Dict[str, str]]


class NoReleaseError(Exception):
    """There are no pins for a release, and why."""


def resolve(
    requirements: Sequence[str], python: str, *options: str, kept: str = ""
) -> Dict[str, str]:
    """Let uv find versions that fit, from wheels alone.

    Args:
        requirements: what must be there.
        python: for which one, ``3.13``; it need not be at hand.
        options: more of uv's.
        kept: pins that stay where they can.

    Returns:
        what stands behind ``==`` for each package: the version, and the marker if it has one.

    Raises:
        NoReleaseError: nothing fits, in uv's words.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder, "pins.txt")
        found.write_text(kept, encoding="utf-8")
        done = subprocess.run(
            [
                *("uv", "pip", "compile", "-", "--only-binary", ":all:", "--quiet"),
                *("--no-header", "--no-annotate", "--no-python-downloads"),
                *("--python", sys.executable, "--python-version", python),
                *("--output-file", str(found), *options),
            ],
            input="\n".join(requirements),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            told = " ".join(done.stderr.split())
            raise NoReleaseError(told.partition("cause: ")[2] or told)
        lines = found.read_text(encoding="utf-8").splitlines()
    split = (line.partition("==") for line in lines if line.strip())
    return {name: rest for name, _, rest in split}


def of_gpu_builds(resolved: Dict[str, str]) -> Set[str]:
    """What torch asks for on some platforms only, in a resolution for all of them."""
    return {canonicalize_name(name) for name, rest in resolved.items() if ";" in rest}


def constraints(python: str, versions: Dict[str, str], left_out: Set[str]) -> str:
    """A file of ``constraints/``."""
    kept = {name: v for name, v in versions.items() if canonicalize_name(name) not in left_out}
    lines = [f"{name}=={kept[name]}" for name in sorted(kept, key=canonicalize_name)]
    return "\n".join([f"# python {python}", *lines, ""])


def before(release: str, known: Sequence[Pins]) -> Pins:
    """The release whose companions are the start: the one before, else the oldest."""
    older = [pins for pins in known if Version(pins.release) < Version(release)]
    return (older or list(known))[-1 if older else 0]


def companions(release: str, known: Sequence[Pins]) -> Dict[str, str]:
    """The pins to start from: those of the release before, and what the newest one needs as well.

    The sessions with real architectures run on the newest release: they take its models' packages
    from the last release that pins them.
    """
    versions = dict(before(release, known).versions)
    del versions["torch"]
    if Version(release) > Version(known[-1].release):
        for pins in known:
            versions.update({name: pins.versions[name] for name in ZOO if name in pins.versions})
    return versions


class Found(NamedTuple):
    """Pins that fit.

    Attributes:
        python: the Python that they are for.
        text: the constraint file.
        remarks: what was passed over on the way.
        newer: what the registry has newer than the pins, as ``name 1.0 (2.0)``.
    """

    python: str
    text: str
    remarks: List[str]
    newer: List[str]


def find(
    release: str,
    have: Sequence[str],
    known: Sequence[Pins],
    *,
    newest: bool = False,
    resolver: Resolver = resolve,
) -> Found:
    """Find the pins of a release.

    Args:
        release: ``2.16``.
        have: the Pythons at hand.
        known: the pinned releases, oldest first.
        newest: take the newest companions, not those of the release before.
        resolver: what resolves.

    Raises:
        NoReleaseError: it is pinned already, or none of the Pythons can have it.
    """
    if not re.fullmatch(r"\d+\.\d+", release):
        raise NoReleaseError(f"{release!r} is not a minor release, such as 2.16")
    if any(pins.release == release for pins in known):
        raise NoReleaseError(f"constraints/torch{release}.txt is there")
    torch = f"torch=={release}.*"
    pythons = _with_wheels(torch, known, resolver)
    at_hand = [python for python in pythons if python in have]
    newer = pythons[: pythons.index(at_hand[0])] if at_hand else pythons
    remarks = [f"Python {python} can have it, and is not at hand" for python in newer]
    start = companions(release, known)
    names = [name for name in (*COMPANIONS, *UNDECLARED, *ZOO) if name in start]
    why = "; ".join(remarks)
    for wanted in (names, [name for name in names if name not in ZOO]):
        for python in at_hand:
            try:
                text, later = _resolved([torch, *wanted], python, start, newest, resolver)
            except NoReleaseError as error:
                why = str(error)
            else:
                missing = [name for name in names if name not in wanted]
                remarks += [f"without {', '.join(missing)}: {why}"] if missing else []
                return Found(python, text, remarks, later)
    raise NoReleaseError(f"no Python at hand ({', '.join(have)}) can have it: {why}")


def _with_wheels(torch: str, known: Sequence[Pins], resolver: Resolver) -> List[str]:
    """The Pythons that torch has wheels for, the newest first: up to two beyond the newest pinned.

    Raises:
        NoReleaseError: none.
    """
    minors = [int(pins.python.partition(".")[2]) for pins in known]
    found, why = [], ""
    for minor in range(max(minors) + 2, min(minors) - 1, -1):
        try:
            resolver([torch], f"3.{minor}", "--python-platform", PLATFORM)
            found.append(f"3.{minor}")
        except NoReleaseError as error:
            why = str(error)
    if not found:
        raise NoReleaseError(f"the registry has no wheel of {torch}: {why}")
    return found


def _resolved(
    requirements: Sequence[str],
    python: str,
    start: Mapping[str, str],
    newest: bool,
    resolver: Resolver,
) -> Tuple[str, List[str]]:
    """The constraint file for a Python, and what the registry has newer than its pins."""
    platform = ("--python-platform", PLATFORM)
    lines = "" if newest else "".join(f"{name}=={start[name]}\n" for name in start)
    versions = resolver(requirements, python, *platform, kept=lines)
    gpu = of_gpu_builds(resolver(requirements[:1], python, "--universal"))
    latest = resolver(requirements, python, *platform)
    newer = [
        f"{name} {version} ({latest[name]})"
        for name, version in versions.items()
        if canonicalize_name(name) not in gpu and latest.get(name, version) != version
    ]
    return constraints(python, versions, gpu), newer


def write(
    release: str, found: Found, folder: Path = CONSTRAINTS, row: Path = RELEASES
) -> List[str]:
    """Write the pins, and make the release the newest that is tested if it is newer.

    Returns:
        the paths of what was written.
    """
    path = folder / f"torch{release}.txt"
    path.write_text(found.text, encoding="utf-8")
    text = row.read_text(encoding="utf-8")
    stated = re.compile(r'(?<=\nNEWEST_TESTED: Final = ")[^"]+(?=")')
    (newest,) = stated.findall(text)
    if Version(newest) >= Version(release):
        return [str(path)]
    row.write_text(stated.sub(release, text), encoding="utf-8")
    return [str(path), str(row)]


def left(release: str, known: Sequence[Pins]) -> Iterator[str]:
    """What is left to a maintainer, a line each: what was found in files and results."""
    previous = before(release, known).release
    yield from _failures(RESULTS / f"torch{release}.json", release)
    yield from _options(release, previous)
    this = next(pins for pins in known if pins.release == release)
    if all(name in this.versions for name in ZOO):
        yield f"the oracles on real architectures: nox -s accuracy-torch{release}"
    for pins in library_pins():
        if pins.release == previous:
            yield f"{pins.path.name} is of torch {previous}: CONTRIBUTING.md, Adding a library"
    models = ROOT / "tests" / "tools" / "models.json"
    if previous in json.loads(models.read_text(encoding="utf-8"))["releases"]:
        yield f"the tools rewrite what torch {previous} exports (tests/tools/models.json)"
    for place in _named(previous):
        yield f"names {previous}: {place}"


def _failures(path: Path, release: str) -> Iterator[str]:
    if not path.exists():
        yield f"no run of the whole suite: nox -s tests-torch{release}"
        return
    result = json.loads(path.read_text(encoding="utf-8"))
    listed = [test for entry in result["backends"].values() for test in entry["failures"]]
    for test in listed:
        yield f"fails: {test}; mend it, or give the reason in expected_failures.json"
    more = result["tests"]["failed"] - len(listed)
    if more:
        yield f"{more} more tests fail, which no backend's name is in"


def _options(release: str, previous: str) -> Iterator[str]:
    found = []
    for each in (previous, release):
        path = RESULTS / "options" / f"torch{each}.json"
        if not path.exists():
            yield f"the options of torch {each} are not recorded: python tools/options.py --record"
            return
        record = json.loads(path.read_text(encoding="utf-8"))
        found.append({option["name"]: option["default"] for option in record["parameters"]})
    then, now = found
    for name in sorted(then.keys() | now.keys()):
        if then.get(name, "-") != now.get(name, "-"):
            yield f"torch.onnx.export: {name} was {then.get(name, '-')}, is {now.get(name, '-')}"


def _named(release: str) -> Iterator[str]:
    """Where a text speaks of a release; pages that are made of results do so by themselves."""
    spoken = re.compile(rf"\b{re.escape(release)}\b(?!\.\d*[1-9])")
    texts = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "noxfile.py", RELEASES]
    for path in sorted(texts):
        text = path.read_text(encoding="utf-8")
        if "Do not edit" in text or path.name == "CHANGELOG.md":
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if spoken.search(line):
                yield f"{path.relative_to(ROOT).as_posix()}:{number}"


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Do one of the two steps; 1, and nothing is written, where there are no pins."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("step", choices=("pins", "left"))
    parser.add_argument("release")
    parser.add_argument("--have", nargs="*", default=[], help="the Pythons at hand")
    parser.add_argument("--newest", action="store_true", help="the newest companions")
    options = parser.parse_args(arguments)
    known = all_pins()
    if options.step == "left":
        for line in left(options.release, known):
            print(f"- {line}")
        return 0
    try:
        found = find(options.release, options.have, known, newest=options.newest)
    except NoReleaseError as error:
        print(f"Error: no pins for torch {options.release}: {error}", file=sys.stderr)
        return 1
    for path in write(options.release, found):
        print(f"wrote {path}")
    for remark in found.remarks:
        print(f"- {remark}")
    if found.newer:
        print(f"- kept, and newer in the registry: {', '.join(found.newer)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
