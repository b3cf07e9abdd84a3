"""`rows_from_logs`: the catalog of a recording, made from its logs."""

import os
from pathlib import Path

from kit.auki.resource import ResourceEntry


def rows_from_logs(folder: str | os.PathLike[str], *, sealed: bool | None = None) -> list[ResourceEntry]:
    """Return a catalog row for each log under `folder`, in the order of their paths; bytes, entries and times are those on disk.

    A rigid pose log is `sealed`, others are live, unless `sealed` says otherwise for all; a finished recording is
    `rows_from_logs(folder, sealed=True)`. What a sensor log carries is in the registry above it. Raises LogError where a
    manifest or a sensor cannot be read, SourceNotFoundError where the folder is none.
    """
    from kit.auki.log_source import ServedLog  # brings NumPy along
    from kit.auki.recording import scan

    return [ServedLog(log.folder, sealed=sealed).row() for log in scan(Path(folder)).logs]
