"""The Arrow schemas of the tables of sensor logs, which `kit.schema` declares."""

from kit.schema import arrow

__all__ = ["arrow"]
