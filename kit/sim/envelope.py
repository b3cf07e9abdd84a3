"""A signal on the simulated bus: the fields of an envelope, in a form that is quick to make."""

from datetime import datetime
from typing import Any

from kit.cosmonapse.signal import Directed, Signal
from kit.cosmonapse.types import SignalType
from kit.sim.duration import moment

Json = dict[str, Any]
TYPES = {kind.value: kind for kind in SignalType}


class Envelope:
    """A signal as a handler of the simulation gets it; it has what a `Signal` has, under the same names.

    `kind` is the type as a plain word, `ts_us` the stamp in microseconds since 1970; `to`, `to_type` and
    `capabilities` are the address, the last None where `directed` is null. It is shared by all who get it, as on the
    in-process bus of the published package: it is to be read, not written.
    """

    __slots__ = (
        "capabilities",
        "id",
        "kind",
        "meta",
        "parent_id",
        "payload",
        "sender",
        "text",
        "to",
        "to_type",
        "trace_id",
        "ts_us",
    )

    def __init__(
        self,
        id: str,
        trace_id: str,
        parent_id: str | None,
        kind: str,
        to: str | None,
        to_type: str | None,
        capabilities: tuple[str, ...] | None,
        ts_us: int,
        payload: Json,
        meta: Json,
        sender: Any,
        text: str | None,
    ) -> None:
        self.id = id
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.kind = kind
        self.to = to
        self.to_type = to_type
        self.capabilities = capabilities
        self.ts_us = ts_us
        self.payload = payload
        self.meta = meta
        self.sender = sender
        self.text = text

    v = "1"

    @property
    def type(self) -> SignalType:
        """The type as a member of the enum."""
        return TYPES[self.kind]

    @property
    def directed(self) -> Directed | None:
        """The address as an object, None where there is none."""
        if self.capabilities is None:
            return None
        return Directed(id=self.to, type=self.to_type, capabilities=list(self.capabilities))

    @property
    def ts(self) -> datetime:
        """The stamp, in UTC."""
        return moment(self.ts_us)

    def signal(self) -> Signal:
        """Return the same envelope as a `Signal`."""
        return Signal(
            id=self.id,
            trace_id=self.trace_id,
            parent_id=self.parent_id,
            type=self.type,
            directed=self.directed,
            ts=self.ts,
            payload=self.payload,
            meta=self.meta,
        )

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        return self.signal().encode()

    def reply(
        self,
        type: SignalType,
        payload: Json | None = None,
        directed: Directed | None = None,
        meta: Json | None = None,
    ) -> Signal:
        """Return a new signal on this trace with this one as its parent (`Signal.reply`)."""
        return self.signal().reply(type, payload, directed, meta)

    def __repr__(self) -> str:
        return f"<Envelope {self.kind} {self.id}, to {self.to or self.to_type or 'anybody'}>"
