"""Spans: work and waiting between a request and its answer, by the pairing rules of spec/cosmonapse.md 8."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kit.store.store import Store
from kit.trace.forest import NO_TIME, Forest, Ints, Lent, Mask, forest, ints

KINDS = {
    "TASK": "task",
    "TOOL_CALL": "tool",
    "RECALL": "recall",
    "IMPRINT": "imprint",
    "CLARIFICATION": "clarification",
    "PERMISSION": "permission",
    "TASK_OFFER": "auction",
}
"""Kind of the span that a signal of this type opens."""

ANSWERS = {
    "TASK": ("AGENT_OUTPUT", "CLARIFICATION", "PERMISSION", "ERROR"),
    "TOOL_CALL": ("TOOL_RESULT",),
    "RECALL": ("RECALLED",),
    "IMPRINT": ("IMPRINTED",),
    "CLARIFICATION": ("CLARIFICATION_ANSWER", "TASK"),
    "PERMISSION": ("PERMISSION_DECISION", "TASK"),
}
"""What closes a request when it names it as its parent. An auction is closed by the TASK_AWARDED of one of its bids."""

SCHEMA = pa.schema(
    [
        ("run", pa.string()),
        ("span_id", pa.string()),
        ("trace_id", pa.string()),
        ("parent_span", pa.string()),
        ("kind", pa.string()),
        ("name", pa.string()),
        ("neuron", pa.string()),
        ("start", pa.timestamp("us", tz="UTC")),
        ("end", pa.timestamp("us", tz="UTC")),
        ("duration_ms", pa.float64()),
        ("service_start", pa.timestamp("us", tz="UTC")),
        ("queue_ms", pa.float64()),
        ("service_ms", pa.float64()),
        ("inferred", pa.bool_()),
        ("status", pa.string()),
        ("close_id", pa.string()),
        ("guessed", pa.bool_()),
    ]
)


def spans(
    store: Store, *, run: str | None = None, traces: Sequence[str] | None = None, grown: Forest | None = None
) -> pa.Table:
    """Return one row per span, in the order of their start; the columns are those of SCHEMA.

    `span_id` is the opening signal (or the phantom TASK of an award, which starts at the award), `close_id` the one
    that closes it: the first answer that names it as parent, else, `guessed`, the nearest answer after it on the trace
    that names no request. A question is answered by the discrete answer or by a follow-up TASK, whichever is first.
    Without an answer a STOP on the trace ends it (status stopped), else `end` is NULL (status open). Other statuses:
    ok, error, denied; a TASK that was answered by a question has the status clarification or permission.

    `parent_span` is the nearest opening signal above. `neuron` is who works: the answering neuron of a TASK (else its
    addressee), the effector, the engram, the asker of a question, the winner of an auction. `name` is the tool, the
    recall mode, the imprint operation, the question, the action, else the neuron.
    `duration_ms` is negative where clocks disagree.

    Queue and service are inferred for answered TASKs: service starts at the later of the TASK and the same neuron's
    previous completion, in the whole run even where `traces` selects a few (design.md section 3).
    """
    grown = forest(store, run) if grown is None else grown
    opening = np.flatnonzero(grown.of_type(*KINDS))
    opening = opening[np.argsort(grown.rank[opening], kind="stable")]
    close, guessed = paired(grown)
    close, stopped = _stopped(grown, close)
    wanted = _selected(grown, traces)[grown.trace[opening]]
    opening = opening[wanted | grown.of_type("TASK")[opening]]
    closing = close[opening]
    texts = _texts(store, grown, opening, closing)
    start, end = grown.ts[opening], np.where(closing >= 0, grown.ts[closing], NO_TIME)
    answered = (closing >= 0) & ~stopped[opening] & grown.of_type("TASK")[opening]
    service = _service(grown, opening, texts["neuron"], start, end, answered)
    columns = {
        **{name: texts[name] for name in ("run", "span_id", "trace_id", "name", "neuron", "status", "close_id")},
        "kind": pa.array([KINDS.get(name) for name in grown.types], pa.string()).take(pa.array(grown.type[opening])),
        "parent_span": texts["span_id"].take(_parents(grown, opening)),
        "start": _moments(start),
        "end": _moments(end),
        "duration_ms": _milliseconds(start, end),
        "service_start": _moments(service),
        "queue_ms": _milliseconds(start, service),
        "service_ms": _milliseconds(service, end),
        "inferred": pa.array(service != NO_TIME),
        "guessed": pa.array(guessed[opening]),
    }
    table = pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)
    keep = _selected(grown, traces)[grown.trace[opening]]
    return table if keep.all() else table.filter(pa.array(keep))


def paired(grown: Forest) -> tuple[Ints, Mask]:
    """Return for each event the position of the signal that closes it, or -1, and whether that is a guess."""
    close = np.full(len(grown), -1)
    position = np.flatnonzero(grown.up >= 0)
    above = grown.up[position]
    asked = _answer_matrix(grown.types)[grown.type[position], grown.type[above]]
    bid = grown.of_type("TASK_AWARDED")[position] & grown.of_type("BID")[above] & (grown.up[above] >= 0)
    offer = np.where(bid, grown.up[above], above)
    awarded = grown.of_type("TASK_AWARDED")[position] & grown.of_type("TASK_OFFER")[offer]
    request = np.where(awarded, offer, above)
    hit = asked | awarded
    # Positions are in (ts, id) order: written backwards, the first answer stays.
    close[request[hit][::-1]] = position[hit][::-1]
    guessed = np.zeros(len(grown), dtype=bool)
    matched = np.zeros(len(grown), dtype=bool)
    matched[position[hit]] = True
    for asking, answers in ANSWERS.items():
        answer = grown.of_type(*(name for name in answers if name != "TASK")) & ~matched
        if asking == "TASK":
            # An answer whose parent is known to be something else is not the answer of a TASK.
            answer &= grown.up < 0
        requests, replies = _nearest(grown, np.flatnonzero(grown.of_type(asking) & (close < 0)), np.flatnonzero(answer))
        close[requests] = replies
        guessed[requests] = True
    return close, guessed


def _answer_matrix(types: Sequence[str]) -> Mask:
    """Return whether a signal of type i answers one of type j."""
    return np.array([[answer in ANSWERS.get(asking, ()) for asking in types] for answer in types], dtype=bool).reshape(
        len(types), len(types)
    )


def _nearest(grown: Forest, requests: Ints, replies: Ints) -> tuple[Ints, Ints]:
    """Pair each reply with the nearest earlier request of its trace that is still free, like closing brackets."""
    if not len(requests) or not len(replies):
        return requests[:0], replies[:0]
    position = np.concatenate([requests, replies])
    step = np.repeat([1, -1], [len(requests), len(replies)])
    order = np.lexsort((grown.rank[position], grown.trace[position]))
    position, step = position[order], step[order]
    first = np.concatenate([[True], np.diff(grown.trace[position]) != 0])
    group = np.cumsum(first) - 1
    # One running sum for all traces: far enough apart that a trace's minimum cannot reach into the next.
    floor = -group * 2 * (len(position) + 1)
    total = np.cumsum(step)
    total += floor - (total - step)[first][group]
    low = np.minimum(np.minimum.accumulate(total), floor)
    free = (step < 0) & (low < np.where(first, floor, np.concatenate([[0], low[:-1]])))
    level = np.where(step > 0, total - low, total - low + 1)
    kept = np.flatnonzero(~free)
    kept = kept[np.lexsort((kept, level[kept], group[kept]))]
    left, right = kept[:-1], kept[1:]
    pair = (step[left] > 0) & (step[right] < 0) & (group[left] == group[right]) & (level[left] == level[right])
    return position[left[pair]], position[right[pair]]


def _stopped(grown: Forest, close: Ints) -> tuple[Ints, Mask]:
    """Close what is still open by the next STOP of its trace; return the closes and which of them are such."""
    rank = grown.rank
    stops = np.flatnonzero(grown.of_type("STOP"))
    height = 2 * (len(grown) + 1)
    keys = grown.trace[stops] * height + rank[stops]
    order = np.argsort(keys)
    stops, keys = stops[order], keys[order]
    opened = np.flatnonzero(grown.of_type(*KINDS) & (close < 0))
    place = np.searchsorted(keys, grown.trace[opened] * height + rank[opened])
    inside = place < len(stops)
    opened, place = opened[inside], place[inside]
    same = grown.trace[stops[place]] == grown.trace[opened]
    close = close.copy()
    close[opened[same]] = stops[place[same]]
    stopped = np.zeros(len(grown), dtype=bool)
    stopped[opened[same]] = True
    return close, stopped


def _parents(grown: Forest, opening: Ints) -> pa.Array:
    """Return for each span the index of its parent span in `opening`, NULL where there is none among them."""
    top = len(grown)
    index = np.full(top + 1, -1)
    index[opening] = np.arange(len(opening))
    opener = np.append(grown.of_type(*KINDS), True)
    above = np.append(np.where(grown.up >= 0, grown.up, top), top)
    nearest = np.where(opener, np.arange(top + 1), above)
    while True:
        further = nearest[nearest]
        if np.array_equal(further, nearest):
            break
        nearest = further
    found = index[nearest[above[opening]]]
    return pa.array(found, mask=found < 0)


def _service(grown: Forest, opening: Ints, neuron: pa.ChunkedArray, start: Ints, end: Ints, answered: Mask) -> Ints:
    """Return when service starts, or NO_TIME: the later of the start and the neuron's previous completion."""
    service = np.full(len(opening), NO_TIME)
    codes = ints(pc.fill_null(neuron.combine_chunks().dictionary_encode().indices, -1))
    place = np.flatnonzero(answered & (codes >= 0) & (start != NO_TIME) & (end != NO_TIME))
    runs = ints(grown.traces["run"].combine_chunks().dictionary_encode().indices)
    run = runs[grown.trace[opening[place]]]
    order = np.lexsort((place, end[place], codes[place], run))
    place, run = place[order], run[order]
    same = (codes[place][1:] == codes[place][:-1]) & (run[1:] == run[:-1])
    before = np.full(len(place), np.iinfo(np.int64).min)
    before[1:][same] = end[place][:-1][same]
    service[place] = np.maximum(start[place], before)
    return service


def _selected(grown: Forest, traces: Sequence[str] | None) -> Mask:
    """Return per trace whether it is wanted."""
    if traces is None:
        return np.ones(len(grown.traces), dtype=bool)
    wanted = pc.is_in(grown.traces["trace_id"], value_set=pa.array(list(traces), pa.string()))
    return ints(wanted.cast(pa.int8())) > 0


def _texts(store: Store, grown: Forest, opening: Ints, closing: Ints) -> dict[str, pa.ChunkedArray]:
    """Return run, span_id, trace_id, name, neuron, status and close_id of each span."""
    phantoms = grown.phantoms.select(["run", "id", "trace_id", "directed_id"])
    rows = {"number": np.arange(len(opening)), "open": grown.row[opening]}
    rows["close"] = np.where(closing >= 0, grown.row[closing], -1) if len(grown) else closing
    with Lent(store) as lent:
        lent("forest_spans", pa.table(rows))
        lent("forest_phantoms", phantoms.append_column("row", pa.array(-3 - np.arange(len(phantoms)))))
        found = store.arrow(_TEXTS)
    return {name: found[name] for name in found.column_names}


def _moments(us: Ints) -> pa.Array:
    return pa.array(us, mask=us == NO_TIME).cast(pa.timestamp("us", tz="UTC"))


def _milliseconds(start: Ints, end: Ints) -> pa.Array:
    known: npt.NDArray[np.bool_] = (start != NO_TIME) & (end != NO_TIME)
    return pa.array(np.where(known, end - np.where(known, start, 0), 0) / 1000, mask=~known)


_TEXTS = """
WITH opened AS (
    SELECT n.number, n.close, s.run, s.id, s.trace_id, s.type, s.directed_id, s.directed_type, CASE s.type
        WHEN 'TOOL_CALL' THEN s.payload ->> '$.tool'
        WHEN 'RECALL' THEN s.payload ->> '$.recall_mode'
        WHEN 'IMPRINT' THEN s.payload ->> '$.op'
        WHEN 'CLARIFICATION' THEN s.payload ->> '$.question'
        WHEN 'PERMISSION' THEN s.payload ->> '$.action'
    END AS name
    FROM forest_spans n JOIN signals s ON s.rowid = n.open
    UNION ALL
    SELECT n.number, n.close, p.run, p.id, p.trace_id, 'TASK', p.directed_id, NULL, NULL
    FROM forest_spans n JOIN forest_phantoms p ON p.row = n.open
), closed AS (
    SELECT s.rowid AS row, s.id, s.type, s.directed_id, CASE
        WHEN s.type IN ('ERROR', 'STOP') THEN CASE s.type WHEN 'STOP' THEN 'stopped' ELSE 'error' END
        WHEN s.type IN ('TOOL_RESULT', 'RECALLED', 'IMPRINTED')
            THEN CASE WHEN (s.payload ->> '$.error') IS NOT NULL THEN 'error' ELSE 'ok' END
        WHEN s.type = 'PERMISSION_DECISION'
            THEN CASE WHEN (s.payload ->> '$.granted') = 'false' THEN 'denied' ELSE 'ok' END
        WHEN s.type = 'TASK'
            THEN CASE WHEN (s.payload ->> '$.input.permission.granted') = 'false' THEN 'denied' ELSE 'ok' END
        WHEN s.type IN ('CLARIFICATION', 'PERMISSION') THEN lower(s.type)
        ELSE 'ok'
    END AS status
    FROM signals s SEMI JOIN forest_spans n ON n.close = s.rowid
), named AS (
    SELECT o.*, c.id AS close_id, coalesce(c.status, 'open') AS status, CASE
        WHEN o.type IN ('CLARIFICATION', 'PERMISSION') THEN o.directed_id
        WHEN c.type = 'STOP' THEN coalesce(o.directed_id, o.directed_type)
        WHEN o.type = 'TASK_OFFER' THEN c.directed_id
        ELSE coalesce(c.directed_id, o.directed_id, o.directed_type)
    END AS neuron
    FROM opened o LEFT JOIN closed c ON c.row = o.close
)
SELECT run, id AS span_id, trace_id, coalesce(name, neuron) AS name, neuron, status, close_id
FROM named ORDER BY number
"""
