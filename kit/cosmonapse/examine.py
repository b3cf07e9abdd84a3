"""One line, looked at exactly: the row it becomes, or why it cannot become one.

The bulk loader (`load.py`) sends only unusual lines here; both must give the same row for any line
(`tests/cosmonapse/test_examine.py`). The table of outcomes is in design and docs/loading.md.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from kit.cosmonapse.types import SignalType
from kit.cosmonapse.wire import ENVELOPE_FIELDS, Level, lift_legacy, problems, wire_time
from kit.jsonline import Refusal, encodable, read_object, short

FLAGS = (
    "duplicate_keys",
    "extra_keys",
    "legacy_neuron",
    "naive_ts",
    "no_ts",
    "nonfinite",
    "unknown_type",
    "conflicting_duplicate",
)
"""What a row can be flagged with, in the order of a flags list; the last is given by `identity.py`."""

IDENTITY = ("id", "trace_id", "type")
DIRECTED = ("id", "type", "capabilities")
MAX_DEPTH = 201
"""Objects and lists inside each other, the envelope among them, that the Python SDK decodes (measured, 0.1.14)."""
DIALECT = (
    ("typescript", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")),
    ("python", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?Z")),
)


def examine(text: str, level: Level = "loose") -> dict[str, Any] | Refusal:
    """Return the `signals` columns of one line (without its place), or the Refusal that explains it.

    Nothing is minted and nothing is lost: unknown keys go to `extra`, and the caller keeps `text` as `raw`.
    """
    flags: set[str] = set()
    parsed = parse(text, flags)
    if isinstance(parsed, Refusal):
        return parsed
    signal = _lifted(parsed, flags)
    refusal = _refusal(signal, level, flags)
    if refusal is not None:
        return refusal
    stamp = signal.get("ts")
    moment = _moment(stamp, flags)
    if isinstance(moment, Refusal):
        return moment
    extra = _extra(signal, flags)
    return {
        "id": signal["id"],
        "trace_id": signal["trace_id"],
        "parent_id": signal.get("parent_id"),
        "type": signal["type"],
        "v": signal.get("v", "1"),
        **_directed(signal.get("directed")),
        "ts": moment,
        "ts_text": stamp,
        "payload": compact(signal.get("payload", {})),
        "meta": compact(signal.get("meta", {})),
        "extra": compact(extra) if extra else None,
        "dialect": dialect(stamp),
        "flags": [flag for flag in FLAGS if flag in flags],
        "canonical": True,
    }


def compact(value: object) -> str:
    """Return `value` as JSON text without spaces, non-ASCII as it is, keys in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def dialect(stamp: str | None) -> str:
    """Return whose way of writing time this is: `python`, `typescript` or `other` (spec/cosmonapse.md 1.4)."""
    for name, form in DIALECT:
        if stamp is not None and form.fullmatch(stamp):
            return name
    return "other"


def parse(text: str, flags: set[str]) -> Mapping[str, Any] | Refusal:
    """Return the object that `text` holds; repeated keys (the last counts) and NaN are noted in `flags`."""

    def constant(name: str) -> float:
        flags.add("nonfinite")
        return float(name)

    value = read_object(text, flags, levels=MAX_DEPTH, parse_constant=constant)
    if not isinstance(value, Refusal) and not encodable(compact(value)):
        return Refusal("bad_json", "a lone surrogate in a string has no UTF-8 form")
    return value


def _lifted(parsed: Mapping[str, Any], flags: set[str]) -> Mapping[str, Any]:
    """Return the envelope with a legacy top-level `neuron` moved where it belongs, as far as it can be."""
    if "neuron" not in parsed:
        return parsed
    neuron, directed = parsed["neuron"], parsed.get("directed")
    addressed = isinstance(directed, Mapping) and directed.get("id")
    if neuron is None or (neuron == addressed and neuron):
        flags.add("legacy_neuron")
        return {key: value for key, value in parsed.items() if key != "neuron"}
    if addressed:
        # Two names that differ: the envelope's own wins, and the legacy one is kept as an extra key.
        flags.add("legacy_neuron")
        return parsed
    lifted = lift_legacy(parsed)
    if "neuron" not in lifted:
        flags.add("legacy_neuron")
    return lifted


def _refusal(signal: Mapping[str, Any], level: Level, flags: set[str]) -> Refusal | None:
    for field in IDENTITY:
        if field not in signal:
            return Refusal(f"missing_{field}", f"{field} is missing")
    stamp = signal.get("ts", "")
    if not isinstance(stamp, str):
        return Refusal("bad_ts", f"ts {short(stamp)} is not a string")
    if not isinstance(signal.get("v", ""), str):
        return Refusal("bad_v", f"v {short(signal['v'])} is not a string")
    for problem in problems(signal, level):
        if problem.reason == "unknown_type" and level == "loose":
            flags.add("unknown_type")
            continue
        return Refusal(_code(problem.reason), problem.detail)
    if signal["type"] not in SignalType.__members__:
        flags.add("unknown_type")
    return None


def _code(reason: str) -> str:
    """Return the quarantine code for a problem: what is wrong inside a field is a bad field."""
    return {"unknown_type": "bad_type", "missing_payload": "bad_payload"}.get(reason, reason)


def _directed(directed: Mapping[str, Any] | None) -> dict[str, Any]:
    if directed is None:
        return {"directed_id": None, "directed_type": None, "directed_capabilities": None}
    return {
        "directed_id": directed.get("id"),
        "directed_type": directed.get("type"),
        "directed_capabilities": directed.get("capabilities", []),
    }


def _extra(signal: Mapping[str, Any], flags: set[str]) -> dict[str, Any]:
    extra = {key: value for key, value in signal.items() if key not in ENVELOPE_FIELDS}
    inner = {key: value for key, value in (signal.get("directed") or {}).items() if key not in DIRECTED}
    if inner:
        extra["directed"] = inner
    if (extra and set(extra) != {"neuron"}) or ("neuron" in extra and "legacy_neuron" not in flags):
        flags.add("extra_keys")
    return extra


def _moment(stamp: str | None, flags: set[str]) -> datetime | Refusal | None:
    """Return the time in UTC; a stamp without an offset is taken as UTC and flagged."""
    if stamp is None:
        flags.add("no_ts")
        return None
    try:
        return in_utc(wire_time(stamp), flags)
    except OverflowError:
        return Refusal("bad_ts", f"ts {short(stamp)} is outside the years 1 to 9999 in UTC")


def in_utc(moment: datetime, flags: set[str]) -> datetime:
    """Return the moment in UTC; OverflowError where that is outside the years 1 to 9999."""
    if moment.tzinfo is None:
        flags.add("naive_ts")
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)
