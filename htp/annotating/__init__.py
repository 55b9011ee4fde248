"""Owners of the nodes of a file that was exported without HTP: sources, and how they are joined.

Pure: it knows records and names, no file, no onnx; torch only where a model is given. The door is
``htp.annotating.joined``.
"""
