"""Both built-in backends, and whatever else is registered, pass the shipped suite."""

from htp.testing import BackendConformance


class TestBackends(BackendConformance):
    pass
