"""The mechanisms that listen to torch's exporters, one folder each."""
