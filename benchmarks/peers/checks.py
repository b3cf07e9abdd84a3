"""The exact word on one line of a capture: a row, or why not (design.md section 3). Slow; for the few odd
lines.

Written apart from the kit on purpose: a peer that called the kit would agree with it by construction.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

FIELDS = ("v", "id", "trace_id", "parent_id", "type", "directed", "ts", "payload", "meta")

KNOWN_TYPES = frozenset((
    "TASK", "AGENT_OUTPUT", "FINAL", "ERROR", "TASK_OFFER", "BID", "TASK_AWARDED", "TASK_DECLINED",
    "AUDIT", "PLAN", "TOOL_CALL", "TOOL_RESULT", "MEMORY_APPEND", "ESCALATION", "RECALL", "RECALLED",
    "IMPRINT", "IMPRINTED", "CONSENSUS", "CONTEXT_SYNC", "CRITIQUE", "CLARIFICATION", "PERMISSION",
    "PERMISSION_DECISION", "CLARIFICATION_ANSWER", "REGISTER", "DEREGISTER", "HEARTBEAT", "DISCOVER",
    "STOP", "STOPPED", "THOUGHT_DELTA",
))  # fmt: skip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BLANK = " \t\r\n"


class Row(NamedTuple):
    """A line that becomes a row. `ts` is UTC microseconds or None; `payload` and `meta` are JSON text."""

    id: str
    trace_id: str
    parent_id: str | None
    type: str
    v: str
    directed_id: str | None
    directed_type: str | None
    directed_capabilities: list[str] | None
    ts: int | None
    ts_text: str | None
    payload: str
    meta: str
    extra: str | None
    flags: tuple[str, ...]


_KEY = re.compile(rb'"((?:[^"\\]|\\.)*)":').findall


class LineError(ValueError):
    """The line goes to quarantine; `reason` is its code."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


def is_skipped(raw: bytes) -> bool:
    """Whether the line is blank or a comment."""
    text = raw.strip(b" \t\r\n")
    return not text or text.startswith(b"#")


def examine(raw: bytes) -> Row:
    """The row of a line; raises LineError where it has to go to quarantine."""
    signal, flags = parse(raw)
    for name in ("id", "trace_id", "type"):
        if name not in signal:
            raise LineError(f"missing_{name}")
    version = _text(signal, "v", "1")
    if version.partition(".")[0] != "1":
        raise LineError("bad_version", f"v is {version!r}")
    event, trace = _prefixed(signal, "id", "evt_"), _prefixed(signal, "trace_id", "trc_")
    parent = None if signal.get("parent_id") is None else _prefixed(signal, "parent_id", "evt_")
    kind = _text(signal, "type")
    extra = {name: value for name, value in signal.items() if name not in FIELDS}
    directed = signal.get("directed")
    if directed is None and isinstance(extra.get("neuron"), str):
        directed = {"id": extra.pop("neuron")}
        flags.add("legacy_neuron")
    address = check_directed(directed)
    ts_text = _text(signal, "ts") if "ts" in signal else None
    checks = {"no_ts": ts_text is None, "unknown_type": kind not in KNOWN_TYPES, "extra_keys": bool(extra)}
    flags |= {flag for flag, found in checks.items() if found}
    return Row(
        event, trace, parent, kind, version, *address,
        None if ts_text is None else microseconds(ts_text), ts_text,
        _object(signal, "payload"), _object(signal, "meta"), _dump(extra) if extra else None,
        tuple(sorted(flags)),
    )  # fmt: skip


def parse(raw: bytes) -> tuple[dict[str, Any], set[str]]:
    """The object of a line (of equal keys the last wins) with the flags `duplicate_keys` and `nonfinite`."""
    try:
        text = raw.decode().strip(_BLANK)
    except UnicodeDecodeError as error:
        raise LineError("bad_utf8", str(error)) from None
    flags: set[str] = set()
    repeated: list[int] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            repeated.append(len(items))
        return found

    def constant(token: str) -> float:
        flags.add("nonfinite")
        return float(token)

    decoder = json.JSONDecoder(object_pairs_hook=pairs, parse_constant=constant)
    try:
        signal, end = decoder.raw_decode(text)
        text.encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise LineError("bad_json", str(error)) from None
    if text[end:].strip(_BLANK):
        raise LineError("trailing_data", f"more text after column {end}")
    if not isinstance(signal, dict):
        raise LineError("not_object", f"a JSON {type(signal).__name__}")
    if repeated:
        flags.add("duplicate_keys")
    return signal, flags


def repeats_a_key(text: bytes) -> bool:
    """Whether any object in valid JSON holds a key twice; parsed only where some key text occurs twice."""
    keys = _KEY(text)
    if len(keys) == len(set(keys)):
        return False
    repeated: list[int] = []

    def pairs(items: list[tuple[str, Any]]) -> None:
        if len({key for key, _ in items}) < len(items):
            repeated.append(len(items))

    json.loads(text, object_pairs_hook=pairs)
    return bool(repeated)


def check_directed(directed: Any) -> tuple[str | None, str | None, list[str] | None]:
    """Id, type and capabilities of a `directed` object; all None where it is null."""
    if directed is None:
        return None, None, None
    if not isinstance(directed, dict):
        raise LineError("bad_directed", f"directed is {directed!r}")
    capabilities = directed.get("capabilities", [])
    texts = isinstance(capabilities, list) and all(isinstance(name, str) for name in capabilities)
    name, kind = directed.get("id"), directed.get("type")
    if not texts or not isinstance(name, str | None) or not isinstance(kind, str | None):
        raise LineError("bad_directed", f"directed is {directed!r}")
    return name, kind, capabilities


def microseconds(ts: str) -> int:
    """UTC microseconds since 1970 of an RFC 3339 stamp; finer digits are cut, naive counts as UTC."""
    try:
        moment = datetime.fromisoformat(ts.upper())
    except ValueError as error:
        raise LineError("bad_ts", str(error)) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    elapsed = moment - _EPOCH
    return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds


def same_content(left: str, right: str) -> bool:
    """Whether two lines mean the same: equal parsed values, and 1 is not 1.0."""
    return json.dumps(json.loads(left), sort_keys=True) == json.dumps(json.loads(right), sort_keys=True)


def _text(signal: dict[str, Any], name: str, default: str | None = None) -> str:
    value = signal.get(name, default)
    if not isinstance(value, str):
        raise LineError(f"bad_{name}", f"{name} is {value!r}")
    return value


def _prefixed(signal: dict[str, Any], name: str, prefix: str) -> str:
    value = _text(signal, name)
    if not value.startswith(prefix):
        raise LineError(f"bad_{name}", f"{name} {value!r} lacks the prefix {prefix!r}")
    return value


def _object(signal: dict[str, Any], name: str) -> str:
    value = signal.get(name, {})
    if not isinstance(value, dict):
        raise LineError(f"bad_{name}", f"{name} is {value!r}")
    return _dump(value)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
