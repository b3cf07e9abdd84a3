"""Exact bytes for each profile, and what is wrong with a parsed envelope at each level.

The checks are plain functions over what a JSON parser gives, so a loader can ask without building a Signal.
Levels add up: `validate` holds what `loose` holds, and `strict` holds both.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, SupportsIndex

from pydantic import BaseModel, TypeAdapter, ValidationError

from kit.cosmonapse import ecmajson
from kit.cosmonapse.types import REQUIRED_PAYLOAD, Profile, SignalType, check_profile, signal_types
from kit.errors import ArgumentError, SignalError

Level = Literal["loose", "validate", "strict"]

ENVELOPE_FIELDS = ("v", "id", "trace_id", "parent_id", "type", "directed", "ts", "payload", "meta")
"""The keys of an envelope in wire order."""

REQUIRED_FIELDS = ("v", "id", "trace_id", "type", "ts")
"""The keys that the levels `validate` and `strict` ask for; `loose` asks for `type` alone."""

PREFIXES: Mapping[str, str] = MappingProxyType({"id": "evt_", "trace_id": "trc_", "parent_id": "evt_"})

_ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")
_TIME: TypeAdapter[datetime] = TypeAdapter(datetime)
_KEYED_OPS = ("merge", "upsert")


class Problem(NamedTuple):
    """One thing wrong with an envelope: the field, a stable word for it, and a sentence with the value."""

    field: str
    reason: str
    detail: str


class WireTime(datetime):
    """A time that remembers how it was written; copies do too, the results of arithmetic do not."""

    text: str | None = None

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        return super().__reduce_ex__(protocol) if self.text is None else (wire_time, (self.text,))


def wire_time(text: str) -> WireTime:
    """The time in `text`, read as the Python SDK does, with the text kept; ValueError if it is none."""
    read = _TIME.validate_python(text)
    moment = WireTime.combine(read.date(), read.timetz())
    moment.text = text
    return moment


def encode_python(signal: BaseModel) -> bytes:
    """The bytes the Python SDK puts on the wire: compact UTF-8 JSON, nulls kept, no newline.

    pydantic writes them (spec/cosmonapse.md 1.5). Raises SignalError for what has no JSON form: arbitrary
    objects, lone surrogates, bytes that are not UTF-8.
    """
    try:
        return signal.__pydantic_serializer__.to_json(signal)
    except (ValueError, RecursionError) as error:
        raise SignalError(f"this signal has no JSON form: {error}; give plain values in payload and meta") from error


def encode_typescript(signal: BaseModel) -> bytes:
    """The bytes the TypeScript SDK puts on the wire: `JSON.stringify` of the fields (spec/cosmonapse.md 1.5).

    A time that came as text through `decode(..., profile="typescript")` is written as it came; any other time
    with three digits.
    """
    directed = getattr(signal, "directed", None)
    fields = {name: getattr(signal, name) for name in ENVELOPE_FIELDS}
    fields["type"] = str.__str__(fields["type"])
    fields["directed"] = directed.__dict__ if isinstance(directed, BaseModel) else directed
    fields["ts"] = getattr(fields["ts"], "text", None) or fields["ts"]
    return ecmajson.stringify(fields).encode()


ENCODERS: Mapping[Profile, Callable[[BaseModel], bytes]] = MappingProxyType(
    {"python": encode_python, "typescript": encode_typescript}
)


def lift_legacy(obj: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a parsed envelope with the top-level `neuron` of 2026-05 moved into `directed.id`.

    A `directed` that already has an id keeps it. A `neuron` that is no string, or empty, and a `directed`
    that is no object are left for the checks to judge. Without `neuron` the copy equals `obj`
    (spec/cosmonapse.md 1.1).
    """
    lifted = dict(obj)
    neuron, directed = obj.get("neuron"), obj.get("directed")
    if not (isinstance(neuron, str) and neuron and isinstance(directed, Mapping | None)):
        return lifted
    del lifted["neuron"]
    if not (directed and directed.get("id")):
        lifted["directed"] = {"id": None, "type": None, "capabilities": []} | dict(directed or {}) | {"id": neuron}
    return lifted


def fill_nulls(obj: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without the nulls that the TypeScript SDK replaces by defaults (spec/cosmonapse.md 1.5)."""
    replaced = ("v", "id", "trace_id", "ts", "payload", "meta")
    filled = {key: value for key, value in obj.items() if value is not None or key not in replaced}
    directed = obj.get("directed")
    if isinstance(directed, Mapping):
        filled["directed"] = {key: value for key, value in directed.items() if value is not None}
    return filled


def problems(obj: object, level: Level = "loose", profile: Profile | None = None) -> list[Problem]:
    """Everything wrong with a parsed envelope at `level`; empty when `Signal.decode` would take it.

    `profile` limits the types to the 31 of one SDK. Raises ArgumentError for an unknown level or profile.
    """
    if level not in LEVELS:
        raise ArgumentError(f"no level {level!r}; use 'loose', 'validate' or 'strict'")
    check_profile(profile)
    found: dict[tuple[str, str], Problem] = {}
    for check in LEVELS[level]:
        for problem in check(obj, profile):
            found.setdefault((problem.field, problem.reason), problem)
    return list(found.values())


def loose_problems(obj: object, profile: Profile | None = None) -> list[Problem]:
    """What the Python SDK's `decode` refuses: only `type` must be there (spec/cosmonapse.md 1.1, 1.2)."""
    if not isinstance(obj, Mapping):
        return [Problem("", "not_object", f"a signal is a JSON object, not {_show(obj)}")]
    return [problem for check in _LOOSE for problem in check(obj, profile)]


def validate_problems(obj: object, profile: Profile | None = None) -> list[Problem]:
    """What `cosmo validate` reports as errors (spec/cosmonapse.md 1.1); it never looks at `directed`."""
    if not isinstance(obj, Mapping):
        return loose_problems(obj)
    return [
        *(_missing(field) for field in REQUIRED_FIELDS if field not in obj),
        *(_bad("v", obj["v"], "is not '1'", "bad_version") for _ in _present(obj, "v") if obj["v"] != "1"),
        *_prefix_problems(obj),
        *_type_problems(obj, profile),
        *(_bad("ts", obj["ts"], "is no ISO 8601 time") for _ in _present(obj, "ts") if not _is_iso(obj["ts"])),
        *_object_problems(obj),
    ]


def strict_problems(obj: object, profile: Profile | None = None) -> list[Problem]:
    """What the documentation asks for: five fields, real ULIDs, `ts` in UTC, the payload fields of the type.

    The ULID check is the Crockford one, which the published examples with I, L, O, U or 25 characters fail
    (spec/cosmonapse.md 1.1, 2.2).
    """
    if not isinstance(obj, Mapping):
        return loose_problems(obj)
    return [
        *(_missing(field) for field in REQUIRED_FIELDS if field not in obj),
        *_ulid_problems(obj),
        *(_bad("ts", obj["ts"], "does not end with 'Z'") for _ in _present(obj, "ts") if not _ends_with_z(obj["ts"])),
        *_payload_problems(obj),
    ]


def _version_problems(obj: Mapping[str, Any], _: Profile | None) -> Iterator[Problem]:
    version = obj.get("v", "1")
    if not isinstance(version, str):
        yield _bad("v", version, "is not a string", "bad_version")
    elif version.partition(".")[0] != "1":
        yield _bad("v", version, "is not of major version 1", "bad_version")


def _prefix_problems(obj: Mapping[str, Any], _: Profile | None = None) -> Iterator[Problem]:
    for field, prefix in PREFIXES.items():
        value = obj.get(field, prefix)
        if not ((isinstance(value, str) and value.startswith(prefix)) or (value is None and field == "parent_id")):
            yield _bad(field, value, f"lacks the prefix {prefix!r}")


def _type_problems(obj: Mapping[str, Any], profile: Profile | None) -> Iterator[Problem]:
    kind = obj.get("type")
    if "type" not in obj:
        yield _missing("type")
    elif not isinstance(kind, str):
        yield _bad("type", kind, "is not a string")
    elif kind not in SignalType.__members__:
        yield _bad("type", kind, "is no signal type", "unknown_type")
    elif SignalType(kind) not in signal_types(profile):
        yield _bad("type", kind, f"is no signal type of the profile {profile!r}", "unknown_type")


def _directed_problems(obj: Mapping[str, Any], _: Profile | None) -> Iterator[Problem]:
    directed = obj.get("directed")
    if directed is None:
        return
    if not isinstance(directed, Mapping):
        yield _bad("directed", directed, "is neither an object nor null")
        return
    for key in ("id", "type"):
        if not isinstance(directed.get(key), str | None):
            yield _bad(f"directed.{key}", directed[key], "is neither a string nor null", "bad_directed")
    names = directed.get("capabilities", [])
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        yield _bad("directed.capabilities", names, "is not a list of strings", "bad_directed")


def _time_problems(obj: Mapping[str, Any], _: Profile | None) -> Iterator[Problem]:
    if "ts" not in obj:
        return
    try:
        _TIME.validate_python(obj["ts"])
    except ValidationError as error:
        yield _bad("ts", obj["ts"], f"is no time: {error.errors()[0]['msg']}")


def _object_problems(obj: Mapping[str, Any], _: Profile | None = None) -> Iterator[Problem]:
    for field in ("payload", "meta"):
        if not isinstance(obj.get(field, {}), Mapping):
            yield _bad(field, obj[field], "is not an object")


def _ulid_problems(obj: Mapping[str, Any]) -> Iterator[Problem]:
    for field, prefix in PREFIXES.items():
        value = obj.get(field)
        if isinstance(value, str) and not (value.startswith(prefix) and _ULID.fullmatch(value, len(prefix))):
            yield _bad(field, value, f"is not {prefix!r} and a ULID of 26 characters")


def _payload_problems(obj: Mapping[str, Any]) -> Iterator[Problem]:
    kind, payload = obj.get("type"), obj.get("payload", {})
    if not (isinstance(kind, str) and kind in SignalType.__members__ and isinstance(payload, Mapping)):
        return
    required = REQUIRED_PAYLOAD[SignalType(kind)]
    if kind == "IMPRINT" and payload.get("op") in _KEYED_OPS:
        required = (*required, "merge_key")
    for key in required:
        if key not in payload:
            yield Problem(f"payload.{key}", "missing_payload", f"payload.{key} is missing; a {kind} must carry it")


def _present(obj: Mapping[str, Any], field: str) -> tuple[str, ...]:
    return (field,) if field in obj else ()


def _is_iso(value: object) -> bool:
    if value is None:  # the published validator looks at a null stamp as if it were not there
        return True
    try:
        datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def _ends_with_z(value: object) -> bool:
    return isinstance(value, str) and value.endswith("Z")


def _missing(field: str) -> Problem:
    return Problem(field, f"missing_{field}", f"{field} is missing")


def _bad(field: str, value: object, what: str, reason: str = "") -> Problem:
    return Problem(field, reason or f"bad_{field}", f"{field} {_show(value)} {what}")


def _show(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


_LOOSE = (
    _version_problems,
    _prefix_problems,
    _type_problems,
    _directed_problems,
    _time_problems,
    _object_problems,
)

Check = Callable[[object, Profile | None], list[Problem]]

LEVELS: Mapping[Level, tuple[Check, ...]] = MappingProxyType(
    {
        "loose": (loose_problems,),
        "validate": (loose_problems, validate_problems),
        "strict": (loose_problems, validate_problems, strict_problems),
    }
)
