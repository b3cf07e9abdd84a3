"""A thread's stream of records without its connection: what to ask, what arrived, when to ask again.

The async and the sync tail share it (spec/syncropel.md 10). Nothing here waits, reads or writes.
"""

import json
import logging
import math
import random
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from kit import ids
from kit.errors import ArgumentError, SourceError, SubscribeError
from kit.syncropel.sse import FrameReader

__all__ = ["Arrival", "Ending", "Feed", "Hooks"]

SHUTDOWN_WAIT_S = 5.0
LONGEST_WAIT_S = 3600.0
MAX_DOUBLINGS = 30
REFUSALS_WORTH_A_RETRY = {408, 425, 429}
logger = logging.getLogger("syncropel")


class Arrival(NamedTuple):
    """One record as it came: the record, the text that carried it, and the cursor to go on behind it.

    `record` is None where the text holds no record; the text is kept, so that it can be put aside and counted.
    """

    record: dict[str, Any] | None
    raw: str
    cursor: str | None


class Ending(NamedTuple):
    """Why a connection ended. `wait_s` is what the server asked for; `final` means that another try is no use."""

    reason: str
    message: str
    wait_s: float | None = None
    final: bool = False


class Hooks(NamedTuple):
    """What the caller wants to hear; an exception in one is logged and goes no further."""

    on_error: Callable[[SubscribeError], object] | None = None
    on_open: Callable[[], object] | None = None
    on_heartbeat: Callable[[], object] | None = None


class Feed:
    """The state of one tail. `cursor` is the last event that was handed on; with it a later tail goes on there."""

    def __init__(
        self,
        thread: str,
        *,
        since_clock: int | None,
        cursor: str | None,
        hooks: Hooks,
        reconnect_base_s: float,
        reconnect_max_s: float,
        max_reconnects: float,
        remember: int,
        give_up_when_refused: bool,
    ) -> None:
        if not thread:
            raise ArgumentError("subscribe requires a non-empty thread id")
        self.thread = thread
        self.cursor = cursor
        self.connections = self.records = self.repeats = self.heartbeats = self.unreadable = 0
        self._since_clock = since_clock
        self._hooks = hooks
        self._base_s, self._max_s, self._max_reconnects = reconnect_base_s, reconnect_max_s, max_reconnects
        self._give_up_when_refused = give_up_when_refused
        self._attempt = 0
        self._reader = FrameReader()
        self._offered: set[str] = set()
        self._seen: set[str] = set()
        self._seen_order: deque[str] = deque()
        self._remember = remember
        self._jitter = random.Random(ids.random_bits(64))

    def params(self) -> dict[str, int]:
        """The query of the next request: `since_clock` until there is a cursor."""
        return {} if self._since_clock is None or self.cursor is not None else {"since_clock": self._since_clock}

    def headers(self, bearer: str | None) -> dict[str, str]:
        """The headers of the next request; compressed answers are not wanted, since they have no known size."""
        headers = {"accept": "text/event-stream", "accept-encoding": "identity", "cache-control": "no-cache"}
        if self.cursor is not None:
            headers["last-event-id"] = self.cursor
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        return headers

    def opened(self, status: int, encoding: str | None, text: str = "") -> Ending | None:
        """None for an answer that is a stream; otherwise why it is none."""
        if not 200 <= status < 300:
            refused = 400 <= status < 500 and status not in REFUSALS_WORTH_A_RETRY
            return Ending("transport_error", f"HTTP {status}: {text}", None, refused and self._give_up_when_refused)
        if encoding not in (None, "", "identity"):
            return Ending("transport_error", f"the stream is compressed with {encoding!r}, unasked")
        self.connections += 1
        self._reader = FrameReader()
        self._offered.clear()
        self._call(self._hooks.on_open)
        return None

    def arrived(self, chunk: bytes) -> tuple[list[Arrival], Ending | None]:
        """The new records in a chunk, and why the stream ends with it, if it does."""
        arrivals: list[Arrival] = []
        try:
            frames = self._reader.feed(chunk)
        except SourceError as error:
            return arrivals, Ending("transport_error", str(error))
        for frame in frames:
            if frame.event == "heartbeat":
                self._attempt = 0
                self.heartbeats += 1
                self._call(self._hooks.on_heartbeat)
            elif frame.event in ("error", "server_shutdown"):
                return arrivals, _ending(frame.event, frame.data)
            else:
                self._attempt = 0
                arrival = Arrival(self._record(frame.data), frame.data, frame.id)
                name = _name(arrival)
                if name is not None and (name in self._seen or name in self._offered):
                    self.repeats += 1
                    continue
                if name is not None and self._remember:
                    self._offered.add(name)
                arrivals.append(arrival)
        return arrivals, None

    def handed_on(self, arrivals: list[Arrival]) -> None:
        """Take note that these were delivered: a reconnect begins behind them, and repeats of them are left out."""
        for arrival in arrivals:
            self.records += arrival.record is not None
            if arrival.cursor is not None:
                self.cursor = arrival.cursor
            name = _name(arrival)
            if name is not None and self._remember:
                self._offered.discard(name)
                self._seen.add(name)
                self._seen_order.append(name)
                if len(self._seen_order) > self._remember:
                    self._seen.discard(self._seen_order.popleft())

    def ended(self, ending: Ending) -> tuple[SubscribeError, bool]:
        """The error to tell of an ending, and whether to connect again after its `next_retry_s`."""
        wait_s = ending.wait_s
        if wait_s is None:
            ceiling = min(self._max_s, self._base_s * 2 ** min(self._attempt, MAX_DOUBLINGS))
            wait_s = self._jitter.uniform(0, ceiling)
        error = SubscribeError(ending.reason, ending.message, self._attempt, wait_s)
        again = not ending.final and self._attempt < self._max_reconnects
        self._attempt += 1
        logger.info("tail of %r: %s: %s", self.thread, ending.reason, ending.message)
        self._call(self._hooks.on_error, error)
        return error, again

    def _record(self, data: str) -> dict[str, Any] | None:
        record = _record(data)
        if record is None:
            self.unreadable += 1
            logger.warning("tail of %r: an event holds no record: %.200r", self.thread, data)
        return record

    def _call(self, hook: Callable[..., object] | None, *args: object) -> None:
        if hook is None:
            return
        try:
            hook(*args)
        except Exception as error:
            logger.warning("subscribe hook raised %s; swallowing", type(error).__name__)


def _name(arrival: Arrival) -> str | None:
    name = None if arrival.record is None else arrival.record.get("id")
    return name if isinstance(name, str) else None


def _record(data: str) -> dict[str, Any] | None:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("record"), dict):
        return None
    record: dict[str, Any] = event["record"]
    if "id" in event:
        record.setdefault("id", event["id"])
    return record


def _ending(event: str, data: str) -> Ending:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        told = {}
    told = told if isinstance(told, dict) else {}
    if event == "server_shutdown":
        return Ending("server_shutdown", "disconnected: server_shutdown", _wait_s(told.get("retry_after_ms")))
    reason = "lagged" if told.get("code") == "lagged" else "transport_error"
    return Ending(reason, str(told.get("message") or told.get("code") or data))


def _wait_s(wait_ms: object) -> float:
    if isinstance(wait_ms, bool) or not isinstance(wait_ms, int | float) or not math.isfinite(wait_ms):
        return SHUTDOWN_WAIT_S
    return min(max(wait_ms / 1000, 0.0), LONGEST_WAIT_S)
