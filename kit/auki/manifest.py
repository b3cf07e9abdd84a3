"""Log manifests: which log it is, on which clock, between which frames (spec/auki.md 3.2).

Two file names are in use, `log_manifest.json` and `manifest.json`; the first counts where both are there. The older
flat spelling (`clock_id`, `from_frame_id`, ...), which has no peers, is read too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from kit.auki import jcs
from kit.errors import LogError, ManifestError

Variant = Literal["sensor_log", "pose_log", "time_transform_log", "detection_log"]

NAMES = ("log_manifest.json", "manifest.json")
"""Names of the file, that of the log layer first."""
TEXTS = ("source_peer_id", "writer_peer_id", "app_id", "session_id")
WRITER_MODES = ("rigid", "movable")
UINT32_END = 1 << 32

REFS: dict[Variant, tuple[str, ...]] = {
    "detection_log": ("detector", "input_sensor", "clock"),
    "sensor_log": ("sensor", "clock"),
    "pose_log": ("from_frame", "to_frame", "clock"),
    "time_transform_log": ("from_clock", "to_clock"),
}
"""References a manifest of each variant must have; the first tells the variant, in this order."""


class Ref(NamedTuple):
    """A registry entry by peer, id and hash; what an older manifest does not tell is empty."""

    peer_id: str
    id: str
    hash: str

    def __str__(self) -> str:
        return f"{self.peer_id}/{self.id}" if self.peer_id else self.id


@dataclass(frozen=True)
class Manifest:
    """A log manifest. `body` is the document as it stood; keys the kit does not know are in it."""

    variant: Variant
    body: Mapping[str, Any]
    segment_duration_ns: int
    retention_ns: int

    def text(self, key: str) -> str:
        """Return a text of the document, empty where it has none."""
        found = self.body.get(key)
        return found if isinstance(found, str) else ""

    def ref(self, name: str) -> Ref | None:
        """Return a reference of the document, in either spelling; None where it has none."""
        return _ref(self.body, name)

    @property
    def clock(self) -> Ref | None:
        """The clock that timestamps are on: of a time transform, the one it maps from."""
        return self.ref("from_clock" if self.variant == "time_transform_log" else "clock")

    @property
    def writer_mode(self) -> str | None:
        """`rigid` or `movable` for a pose log; movable where it does not say."""
        if self.variant != "pose_log":
            return None
        return self.text("writer_mode") or "movable"

    @property
    def resource_id(self) -> str:
        """The id that the session layer derives from the manifest (spec/auki.md 1.4), not from the path."""
        first, second = (_id(self.ref(name)) for name in (REFS[self.variant] + ("",))[:2])
        if self.variant == "sensor_log":
            return first
        if self.variant == "detection_log":
            return self.text("instance_id") or f"{first}@{second or self._input_log()}"
        return f"{first}->{second}"

    def _input_log(self) -> str:
        found = self.body.get("input_log")
        return str(found.get("resource_id", "")) if isinstance(found, dict) else self.text("input_log_id")

    def problems(self) -> list[str]:
        """Return what the current format asks for and the document does not have, as sentences."""
        found = [_invalid(key, "must not be empty") for key in TEXTS if not self.text(key)]
        for name in (*REFS[self.variant], "frame"):
            ref = self.body.get(name)
            if name == "frame" and ref is None:
                continue
            parts = ref if isinstance(ref, dict) else {}
            found += [
                _invalid(f"{name}.{part}", "must not be empty")
                for part in Ref._fields
                if not isinstance(parts.get(part), str) or not parts[part]
            ]
        if self.variant == "pose_log":
            found += self._pose_problems()
        return found

    def _pose_problems(self) -> list[str]:
        found = []
        if self.text("writer_mode") not in WRITER_MODES:
            found.append(_invalid("writer_mode", f"must be one of {', '.join(WRITER_MODES)}"))
        rate: Any = self.body.get("expected_rate_hz")
        if not _integer(rate) or not 0 <= rate < UINT32_END:
            found.append(_invalid("expected_rate_hz", "must be an integer of 0 to 4294967295"))
        return found


def parse(data: bytes, where: Path | str = "manifest") -> Manifest:
    """Return the manifest of a document's bytes.

    Raises ManifestError where it is no JSON object, lacks one of the two durations, or is of no known log. What else is
    missing is told by `Manifest.problems`.
    """
    try:
        return of(jcs.parse_object(data, where), where)
    except ManifestError:
        raise
    except LogError as error:
        raise ManifestError(str(error)) from error


def of(body: Mapping[str, Any], where: Path | str = "manifest") -> Manifest:
    """Return the manifest of a document; raises as `parse` does."""
    for key in ("segment_duration_ns", "retention_ns"):
        if not _integer(body.get(key)):
            raise ManifestError(f"{where}: manifest missing or non-integer {key}")
    duration, retention = body["segment_duration_ns"], body["retention_ns"]
    if duration <= 0:
        raise ManifestError(f"{where}: {_invalid('segment_duration_ns', 'must be greater than zero')}")
    if retention < 0:
        raise ManifestError(f"{where}: {_invalid('retention_ns', 'must be greater than or equal to zero')}")
    variant = _variant(body)
    if variant is None:
        raise ManifestError(
            f"{where}: a manifest of no known log: it has none of sensor, from_frame, from_clock, detector"
        )
    return Manifest(variant, body, duration, retention)


def find(folder: Path) -> Path | None:
    """Return the manifest file of a log folder, or None."""
    return next((folder / name for name in NAMES if (folder / name).is_file()), None)


def read(folder: Path) -> Manifest:
    """Return the manifest of a log folder. Raises ManifestError where there is none or it cannot be used."""
    path = find(folder)
    if path is None:
        raise ManifestError(f"{folder}: no log, it has neither {' nor '.join(NAMES)}")
    try:
        return parse(jcs.read_bytes(path), path)
    except ManifestError:
        raise
    except LogError as error:
        raise ManifestError(str(error)) from error


def write(folder: Path, body: Mapping[str, Any]) -> Manifest:
    """Write a manifest under both names, canonical, and return it. Raises ManifestError where the format asks for more."""
    manifest = of(body, folder)
    if problems := manifest.problems():
        raise ManifestError(f"{folder}: {problems[0]}")
    _store(folder, body)
    return manifest


def set_retention(folder: Path, retention_ns: int) -> Manifest:
    """Write another retention into the manifest of a log; it counts from the next append on."""
    manifest = of({**read(folder).body, "retention_ns": retention_ns}, folder)
    _store(folder, manifest.body)
    return manifest


def _store(folder: Path, body: Mapping[str, Any]) -> None:
    data = jcs.canonical(dict(body))
    for name in NAMES:
        jcs.write_bytes(folder / name, data)


def log_folder(app_root: Path, session_id: str, peer_id: str, resource_id: str) -> Path:
    """Return where the session layer keeps a log: ids stand in the path as they are, `/` makes a folder.

    Raises ManifestError for an id that would lead elsewhere.

    >>> log_folder(Path("app"), "01J", "galbot", "session/sdk_clock->wall_clock").as_posix()
    'app/01J/logs/galbot/session/sdk_clock->wall_clock'
    """
    for name, text in (("session_id", session_id), ("peer_id", peer_id), ("resource_id", resource_id)):
        parts = text.split("/") if name == "resource_id" else [text]
        if any(not part or part in (".", "..", "segments") or set(part) & set("/\\\0") for part in parts):
            raise ManifestError(
                f"{name} {text!r} cannot be a path: no part of it may be empty, '.', '..' or 'segments'"
            )
    return app_root / session_id / "logs" / peer_id / resource_id


def _variant(body: Mapping[str, Any]) -> Variant | None:
    return next((variant for variant, refs in REFS.items() if _ref(body, refs[0]) is not None), None)


def _ref(body: Mapping[str, Any], name: str) -> Ref | None:
    """Return a reference in the current spelling or the flat one."""
    found = body.get(name)
    if isinstance(found, dict):
        parts = [found.get(part, "") for part in Ref._fields]
    elif f"{name}_id" in body:
        parts = ["", body[f"{name}_id"], body.get(f"{name}_hash", "")]
    else:
        return None
    return Ref(*(part if isinstance(part, str) else "" for part in parts))


def _id(ref: Ref | None) -> str:
    return "" if ref is None else ref.id


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _invalid(key: str, what: str) -> str:
    return f"invalid manifest field `{key}`: {what}"
