"""Delivery models: what the buses of the published package do to a signal on its way (spec/cosmonapse.md 3, 7)."""

import json
from typing import Literal, get_args

from kit.errors import ArgumentError, KernelError
from kit.sim.envelope import Envelope

Delivery = Literal["memory", "dev", "nats", "kafka"]
DELIVERIES: tuple[Delivery, ...] = get_args(Delivery)
LINE_BYTES = 64 << 10
"""What asyncio reads as one line, at the dev server and at its clients, without the newline."""
SUBSCRIPTION_BYTES = len(',"sub_id":""') + 32
"""By how much the line to a client is longer than that from the publisher."""
LONGEST = LINE_BYTES - SUBSCRIPTION_BYTES
"""Bytes of the longest line from a publisher that clients can read."""
WIDEST = 12
"""Bytes that a character takes in a frame at most: two escapes of ASCII."""
REST_CHARACTERS = 500
"""Room for ids, the stamp, the subject and the keys of a frame."""


class FrameLost(KernelError):
    """A signal that was too long for the dev bus."""


def checked(delivery: Delivery) -> Delivery:
    """Return the name of a delivery model. Raises ArgumentError for another one."""
    if delivery not in DELIVERIES:
        raise ArgumentError(f"delivery {delivery!r}: give {', '.join(map(repr, DELIVERIES))}")
    return delivery


def at_once(delivery: Delivery) -> int | None:
    """Return how many deliveries of a subscription a Dendrite handles at once, None for any number."""
    return 1 if delivery in ("nats", "kafka") else None


def frame_bytes(envelope: Envelope, namespace: str) -> int:
    """Return how long the line is in which a client publishes a signal, 0 where it is plainly no matter.

    It is JSON in JSON, without spaces and in ASCII, as seen of the published package 0.1.14.
    """
    address = f"{namespace}{envelope.to}{envelope.to_type}{envelope.capabilities}"
    characters = len(envelope.text or "") + len(address) + len(str(envelope.meta))
    if WIDEST * (characters + REST_CHARACTERS) <= LONGEST:
        return 0
    subject = f"cosmonapse.{namespace}.{envelope.kind}"
    return len(publication(subject, envelope.encode().decode("utf-8", "surrogatepass")))


def publication(subject: str, frame: str) -> str:
    """Return the line in which a client publishes a frame, without its newline."""
    return json.dumps({"op": "pub", "subject": subject, "frame": frame}, separators=(",", ":"))


def lost(envelope: Envelope, size: int) -> FrameLost | None:
    """Return what the dev bus makes of a signal whose line has `size` bytes: None where it arrives.

    One that is too long for the server is seen by nobody; one that only its clients cannot read is still seen by a tap.
    """
    if size <= LONGEST:
        return None
    who = "the server" if size > LINE_BYTES else "with its subscription a client"
    return FrameLost(
        f"{envelope.kind} {envelope.id} is lost: its line has {size:,} bytes, and {who} reads no more than {LINE_BYTES:,}"
    )
