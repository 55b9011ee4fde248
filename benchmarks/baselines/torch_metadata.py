"""Owners from the metadata that torch itself writes with ``dynamo=True``, from torch 2.5 on.

``pkg.torch.onnx.name_scopes`` is a list of paths, root first, and the operation last:
https://docs.pytorch.org/docs/stable/onnx_export.html. It has no number of the call.
"""

import ast
from typing import Optional

import onnx

from baselines.answer import Answer, Guess, nodes_of

__all__ = ["by_torch_metadata"]

_KEY = "pkg.torch.onnx.name_scopes"


def by_torch_metadata(model: onnx.ModelProto) -> Answer:
    """Read the owners from a model that torch wrote."""
    return Answer(model, [_guess(node) for node in nodes_of(model)])


def _guess(node: onnx.NodeProto) -> Optional[Guess]:
    written = next((prop.value for prop in node.metadata_props if prop.key == _KEY), None)
    if written is None:
        return None
    scopes = ast.literal_eval(written)
    return Guess(str(scopes[-2])) if len(scopes) > 1 else None
