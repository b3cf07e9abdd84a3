"""Delivery models: what the buses of the published package do to a signal on its way (spec/cosmonapse.md 3, 7)."""

import json
from typing import Literal, get_args

from kit.errors import ArgumentError, KernelError
from kit.sim.envelope import Envelope

Delivery = Literal["memory", "dev", "nats", "kafka"]
DELIVERIES: tuple[Delivery, ...] = get_args(Delivery)
LINE_BYTES = 64 << 10
"""The dev server reads lines of up to so many bytes, the newline among them, and drops who sends a longer one."""
WIDEST = 6
"""Bytes that a character of the payload can take in a frame, as an escape of ASCII."""
ENVELOPE_BYTES = 4096
"""Room for the rest of a frame: with a payload so much shorter it is not measured."""


class FrameLost(KernelError):
    """A signal that was too long for the dev bus, and that nobody got."""


def checked(delivery: str) -> str:
    """Return the name of a delivery model. Raises ArgumentError for another one."""
    if delivery not in DELIVERIES:
        raise ArgumentError(f"delivery {delivery!r}: give {', '.join(map(repr, DELIVERIES))}")
    return delivery


def at_once(delivery: str) -> int | None:
    """Return how many deliveries of a subscription a Dendrite handles at once, None for any number."""
    return 1 if delivery in ("nats", "kafka") else None


def lost(envelope: Envelope, namespace: str) -> FrameLost | None:
    """Return what the dev bus makes of a signal: None where it arrives."""
    text = envelope.text or ""
    if WIDEST * len(text) + WIDEST * len(str(envelope.meta)) + ENVELOPE_BYTES <= LINE_BYTES:
        return None
    subject = f"cosmonapse.{namespace}.{envelope.kind}"
    frame = json.dumps({"op": "pub", "subject": subject, "frame": envelope.encode().decode("utf-8", "surrogatepass")})
    size = len(frame) + 1
    if size <= LINE_BYTES:
        return None
    return FrameLost(
        f"{envelope.kind} {envelope.id} is lost: a line of {size:,} bytes, and the dev bus reads up to {LINE_BYTES:,}"
    )
