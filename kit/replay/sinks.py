"""Which sink a target of a player is."""

import inspect
from typing import Any

from kit.errors import ArgumentError
from kit.replay.feeds import feed_of
from kit.replay.sink import AsyncCall, Call, Nothing, Sink


def sink_of(target: Any) -> Sink:
    """Return what events can be delivered to as a Sink.

    None takes all and does nothing; a function, plain or async, is called; a `kit.Namespace`, a `MockKernel` and a Sink
    are themselves. Raises ArgumentError for what cannot take events.
    """
    if target is None:
        return Nothing()
    if isinstance(target, Sink):
        return target
    known = feed_of(target)
    if known is not None:
        return known
    call = getattr(target, "__call__", None)  # noqa: B004  asked for what kind of call it is
    if inspect.iscoroutinefunction(target) or inspect.iscoroutinefunction(call):
        return AsyncCall(target)
    if callable(target):
        return Call(target)
    raise ArgumentError(
        f"sink={target!r:.60}: give a function, a kit.Namespace, a MockKernel, or a Bus, File, Streams or Collect of kit.replay"
    )
