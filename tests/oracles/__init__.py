"""Oracles: who owns a node, told by means that share no code with HTP's capture.

None of them looks at scopes of TorchScript, at ``nn_module_stack``, at node names, or at what HTP
recorded. Each takes a ``Subject`` as exported and gives a ``Report``:

- ``marker``: every module call multiplies its output by a constant; the node that holds the
  constant belongs to that call.
- ``replay``: the operations that PyTorch executed in each module call are those that its nodes
  stand for.
- ``numeric``: what a module call returned in PyTorch is computed by its own nodes in onnxruntime.
- ``values``: a node that computes what one operation of PyTorch computed belongs to the call in
  which that operation was executed.

``call_values`` holds a capture itself, and not tags, against PyTorch: each named value is the
tensor that a module call took or returned.
"""
