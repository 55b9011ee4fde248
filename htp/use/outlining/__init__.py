"""Module calls as calls of local functions: ``TaggedModel.as_functions``."""
