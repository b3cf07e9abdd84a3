"""The DuckDB store: tables of `kit.schema` in one file or in memory, and the load transaction."""

from kit.store.store import Store
from kit.store.transaction import Load

__all__ = ["Load", "Store"]
