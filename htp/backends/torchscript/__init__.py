"""Listens to the TorchScript exporter."""
