"""Registry entries of frames, clocks, sensors and detectors, named by the hash of their content (spec/auki.md 3.6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from kit.auki import jcs
from kit.errors import LogError, RegistryEntryError

Section = Literal["sensors", "clocks", "frames", "detectors"]
SECTIONS: tuple[Section, ...] = ("sensors", "clocks", "frames", "detectors")
ID_KEYS: dict[Section, str] = {
    "sensors": "sensor_id",
    "clocks": "clock_id",
    "frames": "frame_id",
    "detectors": "detector_id",
}
REQUIRED: dict[Section, tuple[str, ...]] = {
    "sensors": ("peer_id", "sensor_id", "kind", "type"),
    "clocks": ("peer_id", "clock_id", "type", "unit", "monotonic", "epoch", "scope"),
    "frames": ("peer_id", "frame_id", "handedness", "axes", "units"),
    "detectors": ("peer_id", "detector_id", "type", "output_types"),
}


@dataclass(frozen=True)
class RegistryEntry:
    """An entry of a registry. `hash` is the one it is filed under."""

    section: Section
    peer_id: str
    id: str
    hash: str
    body: Mapping[str, Any]
    problems: tuple[str, ...] = ()
    """What is wrong with it, as sentences: another hash, another id than its folder's, missing keys."""

    @property
    def hash_ok(self) -> bool:
        """Whether the content has the hash it is filed under."""
        return jcs.hash_of(dict(self.body)) == self.hash


def check_id(text: str) -> str:
    """Return an id that may be registered. Raises RegistryEntryError for an empty one, or one with `>`, `@` or white space."""
    if not text or any(char in ">@" or char.isspace() for char in text):
        raise RegistryEntryError(f"id {text!r} cannot be registered: it is empty or holds '>', '@' or white space")
    return text


def path_of(app_root: Path, section: Section, peer_id: str, id: str, hash: str) -> Path:
    """Return where an entry is kept; `/` in an id stands as `__`. Raises RegistryEntryError for a name that leads elsewhere."""
    parts = [_part(text) for text in (peer_id, id, hash)]
    return app_root / "registries" / section / parts[0] / parts[1] / f"{parts[2]}.json"


def _part(text: str) -> str:
    part = text.replace("/", "__")
    if part in ("", ".", "..") or set(part) & set("\\\0"):
        raise RegistryEntryError(f"{text!r} cannot be a file name")
    return part


def write(app_root: Path, section: Section, body: Mapping[str, Any]) -> RegistryEntry:
    """Register an entry: write its canonical bytes under their hash, and return it.

    Raises RegistryEntryError for a bad id, missing keys, axes that are not orthogonal, or a sensor whose frame is not registered.
    """
    if missing := [key for key in REQUIRED[section] if key not in body]:
        raise RegistryEntryError(f"an entry of {section} without {', '.join(missing)}")
    id = check_id(str(body[ID_KEYS[section]]))
    if section == "frames" and len({_axis(way) for way in _ways(body)}) < 3:
        raise RegistryEntryError(f"axes {body['axes']!r} of frame {id!r} are not three different directions")
    frame = body.get("frame")
    if section == "sensors" and isinstance(frame, dict):
        _check_frame(app_root, id, frame)
    data = jcs.canonical(dict(body))
    entry = RegistryEntry(section, str(body["peer_id"]), id, jcs.digest(data), body)
    path = path_of(app_root, section, entry.peer_id, id, entry.hash)
    path.parent.mkdir(parents=True, exist_ok=True)
    jcs.write_bytes(path, data)
    return entry


def _check_frame(app_root: Path, id: str, frame: Mapping[str, Any]) -> None:
    path = path_of(app_root, "frames", *(str(frame.get(part, "")) for part in ("peer_id", "id", "hash")))
    if not path.is_file():
        raise RegistryEntryError(f"sensor {id!r} is on the frame {frame!r}, which is not registered: register it first")


def _ways(body: Mapping[str, Any]) -> list[str]:
    axes = body["axes"]
    return [str(axes.get(name)) for name in "xyz"] if isinstance(axes, dict) else []


def _axis(way: str) -> str | None:
    """Return the pair of directions that a direction is of; one that is none is no pair's."""
    pairs = {"forward": "z", "backward": "z", "left": "x", "right": "x", "up": "y", "down": "y"}
    return pairs.get(way)


def read(app_root: Path, section: Section, peer_id: str, id: str, hash: str) -> RegistryEntry:
    """Return an entry, in either layout of the paths, after its hash and id were checked.

    Raises RegistryEntryError where it is not there, or where its content has another hash or id.
    """
    path = path_of(app_root, section, peer_id, id, hash)
    older = path.parents[2] / path.parent.name / path.name
    found = next((file for file in (path, older) if file.is_file()), None)
    if found is None:
        raise RegistryEntryError(f"registry entry not found: kind={section.removesuffix('s')} id={id!r} hash={hash}")
    entry = parse(jcs.read_bytes(found), section, found)
    if entry.problems:
        raise RegistryEntryError(f"{found}: {entry.problems[0]}")
    return entry


def parse(data: bytes, section: Section, path: Path) -> RegistryEntry:
    """Return the entry of a file's bytes, with what is wrong in `problems`. Raises RegistryEntryError where it is no JSON object."""
    try:
        body = jcs.parse_object(data, path)
        actual = jcs.hash_of(body)
    except LogError as error:
        raise RegistryEntryError(str(error)) from error
    problems = []
    if actual != path.stem:
        problems.append(f"registry hash mismatch: expected {path.stem}, got {actual}")
    elif jcs.digest(data) != actual:
        problems.append("not written in canonical form, though its content has the right hash")
    missing = [key for key in REQUIRED[section] if key not in body]
    if missing:
        problems.append(f"without {', '.join(missing)}")
    id = str(body.get(ID_KEYS[section], ""))
    if id.replace("/", "__") != path.parent.name:
        problems.append(f"registry id mismatch: its folder is {path.parent.name!r}, its {ID_KEYS[section]} {id!r}")
    return RegistryEntry(section, str(body.get("peer_id", "")), id, path.stem, body, tuple(problems))
