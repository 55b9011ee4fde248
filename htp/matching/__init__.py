"""Whose the nodes of a rewritten graph are, by matching it with the tagged one: a file a stage."""
