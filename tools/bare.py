"""Fails unless the installed HTP works by itself: without torch, and without any of its extras.

Run in an environment that holds HTP's distribution and what it requires, nothing else, by the
session ``package`` and by ``tests/test_packaging.py``: ``bare.py FILE.onnx``, a file with tags.
"""

import os
import subprocess
import sys
import sysconfig
from importlib.util import find_spec

import htp

EXTRAS = ("torch", "click", "rich", "onnxruntime")

path = sys.argv[1]
if os.path.dirname(htp.__file__) != os.path.join(sysconfig.get_path("purelib"), "htp"):
    sys.exit(f"this is not the installed HTP: {htp.__file__}")
if any(find_spec(name) for name in EXTRAS):
    sys.exit(f"not a bare environment: {[name for name in EXTRAS if find_spec(name)]}")

coverage = htp.load(path).coverage
print(f"htp {htp.__version__}, {path}: {coverage}")
if not coverage.captured or coverage.unknown:
    sys.exit("its tags were not read")

try:
    htp.export(None, (), "never.onnx")
except htp.HTPError as error:
    print(f"{type(error).__name__}: {error}")
    if "torch" not in str(error):
        sys.exit("the error does not say that torch is missing")

command = os.path.join(sysconfig.get_path("scripts"), "htp")
told = subprocess.run([command, "tree", path], stderr=subprocess.PIPE, text=True, check=False)
print(told.stderr.strip())
if told.returncode != 3 or "pip install click rich" not in told.stderr:
    sys.exit(f"{command} does not say what to install (exit status {told.returncode})")
