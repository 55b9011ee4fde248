"""The warnings that torch's exporters give about themselves, each with the reason to let it pass.

Everything else that warns during a test is a failure, where pytest is told so.
"""

from typing import Any, List, Tuple

import pytest

__all__ = ["EXPORT_WARNINGS", "let_pass"]

EXPORT_WARNINGS: Tuple[Tuple[str, str], ...] = (
    ("Converting a tensor to a Python", "tracing a size that is read, in torch's own layers too"),
    ("Exporting a model to ONNX with a batch_size other than 1", "any LSTM or GRU, unasked"),
    ("The shape inference of prim", "torch 1.13 about its own constants"),
    ("You are using the legacy TorchScript-based ONNX export", "it is what is being tested"),
    ("The feature will be removed. Please remove usage of this", "torch's exporter about itself"),
    ("The tensor attributes self.rnn._flat_weights", "torch.export about torch's own nn.GRU"),
    ("Guards may run slower on Python", "torch about the patch release of Python"),
)
"""Beginning of the message (up to a colon, which pytest cannot take), and why it may pass."""


def let_pass(cls: Any) -> Any:
    """A class decorator: its tests ignore those warnings and no others."""
    marks: List[Any] = [
        pytest.mark.filterwarnings(f"ignore:{message}") for message, _ in EXPORT_WARNINGS
    ]
    for mark in marks:
        cls = mark(cls)
    return cls
