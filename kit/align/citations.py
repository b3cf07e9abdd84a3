"""What signals and records cite of the logs: a log and an instant on its clock, and what they say of it.

A tool result cites in its `result`, a record in its `body`, by the keys `log` (a resource id), `ts_ns` (on that log's clock)
and `peer`. A record names the signal it is about in `signal_id`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kit.store.store import Store

RESULTS = """
SELECT r.id, c.id, r.trace_id, epoch_ns(c.ts), epoch_ns(r.ts), coalesce(c.directed_id, r.directed_id),
       (r.payload -> '$.result')::VARCHAR, (c.payload -> '$.args')::VARCHAR, r.payload ->> '$.tool'
FROM signals r
LEFT JOIN signals c ON c.canonical AND c.run = r.run AND c.id = r.parent_id AND c.type = 'TOOL_CALL'
WHERE r.canonical AND r.type = 'TOOL_RESULT' AND r.run = $run
ORDER BY r.ts NULLS LAST, r.id
"""
RECORDS = """
SELECT id, source_id, line, thread, actor, kind, integrity, clock, body::VARCHAR
FROM records
WHERE canonical AND run = $run
  AND (json_exists(body, '$.log') OR json_exists(body, '$.signal_id') OR json_exists(body, '$.ts_ns'))
ORDER BY clock NULLS LAST, id
"""
INT64 = range(-(1 << 63), 1 << 63)


@dataclass(frozen=True)
class Result:
    """A tool's answer: the call it answers, when both were said (UTC nanoseconds), and its `result`."""

    id: str
    call_id: str | None
    trace_id: str
    call_ns: int | None
    result_ns: int | None
    peer: str | None
    tool: str | None
    said: Mapping[str, Any]
    args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cited(self) -> "Citation | None":
        """The log and instant of its result, None where it cites none."""
        return citation(self.said, self.peer)


@dataclass(frozen=True)
class Statement:
    """A record that cites a log, or says which signal it is about."""

    id: str | None
    source_id: int
    line: int
    thread: str | None
    actor: str | None
    kind: str | None
    integrity: str
    clock: int | None
    said: Mapping[str, Any]

    @property
    def signal_id(self) -> str | None:
        """The signal it is about."""
        found = self.said.get("signal_id")
        return found if isinstance(found, str) else None

    @property
    def cited(self) -> "Citation | None":
        """The log and instant it cites, None where it cites none."""
        return citation(self.said)


@dataclass(frozen=True)
class Citation:
    """A log by name, of a peer where that is said, and an instant on the log's clock."""

    log: str
    ts_ns: int
    peer: str | None = None


def citation(said: Mapping[str, Any], peer: str | None = None) -> Citation | None:
    """Return what an object cites, None where it lacks a log or a whole number of nanoseconds."""
    log, ts, told = said.get("log"), said.get("ts_ns"), said.get("peer")
    if not isinstance(log, str) or not isinstance(ts, int) or isinstance(ts, bool) or ts not in INT64:
        return None
    return Citation(log, ts, told if isinstance(told, str) else peer)


def results(store: Store, run: str | None) -> list[Result]:
    """Return the tool results of a run in the order of their times."""
    found = []
    for id_, call, trace, called, told, peer, said, args, tool in store.execute(RESULTS, {"run": run}):
        found.append(Result(id_, call, trace, called, told, peer, tool, _object(said), _object(args)))
    return found


def statements(store: Store, run: str | None) -> list[Statement]:
    """Return the records of a run that cite a log or name a signal, in the order of their clocks."""
    found = []
    for id_, source_id, line, thread, actor, kind, integrity, clock, body in store.execute(RECORDS, {"run": run}):
        found.append(Statement(id_, source_id, line, thread, actor, kind, integrity, clock, _object(body)))
    return found


def _object(text: str | None) -> Mapping[str, Any]:
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
