"""Every check that HTP passes. ``nox -l`` lists the sessions; CONTRIBUTING.md tells how they work.

There is one session for each file in ``constraints/``: ``tests-torch1.8`` ... ``tests-torch2.15``,
and for each in ``constraints/libraries/``: ``libraries-timm-torch2.15`` and so on.
These variables change what a session does:

- ``HTP_KEEP_ENVS=1`` keeps the environment (up to 7 GB) when the session ends, as ``nox -r`` does.
- ``HTP_RESULTS=FOLDER`` is where the result files go, in place of ``tests/results``.
- ``HTP_TORCH_WHEELS=cpu`` or ``plain`` says which build of torch to take. Without it the CPU build
  is taken where uv can reach it, else the plain package.
"""

import atexit
import contextlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Iterator, List, Optional

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

from pins import Pins, all_pins, library_pins  # noqa: E402 - the folder is no package

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "typing", "tests"]

GROUPS = nox.project.load_toml(ROOT / "pyproject.toml")
PINS = all_pins()
IN_CI = frozenset(["1.8", "1.13", "2.4", "2.5"])
"""The oldest, and the releases at which torch's exporters changed; the newest is in ``tests``."""


def interpreter(python: str) -> Optional[str]:
    """The path of a Python, or None.

    pyenv's own commands work only for the versions that it was told to activate, so behind such a
    command the newest installed version is taken.
    """
    found = shutil.which(f"python{python}")
    if found is None or Path(found).parent.name != "shims":
        return found
    versions = Path(found).parent.parent.glob(f"versions/{python}.*/bin/python{python}")
    newest = max(versions, key=lambda path: _numbers(path.parent.parent.name), default=None)
    return str(newest) if newest else None


def _numbers(version: str) -> List[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


def uses_uv(session: nox.Session) -> bool:
    """Whether uv makes this session's environment, and so installs into it."""
    return session.venv_backend == "uv"


def reuses(session: nox.Session) -> bool:
    """Whether nox was asked to go on with the environment of an earlier run (``-r``, ``-R``)."""
    return bool(getattr(session.virtualenv, "reuse_existing", False))


@contextlib.contextmanager
def disposable(session: nox.Session) -> Iterator[None]:
    """Give the session a package cache of its own, and remove it and the environment at the end.

    torch and its libraries take up to 7 GB in an environment. uv's cache shares its files with the
    environment when both are on one file system, so the cache adds nothing to that peak.
    """
    home = Path(session.virtualenv.location)
    cache = home.with_name(home.name + ".cache")
    keep = os.environ.get("HTP_KEEP_ENVS") == "1" or reuses(session)
    session.env.update(UV_CACHE_DIR=str(cache), PIP_NO_CACHE_DIR="1", PYTHONPATH="")
    session.env["PYTHONDONTWRITEBYTECODE"] = ""  # compiling torch anew costs seconds at each start
    try:
        yield
    finally:
        os.chdir(ROOT)
        shutil.rmtree(cache, ignore_errors=True)
        if not keep:
            shutil.rmtree(home, ignore_errors=True)


_wheels: List[Path] = []


def wheel(session: nox.Session) -> Path:
    """HTP's wheel, built once in a run of nox."""
    if not _wheels:
        folder = tempfile.mkdtemp(prefix="htp-wheel-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        if uses_uv(session):
            session.run(
                "uv", "build", "--quiet", "--wheel", "--out-dir", folder, str(ROOT), external=True
            )
        else:
            session.run(
                "python", "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, str(ROOT)
            )
        _wheels.extend(Path(folder).glob("htp_onnx-*.whl"))
    return _wheels[0]


def cpu_wheels(session: nox.Session, torch: str) -> List[str]:
    """The installer's arguments for the CPU build of torch, where it offers one; else none."""
    choice = os.environ.get("HTP_TORCH_WHEELS", "auto")
    arguments = ["--torch-backend", "cpu"]
    if choice == "auto" and uses_uv(session):
        answer = session.run(
            *("uv", "pip", "install", "--dry-run", "--no-deps", *arguments, f"torch=={torch}"),
            env={"UV_HTTP_TIMEOUT": "5", "UV_HTTP_RETRIES": "0"},
            external=True,
            silent=True,
            success_codes=range(256),
        )
        choice = "cpu" if "+cpu" in str(answer) else "plain"
    if choice not in ("auto", "cpu", "plain"):
        session.error(f"HTP_TORCH_WHEELS must be auto, cpu or plain; found {choice!r}")
    if choice == "cpu" and not uses_uv(session):
        session.error("HTP_TORCH_WHEELS=cpu needs uv: pip install uv")
    session.log(
        f"torch {torch}: taking {'the CPU build' if choice == 'cpu' else 'the plain package'}"
    )
    return arguments if choice == "cpu" else []


def install(session: nox.Session, pins: Pins, *more: str) -> None:
    """Install the wheel with a pinned torch and its companions, and say what came of it."""
    built = wheel(session)
    torch = pins.versions["torch"]
    session.install(
        *cpu_wheels(session, torch),
        *("-c", str(pins.path), "torch", *pins.companions),
        f"htp-onnx[cli,runtime] @ {built.as_uri()}",
        *more,
    )
    if reuses(session):  # another build of the same version may be there
        session.install("--force-reinstall", "--no-deps", str(built))
    freeze = ["uv", "pip", "freeze"] if uses_uv(session) else ["python", "-m", "pip", "freeze"]
    session.run(*freeze, external=uses_uv(session))
    session.chdir(session.create_tmp())  # out of the checkout, whose htp/ must not be importable
    session.run("python", str(ROOT / "tools" / "installed.py"), pins.release)


def install_newest(session: nox.Session, *more: str) -> Pins:
    """Install the newest torch that this session's Python can have."""
    running = session.run(
        "python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])", silent=True
    )
    python = str(running).strip()
    newest, *older = reversed(PINS)
    for pins in [newest] + [pins for pins in older if pins.python == python]:
        try:
            install(session, pins, *more)
        except nox.command.CommandFailed:
            session.warn(f"torch {pins.release} with its pins does not install on Python {python}")
        else:
            return pins
    return session.error(f"no torch of constraints/ installs on Python {python}")


WORKERS = ("-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadfile")
"""A whole suite runs in several processes, each file's tests in one, for they share exports."""


def run_pytest(session: nox.Session, *options: str) -> None:
    """Run the suite, or the part of it that stands behind ``--``."""
    selected = [_absolute(argument) for argument in session.posargs] or [*WORKERS, "--durations=15"]
    if not any(argument.startswith(str(ROOT)) for argument in selected):
        selected.append(str(ROOT / "tests"))
    session.run(
        "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), *options, *selected
    )


def _absolute(argument: str) -> str:
    path = argument.partition("::")[0]
    return str(ROOT / argument) if path and (ROOT / path).exists() else argument


def install_zoo(session: nox.Session, pins: Pins) -> None:
    """Install what tests need, and what real architectures come from, where the pins name it."""
    libraries = [name for name in ("torchvision", "timm", "pillow") if name in pins.versions]
    install(session, pins, *libraries, *nox.project.dependency_groups(GROUPS, "test"))


def _tags(pins: Pins) -> List[str]:
    tags = ["all"]
    if pins is PINS[0]:
        tags.append("floor")
    if pins is PINS[-1]:
        tags.append("newest")
    if pins.release in IN_CI:
        tags.append("ci")
    return tags


_options = GROUPS["tool"]["pytest"]["ini_options"]["addopts"]
WITH_NOTEBOOKS = _options[_options.index("-m") + 1].replace(" and not notebook", "")
"""The markers of the tests that run by default, and those of notebooks."""

NEWEST_PYTHON = interpreter(PINS[-1].python)
"""None lets the sessions for the newest torch take the Python that runs nox."""


def python_of(path: Path) -> Optional[str]:
    """The Python that a file of pins names in its first line, ``# python 3.NN``; None as above."""
    return interpreter(path.read_text("utf-8").split()[2])


@nox.session(tags=["all", "once"])
def lint(session: nox.Session) -> None:
    """Style and mistakes: ruff."""
    session.install(*nox.project.dependency_groups(GROUPS, "lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(tags=["all", "once"])
def typing(session: nox.Session) -> None:
    """Types: mypy, strict."""
    core = GROUPS["project"]["dependencies"] + GROUPS["project"]["optional-dependencies"]["cli"]
    session.install(*core, *nox.project.dependency_groups(GROUPS, "typing"))
    session.run("mypy", *session.posargs)


@nox.session(python=NEWEST_PYTHON, tags=["once"])
def tests(session: nox.Session) -> None:
    """The whole suite on the newest torch that the Python at hand can have."""
    with disposable(session):
        pins = install_newest(session, *nox.project.dependency_groups(GROUPS, "test"))
        if pins is not PINS[-1]:
            run_pytest(session)
            return
        constraint = ("-c", str(pins.path))
        session.install(*constraint, *nox.project.dependency_groups(GROUPS, "notebook"))
        run_pytest(session, "-m", WITH_NOTEBOOKS)


def tests_on(pins: Pins) -> None:
    """Define the session of one torch release."""

    @nox.session(
        name=f"tests-torch{pins.release}",
        python=interpreter(pins.python) or pins.python,
        tags=_tags(pins),
    )
    def session_of_release(session: nox.Session) -> None:
        with disposable(session):
            install(session, pins, *nox.project.dependency_groups(GROUPS, "test"))
            if session.posargs:  # a part of the suite is no result
                run_pytest(session)
                return
            results = ROOT / os.environ.get("HTP_RESULTS", "tests/results")
            results.mkdir(parents=True, exist_ok=True)
            run_pytest(session, f"--results={results / f'torch{pins.release}.json'}")

    session_of_release.__doc__ = f"The whole suite on torch {pins.versions['torch']}."


for _pins in PINS:
    tests_on(_pins)


@nox.session(tags=["all", "page"])
def matrix(session: nox.Session) -> None:
    """Write compat_matrix.md, docs/options.md, docs/releases.md; ``-- --check``: are they stale?"""
    session.install("packaging")
    session.run("python", "tools/matrix.py", *session.posargs)
    check = ["--check"] if "--check" in session.posargs else []
    session.run("python", "tools/options.py", *check)
    session.run("python", "tools/releases.py", *check)


@nox.session(python=NEWEST_PYTHON, tags=["all", "once"])
def docs(session: nox.Session) -> None:
    """Build the site into build/docs, warnings are errors; ``-- --links`` tries external links."""
    pinned = ["-c", str(ROOT / "constraints" / "docs.txt")]
    core = GROUPS["project"]["dependencies"] + GROUPS["project"]["optional-dependencies"]["cli"]
    session.install(*pinned, *core, *nox.project.dependency_groups(GROUPS, "docs"))
    links = "--links" in session.posargs
    output = ROOT / "build" / ("links" if links else "docs")
    session.run(
        *("python", "-m", "sphinx", "-W", "--keep-going", "-n", "-q"),
        *("-b", "linkcheck" if links else "html", "-d", str(ROOT / "build" / "doctrees")),
        *("-c", str(ROOT / "docs"), str(ROOT), str(output)),
        env={"PYTHONPATH": str(ROOT)},
    )
    session.log(f"the site is {output / 'docs' / 'index.html'}" if not links else "links answer")


@nox.session(name="new-release")
def new_release(session: nox.Session) -> None:
    """Pin a release of torch that HTP does not know yet, and run its suite: ``-- 2.16``.

    Options of pytest behind the release run a part of the suite, which is no result; ``--newest``
    before them takes the newest companions.
    """
    release, *rest = session.posargs or session.error("name a release behind --, such as 2.16")
    newest = [rest.pop(0)] if rest[:1] == ["--newest"] else []
    have = [python for python in (f"3.{minor}" for minor in range(8, 30)) if interpreter(python)]
    script = str(ROOT / "tools" / "new_release.py")
    session.install("packaging", "uv")
    session.run("python", script, "pins", release, *newest, "--have", *have)
    try:
        run_new_suite(session, f"tests-torch{release}", rest)
    finally:
        session.log("What is left to be decided:")
        session.run("python", script, "left", release)


def run_new_suite(session: nox.Session, name: str, selected: List[str]) -> None:
    """Run a session that this run of nox has not seen: first what looks, then what judges."""
    home = Path(session.virtualenv.location).parent
    environment = home / name.replace(".", "-")
    again = [sys.executable, "-m", "nox", "--envdir", str(home), "-r", "-s"]
    look = str(ROOT / "tools" / "options.py")
    try:
        # The wheel of the second has the options that the release was found to have.
        session.run(*again, name, "--", "tests/test_packaging.py", external=True)
        scripts = environment / ("Scripts" if os.name == "nt" else "bin")
        session.run(str(scripts / "python"), look, "--record", external=True)
        session.run("python", look)
        session.run(*again, name, *(["--", *selected] if selected else []), external=True)
        if not selected:
            session.run(*again, "matrix", external=True)
    finally:
        if os.environ.get("HTP_KEEP_ENVS") != "1":
            shutil.rmtree(environment, ignore_errors=True)


@nox.session(tags=["once"])
def package(session: nox.Session) -> None:
    """The source distribution and the wheel: built, and installed in bare environments by pip."""
    file = str(ROOT / "tests" / "files" / "schema3_fx.onnx")
    session.install("build")
    with disposable(session), tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--outdir", folder, str(ROOT))
        for made in sorted(Path(folder).glob("htp_onnx-*")):
            home = Path(folder, f"bare-{made.suffix[1:]}")
            session.run("python", "-m", "venv", str(home))
            scripts = home / ("Scripts" if os.name == "nt" else "bin")
            python, htp = str(scripts / "python"), str(scripts / "htp")
            pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
            session.run(*pip, str(made), external=True)
            session.run(python, str(ROOT / "tools" / "bare.py"), file, external=True)
            session.run(*pip, f"htp-onnx[cli] @ {made.as_uri()}", external=True)
            session.run(htp, "tree", "--depth", "1", file, external=True)


def accuracy_on(pins: Pins) -> None:
    """Define the session that runs every oracle on one torch release."""

    @nox.session(
        name=f"accuracy-torch{pins.release}", python=interpreter(pins.python) or pins.python
    )
    def session_of_release(session: nox.Session) -> None:
        with disposable(session):
            measure_accuracy(session, pins)

    session_of_release.__doc__ = f"Every oracle, on all cases and the zoo, on torch {pins.release}."


for _pins in PINS:
    if "torchvision" in _pins.versions:
        accuracy_on(_pins)


def measure_accuracy(session: nox.Session, pins: Pins) -> None:
    """Install the zoo's libraries as well, run the oracles and record what they found."""
    install_zoo(session, pins)
    results = ROOT / os.environ.get("HTP_RESULTS", "tests/results") / "accuracy"
    results.mkdir(parents=True, exist_ok=True)
    session.run(
        *("pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)),
        *("-m", "not large", f"--results={results / f'torch{pins.release}.json'}"),
        *session.posargs,
        *(
            str(ROOT / "tests" / f"test_{name}.py")
            for name in ("broken_capture", "call_values", "marker", "oracles_agree", "zoo")
        ),
    )


@nox.session(python=NEWEST_PYTHON)
def accuracy(session: nox.Session) -> None:
    """Every oracle on the newest torch, then docs/accuracy.md and its chart from all results."""
    with disposable(session):
        measure_accuracy(session, PINS[-1])
        session.install("matplotlib")
        session.run("python", str(ROOT / "tools" / "accuracy.py"))


@nox.session(python=NEWEST_PYTHON)
def planted(session: nox.Session) -> None:
    """Faults in files of real architectures: which modules htp.verify names."""
    with disposable(session):
        install_zoo(session, PINS[-1])
        results = ROOT / os.environ.get("HTP_RESULTS", "tests/results") / "verify"
        script = ROOT / "tests" / "proving" / "grid.py"
        session.chdir(session.create_tmp())
        session.run("python", str(script), "-o", str(results), *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def zoo(session: nox.Session) -> None:
    """Functions, planted changes told by htp.diff, and kernels' owners, on real architectures."""
    with disposable(session):
        install_zoo(session, PINS[-1])
        files = (
            *("test_zoo_functions.py", "comparing/test_zoo_planted.py"),
            "profiling/test_against_oracles.py",
        )
        session.run(
            *("pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)),
            *("-m", "accuracy", *session.posargs),
            *(str(ROOT / "tests" / file) for file in files),
        )


LOOK = ROOT / "constraints" / "look.txt"
"""All that the session installs: what some of it asks for and no test needs is left out."""


@nox.session(python=python_of(LOOK), tags=["once"])
def look(session: nox.Session) -> None:
    """Pages in Chromium and in other programs' viewers; no torch."""
    with disposable(session):
        session.install("--no-deps", "-r", str(LOOK), str(wheel(session)))
        selected = [_absolute(argument) for argument in session.posargs]
        session.chdir(session.create_tmp())
        session.run(
            *("pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-m", "look"),
            *(selected or [str(ROOT / "tests" / "look")]),
        )


def library_on(pins: Pins) -> None:
    """Define the session that exports by a real library on one torch release."""
    name = f"{pins.library}-torch{pins.release}"

    @nox.session(name=f"libraries-{name}", python=interpreter(pins.python) or pins.python)
    def session_of_library(session: nox.Session) -> None:
        with disposable(session):
            test = nox.project.dependency_groups(GROUPS, "libraries")
            install(session, pins, *pins.versions, *test)
            results = ROOT / os.environ.get("HTP_RESULTS", "tests/results") / "libraries"
            results.mkdir(parents=True, exist_ok=True)
            recorded = [] if session.posargs else [f"--library-results={results / f'{name}.json'}"]
            session.run(
                *("pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)),
                *(f"--library={pins.library}", *(session.posargs or recorded)),
                str(ROOT / "tests" / "libraries"),
            )

    session_of_library.__doc__ = f"Exports by {pins.library} inside HTP, on torch {pins.release}."


for _pins in library_pins():
    library_on(_pins)


@nox.session(tags=["page"])
def libraries(session: nox.Session) -> None:
    """Write docs/libraries.md from the result files; ``-- --check`` says whether it is stale."""
    session.install("packaging")
    session.run("python", "tools/libraries_page.py", *session.posargs)


FIXTURES_ON = json.loads((ROOT / "tests" / "tools" / "models.json").read_text("utf-8"))["releases"]
"""Whose exports the tools of ``tests/tools/`` rewrite."""

REWRITERS = ROOT / "constraints" / "tools" / "rewriters.txt"
RECIPES = ROOT / "constraints" / "tools" / "recipes.txt"
"""The tools that docs/recipes.md names, and all that they need beside the torch tried there."""


def pinned_in(path: Path) -> List[str]:
    """The packages that a file of pins names."""
    lines = path.read_text("utf-8").splitlines()
    return [line.partition("==")[0] for line in lines if "==" in line]


def fixtures_on(pins: Pins) -> None:
    """Define the session that exports what the tools are tried on."""

    @nox.session(
        name=f"fixtures-torch{pins.release}", python=interpreter(pins.python) or pins.python
    )
    def session_of_release(session: nox.Session) -> None:
        with disposable(session):
            folder, *names = session.posargs or session.error("name a folder behind --")
            folder = os.path.abspath(folder)
            install_zoo(session, pins)
            script = ROOT / "tests" / "tools" / "fixtures.py"
            session.run("python", str(script), folder, *names)

    session_of_release.__doc__ = (
        f"Models for the tools, exported by torch {pins.release} to FOLDER."
    )


for _pins in PINS:
    if _pins.release in FIXTURES_ON:
        fixtures_on(_pins)


@nox.session(python=python_of(REWRITERS))
def tools(session: nox.Session) -> None:
    """What real tools make of the models in FOLDER, and how right the carried tags are."""
    with disposable(session):
        built = wheel(session)
        session.install("-c", str(REWRITERS), *pinned_in(REWRITERS), f"htp-onnx @ {built.as_uri()}")
        run_tools(session)


OPTIMUM = next(pins for pins in library_pins() if pins.library == "optimum")


@nox.session(name="tools-optimum", python=interpreter(OPTIMUM.python))
def tools_optimum(session: nox.Session) -> None:
    """The same for optimum, which needs torch: run it after the other."""
    with disposable(session):
        test = nox.project.dependency_groups(GROUPS, "libraries")
        install(session, OPTIMUM, *OPTIMUM.versions, *test)
        run_tools(session, "--tools", "optimum")


@nox.session(python=python_of(RECIPES), tags=["once"])
def recipes(session: nox.Session) -> None:
    """Each snippet of docs/recipes.md with the tool that it is for; one that is skipped fails."""
    tried = next(pins for pins in PINS if pins.release == FIXTURES_ON[-1])
    with disposable(session):
        test = nox.project.dependency_groups(GROUPS, "libraries")
        install(session, tried._replace(path=RECIPES), *pinned_in(RECIPES), *test)
        session.run(
            *("pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)),
            *("--no-skips", *session.posargs, str(ROOT / "tests" / "use" / "test_recipes.py")),
        )


def run_tools(session: nox.Session, *options: str) -> None:
    """Run the tools that are installed on the models in the folder behind ``--``."""
    folder, *more = session.posargs or session.error("name a folder behind --")
    results = ROOT / os.environ.get("HTP_RESULTS", "tests/results") / "tools"
    script = ROOT / "tests" / "tools" / "grid.py"
    session.chdir(session.create_tmp())
    with tempfile.TemporaryDirectory() as cache:
        session.run(
            *("python", str(script), str(ROOT / folder), cache, "-o", str(results)),
            *(*options, *more),
        )


@nox.session(tags=["page"])
def propagation(session: nox.Session) -> None:
    """Write docs/propagation.md from the result files; ``-- --check`` tells whether it is stale."""
    session.install("packaging")
    session.run("python", "tools/propagation_page.py", *session.posargs)


@nox.session(tags=["page"])
def annotate(session: nox.Session) -> None:
    """Write docs/annotate.md from the result files; ``-- --check`` says whether it is stale."""
    session.install("packaging")
    session.run("python", "tools/annotate_page.py", *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def fuzz(session: nox.Session) -> None:
    """Random models against the marks in them: 10000 for each backend, or the number behind --."""
    count = session.posargs.pop(0) if session.posargs else "10000"
    with disposable(session):
        install_newest(session, *nox.project.dependency_groups(GROUPS, "test"))
        session.env["HTP_FUZZ"] = count
        session.run(
            *("pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-s"),
            *(*session.posargs, str(ROOT / "tests" / "test_fuzz.py")),
        )


def extract_on(pins: Pins) -> None:
    """Define the session that judges what is extracted, on one torch release."""

    @nox.session(
        name=f"extract-torch{pins.release}", python=interpreter(pins.python) or pins.python
    )
    def session_of_release(session: nox.Session) -> None:
        with disposable(session):
            install_zoo(session, pins)
            session.run("python", str(ROOT / "tools" / "extract_measure.py"), *session.posargs)

    session_of_release.__doc__ = f"Every module call cut out and judged, on torch {pins.release}."


for _pins in PINS:
    if "torchvision" in _pins.versions:
        extract_on(_pins)


@nox.session(tags=["page"])
def extract(session: nox.Session) -> None:
    """Write docs/extract_results.md from the result files; ``-- --check``: whether it is stale."""
    session.install("packaging")
    session.run("python", "tools/extract_results_page.py", *session.posargs)


MODULE_DB_ON = ("1.13", "2.4", "2.6", "2.9", PINS[-1].release)
"""Where torch's own database of modules is tried: both ends of what has one, and where torch's
exporters changed."""


def modules_on(pins: Pins) -> None:
    """Define the session that exports torch's own database of modules on one torch release."""

    @nox.session(
        name=f"modules-torch{pins.release}", python=interpreter(pins.python) or pins.python
    )
    def session_of_release(session: nox.Session) -> None:
        with disposable(session):
            test = nox.project.dependency_groups(GROUPS, "test")
            install(session, pins, *test, "expecttest", "setuptools")  # torch's database needs both
            session.run(
                *("pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-s"),
                *("-m", "module_db", *session.posargs, str(ROOT / "tests" / "test_module_db.py")),
            )

    session_of_release.__doc__ = f"torch {pins.release}'s own database of modules."


for _pins in PINS:
    if _pins.release in MODULE_DB_ON:
        modules_on(_pins)


@nox.session(name="fuzz-files", python=NEWEST_PYTHON)
def fuzz_files(session: nox.Session) -> None:
    """Damaged and hostile files, as many as the first argument says, 10000 without one."""
    count = session.posargs.pop(0) if session.posargs else "10000"
    with disposable(session):
        install_newest(session, *nox.project.dependency_groups(GROUPS, "test"))
        session.env["HTP_FUZZ_FILES"] = count
        session.run(
            *("pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)),
            *(*session.posargs, str(ROOT / "tests" / "test_fuzz_files.py")),
        )


def run_benchmark(session: nox.Session, name: str, pins: Optional[Pins] = None) -> None:
    """Run a file of benchmarks/ on a pinned torch, or on the newest that the Python can have."""
    with disposable(session):
        if pins is None:
            install_newest(session)
        else:
            install(session, pins)
        session.run("python", str(ROOT / "benchmarks" / f"{name}.py"), *session.posargs)


@nox.session(python=NEWEST_PYTHON)
def bench(session: nox.Session) -> None:
    """Time and memory of htp.export against torch.onnx.export; options go behind ``--``."""
    run_benchmark(session, "overhead")


def bench_on(pins: Pins) -> None:
    """Define the session that does the same on one torch release."""

    @nox.session(name=f"bench-torch{pins.release}", python=interpreter(pins.python) or pins.python)
    def session_of_release(session: nox.Session) -> None:
        run_benchmark(session, "overhead", pins)

    session_of_release.__doc__ = f"What htp.export costs on torch {pins.versions['torch']}."


for _pins in PINS:
    bench_on(_pins)


@nox.session(name="bench-reading", python=NEWEST_PYTHON)
def bench_reading(session: nox.Session) -> None:
    """Time of reading a tagged file of many nodes; options go behind ``--``."""
    run_benchmark(session, "reading")


@nox.session(python=NEWEST_PYTHON, tags=["once"])
def demo(session: nox.Session) -> None:
    """Export a small transformer with HTP, print its module tree and write a report of it."""
    kept = ROOT / "build" / "demo.onnx"  # a temporary folder would go with the environment
    kept.parent.mkdir(exist_ok=True)
    with disposable(session):
        install_newest(session)
        session.run("htp", "demo", "-o", str(kept), *session.posargs)
