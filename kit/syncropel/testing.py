"""A Syncropel server in memory, to test against: in process, or on a port of this machine.

    kernel = MockKernel()
    client = Client(identity=Identity.static("did:test:me"), transport=kernel.transport())

    with MockKernel().serve() as served:                 # or behind a real port
        client = Client(endpoint=served.url, identity=Identity.static("did:test:me"))

Answers, ids and refusals are those of the mock that the published package ships (spec/syncropel.md 9). What it
lacks of a real server is there on demand: `MockKernel.full()` has all of it.
"""

import contextvars
import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote

from kit import ids
from kit.errors import ArgumentError
from kit.syncropel.answer import Answer, Broken
from kit.syncropel.canonical import server_id
from kit.syncropel.filter import select, sort_key
from kit.syncropel.watch import End, Follower, Watch, Watchers, at_or_after, frame

if TYPE_CHECKING:
    import httpx

    from kit.syncropel.served import Served

__all__ = ["MockKernel"]

LIST_LIMIT = 100
HEARTBEAT_S = 30.0
DEFAULTS: dict[str, Any] = {
    "act": None,
    "actor": None,
    "body": {},
    "clock": 0,
    "data_type": "SCALAR",
    "parents": [],
    "thread": "",
}


class MockKernel:
    """A server that keeps its records in memory: `records` in the order they came, `threads` by thread.

    Without arguments it stores a record twice that comes twice, and ignores `since` and `limit` of threads. On demand:
    `deduplicate` answers a repeat with the record it has; `windows` heeds `since` and `limit` and gives a thread in the
    order of its clock; `queries` has `/v1/records/query`; `watches` has `/v1/threads/<id>/watch`, with a heartbeat
    every `heartbeat_s`; `seed` stamps `created_at` from a clock that is the same on every run; `latency_s` holds each
    answer back. It may be used from several threads.
    """

    def __init__(
        self,
        *,
        deduplicate: bool = False,
        windows: bool = False,
        queries: bool = False,
        watches: bool = False,
        heartbeat_s: float = HEARTBEAT_S,
        latency_s: float = 0.0,
        seed: int | None = None,
    ) -> None:
        self.records: list[dict[str, Any]] = []
        self.threads: dict[str, list[dict[str, Any]]] = {}
        self.latency_s = latency_s
        self._deduplicate, self._windows, self._queries, self._watches = deduplicate, windows, queries, watches
        self._heartbeat_s = heartbeat_s
        self._lock = threading.RLock()
        self._watchers = Watchers()
        self._clock = None if seed is None else _seeded_clock(seed)
        self._failures: Counter[str] = Counter()
        self._statuses: dict[str, deque[Answer]] = {"GET": deque(), "POST": deque()}
        self._cuts: deque[int] = deque()
        self._ends: list[bytes] = []
        self._reset()

    @classmethod
    def full(cls, *, seed: int | None = None) -> Self:
        """A kernel with all that a real server has and the plain mock lacks."""
        return cls(deduplicate=True, windows=True, queries=True, watches=True, seed=seed)

    # Ways in

    def transport(self) -> "httpx.MockTransport":
        """An httpx transport, for async and for plain clients, that leads to this kernel and nowhere else."""
        from kit.syncropel.transport import KernelTransport

        return KernelTransport(self)

    def serve(self, port: int = 0) -> "Served":
        """The kernel behind a port of this machine, until `close()` or the end of a `with` block; 0 takes a free one.

        Only this machine can reach it. Raises OSError where the port is taken.
        """
        from kit.syncropel.served import Served

        return Served(self, port)

    def answer(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, last_event_id: str | None
    ) -> Answer:
        """The answer to one request; `path` as on the wire, percent-encoded. Raises Broken where none comes."""
        with self._lock:
            writes = (method, path) == ("POST", "/v1/records")
            if method == "GET" or writes:
                self._break_if_told(f"fail {method}", "mock-injected failure")
            if self._statuses.get(method):
                return self._statuses[method].popleft()
            answer = self._ingest(body) if writes else self._other(method, path, query, body, last_event_id)
            if writes:
                self._break_if_told("lose", "mock-injected lost answer", stored=True)
            return answer

    # Inspectors

    family = "records"
    """What its lines are, for `study.load(kernel)`."""

    def records_in(self, thread: str) -> list[dict[str, Any]]:
        """The records of a thread, as stored."""
        return list(self.threads.get(thread, []))

    def records_by_kind(self, kind: str) -> list[dict[str, Any]]:
        """The records whose body has this kind."""
        return [record for record in self.records if _kind(record) == kind]

    def records_by_actor(self, actor: str) -> list[dict[str, Any]]:
        """The records of this actor."""
        return [record for record in self.records if record["actor"] == actor]

    def count(self) -> int:
        """How many records are stored, repeats included."""
        return len(self.records)

    def lines(self) -> Iterator[str]:
        """The stored records as `study.load(kernel)` takes them: a line each, in the text of a list answer."""
        with self._lock:
            stored = list(self.records)
        return map(_text, stored)

    def clear(self) -> None:
        """Forget all records, counts and injected faults."""
        with self._lock:
            self._reset()
            self._failures.clear()
            self._cuts.clear()
            self._ends.clear()
            for statuses in self._statuses.values():
                statuses.clear()

    # Faults

    def fail_next_post(self, n: int = 1) -> None:
        """Let the next `n` POSTs of records fail to connect, on top of those told before."""
        self._failures["fail POST"] += n

    def fail_next_get(self, n: int = 1) -> None:
        """Let the next `n` GETs fail to connect, on top of those told before."""
        self._failures["fail GET"] += n

    def lose_next_answer(self, n: int = 1) -> None:
        """Let the next `n` records be stored, and the connection break before the answer."""
        self._failures["lose"] += n

    def answer_next(self, status: int, n: int = 1, *, method: str = "POST", text: str = "mock-injected status") -> None:
        """Answer the next `n` requests with this status and text, without heeding them."""
        if method not in self._statuses:
            raise ArgumentError(f"method must be 'GET' or 'POST', got {method!r}")
        self._statuses[method].extend([Answer(status, text.encode())] * n)

    def cut_next_watch(self, after: int = 0) -> None:
        """Let the next stream break in the middle of an event, after `after` whole ones."""
        self._cuts.append(after)

    def end_watches(self, reason: str = "server_shutdown", retry_after_ms: int = 0) -> None:
        """End all streams that are open, as a server does that shuts down, or with `lagged` or another error."""
        if reason == "server_shutdown":
            last = frame(reason, {"retry_after_ms": retry_after_ms})
        else:
            last = frame("error", {"code": reason, "message": f"mock-injected {reason}"})
        with self._lock:
            self._ends.append(last)
        self._watchers.wake()

    # Requests

    def _other(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, last_event_id: str | None
    ) -> Answer:
        if (method, path) == ("GET", "/health"):
            return _json(200, {"status": "ok", "store": "mock", "records": len(self.records)})
        if (method, path) == ("GET", "/v1/records"):
            return self._list(query)
        if method == "GET" and (thread := _thread(path, "/records")) is not None:
            return self._thread(thread, query)
        if self._watches and method == "GET" and (thread := _thread(path, "/watch")) is not None:
            return Answer(200, self._watch(thread, query.get("since_clock"), last_event_id))
        if self._queries and (method, path) == ("POST", "/v1/records/query"):
            return self._query(body)
        return _json(404, {"error": f"mock: no handler for {method} {unquote(path)}"})

    def _ingest(self, body: bytes) -> Answer:
        self._sequence += 1
        try:
            posted = json.loads(body)
            if not isinstance(posted, dict):
                raise ValueError(f"a record is an object, got {type(posted).__name__}")
            record = {name: posted.get(name, copy(default)) for name, default in DEFAULTS.items()}
            id = server_id(posted)
            place = record["thread"], record["actor"], record["clock"]
            taken = self._ids.setdefault(place, id)
        except (ValueError, TypeError, RecursionError) as error:
            return _refused(f"{type(error).__name__}: {error}")
        if taken != id:
            return _refused("DuplicateClock: thread={} actor={} clock={}".format(*place))
        if self._deduplicate and id in self._first:
            return _json(200, self._first[id])
        stored = {"object": "record", "id": id, **record}
        if self._clock is not None:
            stored["created_at"] = self._clock()
        self._store(stored)
        answer = {**stored, "sequence": self._sequence}
        self._first.setdefault(id, answer)
        return _json(200, answer)

    def _store(self, stored: dict[str, Any]) -> None:
        thread = stored["thread"]
        self.records.append(stored)
        self.threads.setdefault(thread, []).append(stored)
        self._sequences.setdefault(thread, []).append(self._sequence)
        self._watchers.wake()

    def _list(self, query: Mapping[str, str]) -> Answer:
        found = self.records
        for name in ("thread", "actor"):
            if query.get(name):
                found = [record for record in found if record[name] == query[name]]
        if self._windows:
            found = _since(found, query.get("since"))
        return _listed(found[: int(query.get("limit", LIST_LIMIT))])

    def _thread(self, thread: str, query: Mapping[str, str]) -> Answer:
        found = self.threads.get(thread, [])
        if self._windows:
            found = sorted(found, key=lambda record: sort_key(record["clock"]))
            found = _since(found, query.get("since"))[: int(query.get("limit", LIST_LIMIT))]
        return _listed(found)

    def _query(self, body: bytes) -> Answer:
        try:
            return _json(200, select(self.records, json.loads(body)))
        except (ArgumentError, ValueError, RecursionError) as error:
            return _json(
                400, {"object": "error", "type": "invalid_request", "code": "BAD_FILTER", "message": str(error)}
            )

    def _watch(self, thread: str, since_clock: str | None, last_event_id: str | None) -> Watch:
        """Return the stream of a thread: behind an event, from a clock on, or from now on."""
        if last_event_id is not None:
            after, least = int(last_event_id) if last_event_id.isdecimal() else 0, None
        else:
            after, least = (self._sequence, None) if since_clock is None else (0, int(since_clock))
        follower = Follower(after, least, self._cuts.popleft() if self._cuts else None)
        ends_before = len(self._ends)

        def pending() -> list[bytes | End]:
            with self._lock:
                held, numbers = self.threads.get(thread, []), self._sequences.get(thread, [])
                return follower.due(held, numbers, self._ends[ends_before:])

        return Watch(pending, self._watchers, self._heartbeat_s)

    def _break_if_told(self, what: str, message: str, *, stored: bool = False) -> None:
        if self._failures[what] > 0:
            self._failures[what] -= 1
            raise Broken(message, stored)

    def _reset(self) -> None:
        self.records.clear()
        self.threads.clear()
        self._sequence = 0
        self._sequences: dict[str, list[int]] = {}
        self._ids: dict[tuple[Any, Any, Any], str] = {}
        self._first: dict[str, dict[str, Any]] = {}


def _thread(path: str, what: str) -> str | None:
    """Return the thread of `/v1/threads/<thread><what>`, None for another path."""
    lead = "/v1/threads/"
    if not path.startswith(lead) or not path.endswith(what) or len(path) < len(lead) + len(what):
        return None
    return unquote(path[len(lead) : -len(what)])


def _since(records: list[dict[str, Any]], since: str | None) -> list[dict[str, Any]]:
    return records if since is None else [record for record in records if at_or_after(record, int(since))]


def _kind(record: Mapping[str, Any]) -> Any:
    body = record["body"]
    return body.get("kind") if isinstance(body, dict) else None


def _listed(records: list[dict[str, Any]]) -> Answer:
    return _json(200, {"object": "list", "data": records})


def _refused(message: str) -> Answer:
    return _json(400, {"error": "INGEST_FAILED", "message": message})


def _json(status: int, value: Any) -> Answer:
    return Answer(status, _text(value).encode("utf-8", "surrogatepass"))


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _seeded_clock(seed: int) -> Callable[[], str]:
    """Return a clock of its own that gives the same times on every run."""
    with ids.seeded(seed):
        context = contextvars.copy_context()
    return lambda: context.run(ids.now).isoformat(timespec="microseconds").replace("+00:00", "Z")
