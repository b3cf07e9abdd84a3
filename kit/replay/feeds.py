"""Simulated receivers as sinks: a namespace in virtual time, a kernel of records, the streams of a cluster."""

import json
from collections import deque
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from kit.align.logs import TABLES
from kit.auki import ResourceEntry, StreamDecision, StreamItem, StreamRequest, sim
from kit.auki.decision import DeclineReason
from kit.auki.log_source import PAYLOADS, ServedLog
from kit.auki.payload import decode
from kit.auki.sample import sample_of
from kit.errors import LogError, NotFoundError, SourceError, TransportError
from kit.kernel import Event
from kit.replay.event import PlayedEvent
from kit.replay.sink import Sink
from kit.sim import Namespace
from kit.store.store import Store
from kit.syncropel.testing import MockKernel

ASKED = frozenset({"RECALL", "IMPRINT", "TOOL_CALL"})
FIELDS = ("act", "actor", "body", "clock", "data_type", "parents", "thread")


class Simulated(Sink):
    """A `kit.Namespace`: captured signals go over its bus at their distances, in virtual time, with their ids and stamps.

    What somebody of the namespace would say himself is not put into his mouth: the replies, requests and registrations
    of neurons, Engrams and Effectors that it hosts are skipped, with what follows from them. `ns.finish()` ends the run.
    """

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.name = f"namespace {namespace.name!r}"
        self._from: tuple[int, float] | None = None
        self._here: set[str] = set()
        """Ids of what the namespace does itself: tasks of its neurons, and what was skipped."""

    def deliver(self, event: PlayedEvent) -> None:
        """Let virtual time pass up to an event, and publish it."""
        ns = self.namespace
        if event.family != "signals":
            self.skipped += 1
            return
        if self._from is None:
            ns.start()
            self._from = (event.due_ns, ns.now_s)
        start, base = self._from
        ahead = round((base - ns.now_s) * 1e6) + (event.due_ns - start) // 1000
        ns.advance(timedelta(microseconds=max(0, ahead)))
        signal = event.signal
        hosted = event.actor in ns.axons
        own = event.actor in ns.engrams or any(event.actor in node.effectors for node in ns.dendrites.values())
        asked = event.kind in ASKED or event.kind == "TASK"
        if (
            (not asked and event.kind not in ("TASK_OFFER", "TASK_AWARDED", "TASK_DECLINED") and (hosted or own))
            or (asked and signal.parent_id in self._here)
            or (not asked and signal.parent_id in self._here and event.kind != "STOP")
        ):
            if event.kind != "TASK":
                self._here.add(event.id)
            self.skipped += 1
            return
        if event.kind == "TASK" and hosted:
            self._here.add(event.id)
        ns.synapse.publish(ns.orchestrator.enveloped(signal))


class Kernel(Sink):
    """A `MockKernel`: each record is posted, and gets the id that its content has."""

    rewinds = True

    def __init__(self, kernel: MockKernel) -> None:
        self.kernel = kernel
        self.name = "a mock kernel"

    def deliver(self, event: PlayedEvent) -> None:
        """Post a record. Raises TransportError where the kernel refuses it, or breaks off as it was told to."""
        if event.family != "records":
            self.skipped += 1
            return
        whole = event.json
        record = whole.get("record", whole) if isinstance(whole, dict) else {}
        body = json.dumps({name: record[name] for name in FIELDS if name in record}, ensure_ascii=False).encode()
        try:
            answer = self.kernel.answer("POST", "/v1/records", {}, body, None)
        except Exception as error:
            raise TransportError(f"the kernel did not take record {event.id!r}: {error}") from error
        if answer.status >= 300:
            raise TransportError(f"the kernel refused record {event.id!r}: {answer.status} {answer.content!r:.200}")

    def rewind(self) -> None:
        """Forget all records of the kernel."""
        self.kernel.clear()


class Streams(Sink):
    """The streams of a simulated cluster: entries of logs reach whoever has opened them, in virtual time.

    streams = Streams(study)
    robot = ClusterManager.create_cluster(seed, "lab", url, stream_provider=streams.provider)
    robot.set_resource_catalog_provider(streams.catalog)

    A stream carries what is played from then on; entries of logs that nobody has opened are skipped, as is all else.
    """

    name = "streams of a cluster"

    def __init__(self, store: Store, *, run: str | None = None) -> None:
        self._store = store
        self._logs: dict[str, ServedLog] = {}
        self._open: dict[str, list[_Queue]] = {}
        self._from: tuple[int, int] | None = None
        for log_id, uri in store.execute(_MANIFESTS, {"run": run}):
            try:
                self._logs[log_id] = ServedLog(Path(uri).parent, sealed=False)
            except (LogError, OSError):
                continue
        if not self._logs:
            raise NotFoundError(
                "no log of this store has its manifest where it was loaded from, so none can be streamed"
            )

    def catalog(self) -> list[ResourceEntry]:
        """Return the catalog rows of the logs."""
        return [log.row() for log in self._logs.values()]

    def provider(self, peer_id: str, request: StreamRequest) -> StreamDecision:
        """Answer a request for a stream."""
        for log_id, log in self._logs.items():
            if log.resource_id == request.resource_id and request.source_peer_id in ("", log.source_peer_id):
                queue = _Queue(sim.clock.event(log_id))
                self._open.setdefault(log_id, []).append(queue)
                accept = getattr(StreamDecision, f"accept_{log.kind}", None)
                if accept is None:
                    return StreamDecision.decline(DeclineReason.other(detail=f"no stream of {log.kind}"))
                made: StreamDecision = accept(manifest=log.manifest, source=queue.items())
                return made
        return StreamDecision.decline(DeclineReason.sensor_not_found())

    def deliver(self, event: PlayedEvent) -> None:
        """Let virtual time pass up to an entry, and hand it to the streams of its log."""
        if self._from is None:
            self._from = (event.due_ns, sim.clock.now)
        due = self._from[1] + event.due_ns - self._from[0]
        sim.clock.advance(max(0, due - sim.clock.now))
        queues = self._open.get(event.group_id, [])
        if event.family != "logs" or not queues:
            self.skipped += 1
            return
        item = self._item(event)
        for queue in queues:
            queue.put(item)
        sim.clock.advance(0)

    def _item(self, event: PlayedEvent) -> StreamItem:
        log = self._logs[event.group_id]
        seq = int(event.id.rpartition("#")[2])
        kind = PAYLOADS[log.kind]
        found = self._store.execute(_ENTRY.format(TABLES[kind]), [event.run, event.group_id, seq])
        if not found:
            raise SourceError(f"entry {event.id!r} is not in the store any more")
        source_id, offset, length, ts_ns = found[0]
        values = decode(kind, self._store.file_bytes(source_id, offset, length))[0]
        return StreamItem(timestamp_ns=ts_ns, payload=sample_of(log.kind, values))


class _Queue:
    """Items on their way to a consumer."""

    def __init__(self, news: Event) -> None:
        self._items: deque[StreamItem] = deque()
        self._news = news

    def put(self, item: StreamItem) -> None:
        self._items.append(item)
        news, self._news = self._news, sim.clock.event("entries")
        news.trigger()

    async def items(self) -> AsyncIterator[StreamItem]:
        while True:
            while self._items:
                yield self._items.popleft()
            await self._news


_MANIFESTS = """
SELECT l.log_id, s.uri FROM logs l JOIN sources s ON s.run = l.run AND s.source_id = l.source_id
WHERE $run IS NULL OR l.run = $run ORDER BY l.log_id
"""
_ENTRY = (
    'SELECT source_id, "offset", length, ts_ns FROM {} WHERE run = ? AND log_id = ? AND seq = ? ORDER BY line LIMIT 1'
)


def feed_of(target: Any) -> Sink | None:
    """Return a sink for a Namespace or a MockKernel, None for all else."""
    if isinstance(target, Namespace):
        return Simulated(target)
    return Kernel(target) if isinstance(target, MockKernel) else None
