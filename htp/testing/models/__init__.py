"""The hard small models."""

from htp.testing.models.table import CASES, case, cases_for

__all__ = ["CASES", "case", "cases_for"]
