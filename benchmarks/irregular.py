"""Every way in which a line of a capture can be odd (design.md section 3), and what a loader must make of it.

A change takes the text of a regular line and a random source and returns the bytes that stand in its place.
"""

import json
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

Change = Callable[[str, Random], bytes]


class Kind(NamedTuple):
    """One sort of odd line. `outcome` is row, quarantined, skipped, duplicate, reencoded or conflict.

    `reason` is the quarantine reason of a quarantined line and the flag of a row ("" where it has none). A
    repeat, and a skipped line, comes in addition to the regular line; everything else takes its place.
    """

    outcome: str
    reason: str
    change: Change

    @property
    def replaces(self) -> bool:
        return self.outcome in ("row", "quarantined")


def _dump(value: Any, **style: Any) -> bytes:
    return json.dumps(value, **({"ensure_ascii": False, "separators": (",", ":")} | style)).encode()


def _with(**fields: Any) -> Change:
    """Sets top-level fields; a callable gets the old value and the random source."""

    def change(line: str, rng: Random) -> bytes:
        signal = json.loads(line)
        for name, value in fields.items():
            signal[name] = value(signal.get(name), rng) if callable(value) else value
        return _dump(signal)

    return change


def _one_of(name: str, *values: Any) -> Change:
    """Sets a field to one of the values."""
    return _with(**{name: lambda _old, rng: rng.choice(values)})


def _without(name: str) -> Change:
    def change(line: str, _rng: Random) -> bytes:
        signal = json.loads(line)
        signal.pop(name)
        return _dump(signal)

    return change


def _in_place_of(old: str, *new: str) -> Change:
    """Replaces the first occurrence of a text, so that the result need not be JSON."""

    def change(line: str, rng: Random) -> bytes:
        changed = line.replace(old, rng.choice(new), 1)
        if changed == line:
            raise ValueError(f"{old!r} is not in the line {line!r}")
        return changed.encode()

    return change


def _literal(*texts: bytes) -> Change:
    return lambda _line, rng: rng.choice(texts)


def _reordered(line: str, rng: Random) -> bytes:
    items = list(json.loads(line).items())
    rng.shuffle(items)
    return _dump(dict(items), separators=rng.choice([(", ", ": "), (",", ":"), (" , ", " :\t")]))


def _spaced(line: str, rng: Random) -> bytes:
    return rng.choice([b" ", b"\t", b""]) + line.encode() + rng.choice([b"\r", b"  ", b"\t\r"])


def _reencoded(line: str, rng: Random) -> bytes:
    return _dump(json.loads(line), ensure_ascii=True, separators=rng.choice([(", ", ": "), (",", ": ")]))


def _legacy(line: str, _rng: Random) -> bytes:
    signal = json.loads(line)
    directed = signal.pop("directed") or {}
    return _dump(signal | {"neuron": directed.get("id") or "coder-1"})


def _duplicate_key(line: str, rng: Random) -> bytes:
    first = rng.choice(['"meta":{"first":true},', '"type":"PLAN",', '"payload":{},', '"trace_id":"trc_0",'])
    return ("{" + first + line[1:]).encode()


def _cut(line: str, rng: Random) -> bytes:
    return line[: rng.randint(1, len(line) - 1)].encode()


def _two(line: str, rng: Random) -> bytes:
    return (line + rng.choice(["", " "]) + line).encode()


def _bad_utf8(line: str, rng: Random) -> bytes:
    note = rng.choice([b"\xff\xfe", b"caf\xe9", b"\xe6\x9d", b"\xed\xa0\x80", b"\xc0\xaf"])
    return line.encode().removesuffix(b'"meta":{}}') + b'"meta":{"note":"' + note + b'"}}'


def _stamp(form: Callable[[str], str]) -> Change:
    """Rewrites `ts`, given its 26 characters up to the microsecond."""
    return _with(ts=lambda ts, _rng: form(ts.removesuffix("Z").ljust(20, ".").ljust(26, "0")))


def _plus_two_hours(ts: str) -> str:
    # hours of the made-up day run from 09; past 21 the date would have to change too
    return f"{ts[:11]}{(int(ts[11:13]) + 2) % 24:02d}{ts[13:]}+02:00"


def _is_plain(line: str) -> bool:
    return line.endswith('"meta":{}}')


def fits(kind: Kind, line: str) -> bool:
    """Whether the change can be made to this line (some write into an empty `meta`)."""
    return kind.change not in _WANT_EMPTY_META or _is_plain(line)


_NAN = _in_place_of('"meta":{}', *(f'"meta":{{"load":{value}}}' for value in ("NaN", "Infinity", "-Infinity")))
_PAYLOAD_NAN = _in_place_of('"payload":{', '"payload":{"load":NaN,', '"payload":{"load":-Infinity,')
_CONTROL = _in_place_of('"meta":{}', *(f'"meta":{{"note":"a{char}b"}}' for char in "\t\x01\x1f\x00\x0b"))
_SEPARATORS = _in_place_of('"meta":{}', '"meta":{"note":"a\u2028b\u2029c\u0085d"}')
_WANT_EMPTY_META = {_NAN, _CONTROL, _SEPARATORS, _bad_utf8}


def _row(change: Change, flag: str = "") -> Kind:
    return Kind("row", flag, change)


def _bad(reason: str, change: Change) -> Kind:
    return Kind("quarantined", reason, change)


def _same(line: str, _rng: Random) -> bytes:
    return line.encode()


KINDS: dict[str, Kind] = {
    "key_order": _row(_reordered),
    "spaces_or_crlf": _row(_spaced),
    "line_separators": _row(_SEPARATORS),
    "minor_version": _row(_one_of("v", "1.3", "1.", "1.5.2")),
    "ts_typescript": _row(_stamp(lambda ts: ts[:23] + "Z")),
    "ts_nanoseconds": _row(_stamp(lambda ts: ts + "789Z")),
    "ts_offset": _row(_stamp(_plus_two_hours)),
    "self_parent": _row(lambda line, _rng: _dump((s := json.loads(line)) | {"parent_id": s["id"]})),
    "no_ts": _row(_without("ts"), "no_ts"),
    "unknown_type": _row(_one_of("type", "NEGOTIATE", "task", "VOTE"), "unknown_type"),
    "extra_keys": _row(_with(shard=lambda _old, rng: rng.randint(0, 9)), "extra_keys"),
    "duplicate_keys": _row(_duplicate_key, "duplicate_keys"),
    "nonfinite_meta": _row(_NAN, "nonfinite"),
    "nonfinite_payload": _row(_PAYLOAD_NAN, "nonfinite"),
    "legacy_neuron": _row(_legacy, "legacy_neuron"),
    "cut": _bad("bad_json", _cut),
    "control_character": _bad("bad_json", _CONTROL),
    "single_quotes": _bad("bad_json", lambda line, _rng: line.replace('"', "'").encode()),
    "trailing_data": _bad("trailing_data", _two),
    "not_object": _bad("not_object", _literal(b"[1,2,3]", b'"text"', b"42", b"null", b"true", b'[{"id":"evt_1"}]')),
    "bad_utf8": _bad("bad_utf8", _bad_utf8),
    "missing_id": _bad("missing_id", _without("id")),
    "missing_trace_id": _bad("missing_trace_id", _without("trace_id")),
    "missing_type": _bad("missing_type", _without("type")),
    "bad_id": _bad("bad_id", _one_of("id", "x1", 17, "trc_01M6DQS9M0W3S6KK3F3XKEAFVW", "")),
    "bad_trace_id": _bad("bad_trace_id", _one_of("trace_id", "evt_01M6DQS9M0W3S6KK3F3XKEAFVW", 4, "")),
    "bad_parent_id": _bad("bad_parent_id", _one_of("parent_id", "", "trc_01M6DQS9M0W3S6KK3F3XKEAFVW", 4)),
    "bad_type": _bad("bad_type", _one_of("type", 7, ["TASK"], {"name": "TASK"})),
    "bad_ts": _bad("bad_ts", _one_of("ts", "yesterday", "2026-13-45T09:00:00Z", "", "2026-11-02T09:00:60Z")),
    "bad_directed": _bad("bad_directed", _one_of("directed", "coder-1", ["coder-1"], {"id": 5}, {"capabilities": "x"})),
    "bad_payload": _bad("bad_payload", _one_of("payload", None, [1], "text")),
    "bad_meta": _bad("bad_meta", _one_of("meta", None, [], 3)),
    "bad_v": _bad("bad_v", _one_of("v", 1, 1.0, ["1"])),
    "bad_version": _bad("bad_version", _one_of("v", "2", "10", "0.9")),
    "blank": Kind("skipped", "", _literal(b"", b"   ", b"\t", b"\r")),
    "duplicate": Kind("duplicate", "", _same),
    "reencoded": Kind("reencoded", "", _reencoded),
    "conflict": Kind("conflict", "conflicting_duplicate", _with(meta=lambda meta, _rng: meta | {"redelivered": True})),
}
