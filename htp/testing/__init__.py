"""The conformance suite that every capture backend passes, in HTP or out of it.

Needs torch, onnx, onnxruntime, numpy and pytest. See ``BackendConformance``.
"""

from htp.testing.case import Case, Example, Inputs, Marked
from htp.testing.conformance import BackendConformance
from htp.testing.eager import Truth, truth_of
from htp.testing.models import CASES
from htp.testing.oracle import contamination, misplaced_weights

# fmt: off
__all__ = [
    "BackendConformance",
    # models
    "CASES", "Case", "Example", "Inputs", "Marked",
    # oracles
    "Truth", "contamination", "misplaced_weights", "truth_of",
]
# fmt: on
