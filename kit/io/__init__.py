"""Reading of captures: sources, compression, lines, and the load transaction over all families."""

from kit.io.load import load
from kit.io.report import LoadReport

__all__ = ["LoadReport", "load"]
