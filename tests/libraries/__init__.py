"""Real libraries that export to ONNX, each run by itself and run inside HTP."""
