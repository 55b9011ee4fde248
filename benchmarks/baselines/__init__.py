"""Other ways to tell the owner of a node, each as good as its kind allows.

All of them read a finished ONNX file, as torch writes it, and know nothing of the capture:

- ``parameters``: whose weights does the node read?
- ``names``: what does the node's name say?
- ``torch_metadata``: what did torch itself write into the node's metadata?
"""
