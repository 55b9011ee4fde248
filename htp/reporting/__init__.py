"""A page that shows a tagged model: what it holds, how it is drawn, and how it is written."""

from htp.reporting.writing import report

__all__ = ["report"]
