"""The Signal: one envelope in memory, with its way to and from the wire (spec/cosmonapse.md 1 and 3)."""

from datetime import datetime
from typing import Annotated, Any

import pydantic_core
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from kit import ids
from kit.cosmonapse import ecmajson
from kit.cosmonapse.types import Profile, SignalType, check_profile
from kit.cosmonapse.wire import ENCODERS, Level, Problem, fill_nulls, problems, wire_time
from kit.errors import ArgumentError, SignalError


def new_event_id() -> str:
    """A new `evt_` id, sorted after every earlier one (spec/cosmonapse.md 1.3)."""
    return ids.new_id("evt_")


def new_trace_id() -> str:
    """A new `trc_` id."""
    return ids.new_id("trc_")


def new_engram_id() -> str:
    """A new `eng_` id, for an entry in an Engram."""
    return ids.new_id("eng_")


def _major_one(version: str) -> str:
    if version.partition(".")[0] != "1":
        raise ValueError(f"v {version!r} is not of major version 1; use '1'")
    return version


def _event_id(value: str) -> str:
    if not value.startswith("evt_"):
        raise ValueError(f"{value!r} lacks the prefix 'evt_'; new_event_id() makes one")
    return value


def _trace_id(value: str) -> str:
    if not value.startswith("trc_"):
        raise ValueError(f"{value!r} lacks the prefix 'trc_'; new_trace_id() makes one")
    return value


class Directed(BaseModel):
    """An address: on receipt `id` goes before `type`, and `type` before `capabilities`.

    It also names the producer: the `id` of an AGENT_OUTPUT is its neuron (spec/cosmonapse.md 1.2).
    """

    id: str | None = None
    type: str | None = None
    capabilities: list[str] = Field(default_factory=list)

    def is_empty(self) -> bool:
        """True when nobody is addressed: no id, no type, no capability."""
        return not (self.id or self.type or self.capabilities)


def directed_to(id: str | None = None, *, type: str | None = None, capabilities: list[str] | None = None) -> Directed:
    """An address from its parts; without capabilities the list is empty."""
    return Directed(id=id, type=type, capabilities=list(capabilities or []))


class Signal(BaseModel):
    """One envelope, with the fields in wire order; id, trace_id and ts are made when they are not given.

    Construction raises pydantic.ValidationError, a ValueError, for a wrong prefix, type or major version.
    Assignment to a field afterwards is not checked (spec/cosmonapse.md 1.1).
    """

    v: Annotated[str, AfterValidator(_major_one)] = "1"
    id: Annotated[str, AfterValidator(_event_id)] = Field(default_factory=new_event_id)
    trace_id: Annotated[str, AfterValidator(_trace_id)] = Field(default_factory=new_trace_id)
    parent_id: Annotated[str, AfterValidator(_event_id)] | None = None
    type: SignalType
    directed: Directed | None = None
    ts: datetime = Field(default_factory=ids.now)
    payload: dict[str, Any] = Field(default_factory=dict)
    meta: dict[str, Any] = Field(default_factory=dict)

    def encode(self, profile: Profile = "python") -> bytes:
        """The bytes one SDK puts on the wire, without a newline (spec/cosmonapse.md 1.5).

        Raises SignalError for a payload or meta that has no JSON form, ArgumentError for an unknown profile.
        """
        encoder = ENCODERS.get(profile)
        if encoder is None:
            raise ArgumentError(f"no profile {profile!r}; use 'python' or 'typescript'")
        return encoder(self)

    @classmethod
    def decode(cls, data: bytes | str, *, level: Level = "loose", profile: Profile | None = None) -> "Signal":
        """The signal written in `data`, one JSON object.

        At `loose`, as in the Python SDK, only `type` must be there: id, trace_id and ts are made when absent,
        and unknown keys are dropped. `validate` asks for what `cosmo validate` does, `strict` for what the
        documentation does.

        Without a profile all 32 types are read; `python` refuses THOUGHT_DELTA. `typescript` refuses AUDIT,
        reads as `JSON.parse` does, takes null for absent, and keeps the text of `ts` for
        `encode(profile="typescript")`. (That SDK itself takes any type, and cuts a string of capabilities
        into letters; the kit does neither.)

        Raises SignalError, a ValueError, that names every wrong field (spec/cosmonapse.md 1.1 to 1.5).
        """
        text = _text(data)
        if profile == "typescript":
            return _decode_typescript(cls, text, level)
        if profile is not None or level != "loose":
            check_profile(profile)
            _refuse(problems(_parsed(text), level, profile))
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            _refuse(problems(_parsed(text)), error)
            raise _refusal(str(error)) from error

    def reply(
        self,
        type: SignalType,
        payload: dict[str, Any] | None = None,
        directed: Directed | None = None,
        meta: dict[str, Any] | None = None,
    ) -> "Signal":
        """A new signal on this trace with this one as its parent.

        `directed` is this signal's own unless another is given; an empty `Directed()` counts as given.
        Version, payload and meta are not inherited (spec/cosmonapse.md 3).
        """
        return Signal(
            trace_id=self.trace_id,
            parent_id=self.id,
            type=type,
            directed=self.directed if directed is None else directed,
            payload=payload or {},
            meta=meta or {},
        )


def _decode_typescript(cls: type[Signal], text: str, level: Level) -> Signal:
    try:
        parsed = ecmajson.parse(text)
    except ValueError as error:
        raise _refusal(f"broken JSON: {error}") from error
    filled = fill_nulls(parsed) if isinstance(parsed, dict) else parsed
    _refuse(problems(filled, level, "typescript"))
    if isinstance(filled.get("ts"), str):
        filled["ts"] = wire_time(filled["ts"])
    try:
        return cls.model_validate(filled)
    except ValidationError as error:
        raise _refusal(str(error)) from error


def _text(data: bytes | str) -> str:
    if isinstance(data, str):
        return data
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(f"byte {error.start} is not UTF-8 ({error.reason})") from error


def _parsed(text: str) -> Any:
    try:
        return pydantic_core.from_json(text)
    except (ValueError, TypeError) as error:  # TypeError: a str with lone surrogates
        raise _refusal(f"broken JSON: {error}") from error


def _refuse(found: list[Problem], cause: Exception | None = None) -> None:
    if found:
        raise _refusal("; ".join(problem.detail for problem in found)) from cause


def _refusal(what: str) -> SignalError:
    return SignalError(
        f"not a signal: {what}. Correct it at its source; a load keeps such a line, flagged or in quarantine."
    )
