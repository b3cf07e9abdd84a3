"""Files that someone else reads: loaded lines as JSON lines, tables as Parquet and CSV.

One module a format. Each writes beside its target and renames at the end, so that a reader never meets half a file.
"""

from kit.export import csv, jsonl, parquet

__all__ = ["csv", "jsonl", "parquet"]
