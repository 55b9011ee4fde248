"""Listens to ``torch.onnx.export(dynamo=True)``."""
