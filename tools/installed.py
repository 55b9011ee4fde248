"""Fails unless the HTP that is imported is the installed wheel and torch is the release asked for.

Run by each test session, from the folder that its tests run in: ``installed.py 2.9``.
"""

import sys

import torch
from packaging.version import Version

import htp

wanted = sys.argv[1]
print(f"Python {sys.version.split()[0]}, torch {torch.__version__}")
print(f"htp {htp.__version__} from {htp.__file__}")
if "site-packages" not in htp.__file__:
    sys.exit("the tests would run against this htp, not against the installed wheel")
if Version(torch.__version__).release[:2] != Version(wanted).release[:2]:
    sys.exit(f"torch {wanted} was asked for")
