"""One set of arguments for every release of torch's exporter."""
