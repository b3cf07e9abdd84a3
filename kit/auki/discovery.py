"""Finding logs, registry entries and catalogs under a folder, in every layout that was in use (spec/auki.md 3.1).

A log is a folder that has a `segments` folder and a manifest; where it stands does not matter, so that the nested
folders of an id with `/` and the older layouts are found alike. Links are not followed.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kit.auki.manifest import NAMES
from kit.auki.registry import SECTIONS, Section

SEGMENTS = "segments"
REGISTRIES = "registries"
CATALOG = "catalog.json"
MAX_DEPTH = 64


@dataclass
class Found:
    """What stands under a folder, each list in the order of its paths."""

    logs: list[Path] = field(default_factory=list)
    registries: list[tuple[Section, Path]] = field(default_factory=list)
    catalogs: list[Path] = field(default_factory=list)


def discover(folder: Path) -> Found:
    """Return the logs, registry files and catalogs under `folder`, which may be a log itself."""
    found = Found()
    for path, folders, files in _walk(folder):
        if SEGMENTS in folders and any(name in files for name in NAMES):
            found.logs.append(path)
        section = _section(path)
        if section is not None:
            found.registries += [(section, path / name) for name in files if name.endswith(".json")]
        elif CATALOG in files:
            found.catalogs.append(path / CATALOG)
    return found


def session_of(log: Path) -> str:
    """Return the session that the path of a log names, empty where it names none.

    >>> session_of(Path("app/01J/logs/galbot/mic")), session_of(Path("app/01J/poselogs/a__b")), session_of(Path("x/mic"))
    ('01J', '01J', '')
    """
    parts = log.parts
    for number, part in enumerate(parts):
        if part in ("logs", "sensorlogs", "poselogs", "timetransform_logs", "detection_logs") and number:
            return parts[number - 1]
    return ""


def app_root_of(log: Path, folder: Path) -> Path:
    """Return the folder above a log, up to `folder`, that has registries; `folder` where none has."""
    for above in log.parents:
        if (above / REGISTRIES).is_dir() or above == folder:
            return above
    return folder


def _walk(folder: Path) -> Iterator[tuple[Path, set[str], list[str]]]:
    """Yield each folder with its folders and files, in the order of paths; `segments` of a log are not entered."""
    pending = [(folder, 0)]
    while pending:
        path, depth = pending.pop()
        folders: set[str] = set()
        files: list[str] = []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.add(entry.name)
                    elif entry.is_file():
                        files.append(entry.name)
        except OSError:
            continue  # a folder that may not be read holds nothing for us
        yield path, folders, sorted(files)
        if depth < MAX_DEPTH:
            pending += [(path / name, depth + 1) for name in sorted(folders - {SEGMENTS}, reverse=True)]


def _section(path: Path) -> Section | None:
    """Return the registry section a folder belongs to."""
    parts = path.parts
    for number, part in enumerate(parts[:-1]):
        if part == REGISTRIES:
            return next((section for section in SECTIONS if section == parts[number + 1]), None)
    return None
