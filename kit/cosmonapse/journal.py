"""Other files of a Cosmonapse installation: registry snapshots and Glia journals (spec/cosmonapse.md 7)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from kit.cosmonapse.examine import compact, in_utc, parse
from kit.cosmonapse.wire import wire_time
from kit.jsonline import Refusal

JOURNAL_TEXT = (
    "card_id",
    "policy_id",
    "policy_version",
    "component",
    "direction",
    "signal",
    "declared",
    "effective",
    "applied",
    "mode",
    "trace_id",
    "reason",
    "hash",
)


def registry_row(text: str) -> dict[str, Any] | Refusal:
    """Return the `registry` columns of one entry of `cosmo registry list --json`.

    It answers a DISCOVER, so the neuron is registered; when, the file does not say.
    """
    item = parse(text, set())
    if isinstance(item, Refusal):
        return item
    if not isinstance(item.get("id"), str) or not item["id"]:
        return Refusal("bad_id" if "id" in item else "missing_id", "an entry names its neuron in id")
    names = item.get("capabilities") or []
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        return Refusal("bad_capabilities", f"capabilities {names!r:.60} is not a list of strings")
    return {
        "neuron_id": item["id"],
        "role": _text(item.get("role")),
        "kind": _text(item.get("kind")),
        "capabilities": names,
        "version": _text(item.get("version")),
        "status": "registered",
    }


def journal_row(text: str) -> dict[str, Any] | Refusal:
    """Return the `policy_records` columns of one line of a Glia journal; the whole record is in `record`."""
    item = parse(text, set())
    if isinstance(item, Refusal):
        return item
    if "card_id" not in item:
        return Refusal("missing_card_id", "card_id is missing; a journal record names its policy card")
    try:
        moment = _moment(item.get("ts"))
    except (ValueError, OverflowError):
        return Refusal("bad_ts", f"ts {item['ts']!r:.60} is no time")
    return {
        "ts": moment,
        "ts_text": _text(item.get("ts")),
        **{name: _text(item.get(name)) for name in JOURNAL_TEXT},
        "record": compact(item),
    }


ROWS: Mapping[str, tuple[str, Callable[[str], dict[str, Any] | Refusal]]] = {
    "registry": ("registry", registry_row),
    "glia_journal": ("policy_records", journal_row),
}
"""By family: the table its rows go to, and the function that makes one."""


def _text(value: object) -> str | None:
    return value if isinstance(value, str) or value is None else compact(value)


def _moment(stamp: object) -> datetime | None:
    """Return a time from ISO text or epoch seconds, UTC where it has no offset; ValueError for anything else."""
    if stamp is None:
        return None
    return in_utc(wire_time(stamp if isinstance(stamp, str) else compact(stamp)), set())
