"""``htp run``: a command runs as Python runs it, and its exports are tagged."""

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

import htp

SCRIPT = """
import sys
import torch
from torch.onnx import export


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Linear(4, 3)

    def forward(self, x):
        return self.body(x).relu()


def go(path):
    export(Net().eval(), (torch.ones(2, 4),), path)


if __name__ == "__main__":
    go(sys.argv[1])
"""

TELLS = """
import json, sys
main = sys.modules["__main__"]
print(json.dumps({
    "argv": sys.argv,
    "path": sys.path[0],
    "name": __name__,
    "file": __file__,
    "is main": vars(main) is globals(),
    "package": __package__ or "",
    "torch": "torch" in sys.modules,
    "doc": __doc__,
}))
"""


@pytest.fixture(autouse=True)
def _here(monkeypatch):
    """HTP is found by processes that start in folders of their own."""
    root = os.path.dirname(os.path.dirname(htp.__file__))
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([root, *([before] if before else [])]))


@pytest.fixture
def htp_run(tmp_path):
    def call(*command, options=(), warnings="ignore", **more):
        words = [sys.executable, "-W", warnings, "-m", "htp", "run", *options, "--"]
        return subprocess.run(
            [*words, *map(str, command)],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            **more,
        )

    return call


def script(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def console_script(folder, text, name="tool", first=f"#!{sys.executable}\n"):
    folder.mkdir(exist_ok=True)
    path = script(folder / name, first + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def on_path(folder):
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def told(ran):
    return [line for line in ran.stderr.splitlines() if line.startswith("htp: ")]


def test_what_a_script_exports_is_tagged_and_listed(htp_run, tmp_path):
    ran = htp_run(script(tmp_path / "net.py", SCRIPT), "m.onnx")
    assert ran.returncode == 0, ran.stderr
    assert [tag.path for _, tag in htp.load(tmp_path / "m.onnx").nodes()][-2:] == ["body", ""]
    [line] = told(ran)
    assert line.startswith(f"htp: {tmp_path / 'm.onnx'}: ")
    assert "captured (backend " in line


def test_without_an_origin(htp_run, tmp_path):
    """In this process, and in one that it starts."""
    path = script(tmp_path / "net.py", SCRIPT)
    starts = f"import subprocess, sys; subprocess.run([sys.executable, {str(path)!r}, 'm.onnx'])"
    for command in ([path, "m.onnx"], [script(tmp_path / "starts.py", starts)]):
        ran = htp_run(*command, options=["--children", "--no-origin"])
        assert ran.returncode == 0, ran.stderr
        (origin,) = htp.load(tmp_path / "m.onnx").origins
        assert not origin.has_skeleton


@pytest.mark.parametrize("how", ["file", "module", "console script", "package"])
def test_a_command_sees_what_python_shows_it(htp_run, tmp_path, how):
    script(tmp_path / "tells.py", '"""Its doc."""\n' + TELLS)
    (tmp_path / "pack").mkdir()
    script(tmp_path / "pack" / "__main__.py", '"""Its doc."""\n' + TELLS)
    tool = console_script(tmp_path / "bin", '"""Its doc."""\n' + TELLS)
    commands = {
        "file": (["tells.py"], ["tells.py"]),
        "module": (["-m", "tells"], ["-m", "tells"]),
        "package": (["-m", "pack"], ["-m", "pack"]),
        "console script": (["tool"], [str(tool)]),
    }
    command, plain = commands[how]
    alone = subprocess.run(
        [sys.executable, *plain, "a", "--flag", "--", "-x"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    ran = htp_run(*command, "a", "--flag", "--", "-x", env=on_path(tmp_path / "bin"))
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == alone.stdout
    assert told(ran) == ["htp: nothing was exported."]


def test_a_console_script_with_a_long_path_to_its_python(htp_run, tmp_path):
    first = f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\n"
    console_script(tmp_path / "bin", "print('ran')\n", first=first)
    assert htp_run("tool", env=on_path(tmp_path / "bin")).stdout == "ran\n"


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("raise SystemExit", 0, ""),
        ("raise SystemExit(7)", 7, ""),
        ("import sys; sys.exit('words')", 1, "words"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt"),
        ("def f(:", 1, "SyntaxError"),
        ("raise OSError(2, 'gone', 'file')", 1, "FileNotFoundError"),
        ("import nonesuch", 1, "ModuleNotFoundError"),
        ("import os; os._exit(9)", 9, ""),
    ],
)
def test_the_exit_status_is_the_commands(htp_run, tmp_path, code, status, said):
    path = script(tmp_path / "ends.py", f"print('begun', flush=True)\n\n{code}\n")
    ran = htp_run(path)
    assert ran.returncode == status
    assert said in ran.stderr
    alone = subprocess.run(
        [sys.executable, str(path)], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    ours = "".join(line for line in ran.stderr.splitlines(True) if not line.startswith("htp: "))
    assert ours == alone.stderr
    assert ran.stdout == alone.stdout


def test_an_export_that_came_before_a_failure_is_listed(htp_run, tmp_path):
    ran = htp_run(script(tmp_path / "net.py", SCRIPT + "    1 / 0\n"), "m.onnx")
    assert ran.returncode == 1
    assert len(told(ran)) == 1


def test_an_export_in_a_thread_that_outlives_the_script_is_tagged(htp_run, tmp_path):
    text = SCRIPT.replace(
        "    go(sys.argv[1])\n",
        "    import threading, time\n"
        "    threading.Thread(target=lambda: (time.sleep(0.5), go(sys.argv[1]))).start()\n",
    )
    ran = htp_run(script(tmp_path / "net.py", text), "m.onnx")
    assert ran.returncode == 0, ran.stderr
    assert len(told(ran)) == 1
    assert htp.load(tmp_path / "m.onnx").coverage.captured


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ((), "Say which command"),
        (("-m",), "Say which module"),
        (("nonesuch-tool",), "There is no command 'nonesuch-tool'"),
        (("ls",), "is not a Python script"),
        ((sys.executable, "x.py"), "leave"),
    ],
)
def test_what_is_no_command_of_python(htp_run, command, said):
    ran = htp_run(*command)
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_command_of_another_python(htp_run, tmp_path):
    other = console_script(tmp_path / "other", "", name="python3", first="#!/bin/sh\n")
    console_script(tmp_path / "bin", "print('ran')\n", first=f"#!{other}\n")
    ran = htp_run("tool", env=on_path(tmp_path / "bin"))
    assert ran.returncode == 2
    assert "belongs to another Python" in ran.stderr
    assert "ran" not in ran.stdout


def test_a_backend_that_there_is_not(htp_run, tmp_path):
    ran = htp_run(script(tmp_path / "x.py", "print('ran')"), options=["--backend", "nonesuch"])
    assert ran.returncode
    assert "nonesuch" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""


def test_nothing_heavy_is_imported_for_a_command_that_exports_nothing(htp_run, tmp_path):
    text = "import sys\nprint(sorted({'torch', 'onnx', 'htp.guest'} & set(sys.modules)))\n"
    assert htp_run(script(tmp_path / "x.py", text)).stdout == "[]\n"


def test_a_name_that_would_command_the_terminal(htp_run, tmp_path):
    name = "\x1b[31m\nred.onnx"
    ran = htp_run(script(tmp_path / "net.py", SCRIPT), name)
    assert "\x1b" not in ran.stderr
    [line] = told(ran)
    assert "\\x1b[31m\\nred.onnx: " in line


def test_what_cannot_be_printed_fails_as_by_itself(htp_run, tmp_path):
    env = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    ran = htp_run(script(tmp_path / "x.py", "print('\\xe9')\n"), env=env)
    assert ran.returncode == 1
    assert "UnicodeEncodeError" in ran.stderr


CHILDREN = (
    SCRIPT
    + """
    import multiprocessing, subprocess
    for how in ("fork", "spawn"):
        child = multiprocessing.get_context(how).Process(target=go, args=(f"{how}.onnx",))
        child.start()
        child.join()
        assert child.exitcode == 0
    if len(sys.argv) == 2:
        subprocess.run([sys.executable, "-W", "ignore", __file__, "grand.onnx", "no"], check=True)
"""
)


def test_children_are_followed(htp_run, tmp_path):
    stop = "    if len(sys.argv) > 2: sys.exit(0)\n    import multi"
    text = CHILDREN.replace("    import multi", stop)
    ran = htp_run(script(tmp_path / "net.py", text), "m.onnx", options=["--children"])
    assert ran.returncode == 0, ran.stderr
    names = [line.split(".onnx: ")[0].rpartition(os.sep)[2] for line in told(ran)]
    assert sorted(names) == ["fork", "grand", "m", "spawn"]
    for name in names:
        assert htp.load(tmp_path / f"{name}.onnx").coverage.captured


def test_what_is_exported_has_its_place_in_the_whole(htp_run, tmp_path):
    options = ["--children", "--root", "model.encoder"]
    ran = htp_run(script(tmp_path / "net.py", CHILDREN), "m.onnx", "once", options=options)
    assert ran.returncode == 0, ran.stderr
    for name in ("m", "fork", "spawn"):
        assert htp.load(tmp_path / f"{name}.onnx").tree().call.path == "model.encoder"


def test_a_place_that_can_be_none(htp_run, tmp_path):
    ran = htp_run(script(tmp_path / "net.py", SCRIPT), "m.onnx", options=["--root", "a/b"])
    assert ran.returncode == 3
    assert "root is no dotted path of a module" in ran.stderr
    assert not (tmp_path / "m.onnx").exists()


def test_children_find_their_own_sitecustomize_and_path(htp_run, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    script(own / "sitecustomize.py", "import sys\nsys.mine = 1\n")
    child = "import sys; print(sys.mine, sys.modules['sitecustomize'].__file__, sys.path)"
    starts = f"subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    text = f"import subprocess, sys\n{starts}\n"
    paths = f"{own}{os.pathsep}{os.environ['PYTHONPATH']}"
    env = {**os.environ, "PYTHONPATH": paths}
    path = script(tmp_path / "x.py", text)
    alone = subprocess.run(
        [sys.executable, path], check=True, capture_output=True, text=True, env=env
    )
    ran = htp_run(path, options=["--children"], env=env)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == alone.stdout


def _heeds_interrupts():
    """What a shell starts in the background ignores them, and so do all that this starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_ends_it_as_python_would(tmp_path):
    path = script(tmp_path / "x.py", "import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    words = [sys.executable, "-m", "htp", "run", "--", str(path)]
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heeds_interrupts,  # noqa: PLW1509 - no threads here
    ) as ran:
        assert ran.stdout.readline() == "up\n"
        time.sleep(0.2)
        ran.send_signal(signal.SIGINT)
        _, error = ran.communicate(timeout=60)
    assert ran.returncode == 130
    assert error.splitlines()[0] == "Traceback (most recent call last):"
    assert "htp: nothing was exported." in error
