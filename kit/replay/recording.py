"""What neurons did in a capture: their tasks, what they asked, what they were answered, what they replied."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson
import pyarrow as pa

from kit.errors import ArgumentError, NotFoundError
from kit.replay.content import Step, counted, key_of
from kit.store.store import Store
from kit.trace.events import find_trace
from kit.trace.forest import Lent

REQUESTS = frozenset({"RECALL", "IMPRINT", "TOOL_CALL", "TASK"})
REPLIES = frozenset({"AGENT_OUTPUT", "ERROR", "CLARIFICATION", "PERMISSION"})
SAID = frozenset({"PLAN", "THOUGHT_DELTA", "MEMORY_APPEND", "CRITIQUE", "ESCALATION", "CONSENSUS", "CONTEXT_SYNC"})
"""What a neuron may say in between; it counts where the neuron itself is named as who says it."""
ANSWERS = frozenset({"RECALLED", "IMPRINTED", "TOOL_RESULT"})


@dataclass(frozen=True)
class Answer:
    """An answer to a request, and how many microseconds after it it came."""

    kind: str
    payload: dict[str, Any]
    to: str | None
    to_type: str | None
    delay_us: int


@dataclass(eq=False)
class Work:
    """One task that a neuron worked on: the TASK, and the steps it took, in order."""

    task_id: str
    trace_id: str
    neuron: str
    at_us: int
    payload: dict[str, Any]
    meta: dict[str, Any]
    parent_id: str | None
    steps: list[Step] = field(default_factory=list)
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """The answers to each request, by its id."""
    within: str | None = None
    """Id of the task of a replaced neuron that handed it on."""

    @property
    def replied(self) -> bool:
        """True where the capture holds the reply."""
        return bool(self.steps) and self.steps[-1].kind in REPLIES


@dataclass
class Recording:
    """The work of some neurons in a run, with all that was asked and answered."""

    run: str
    works: list[Work]
    interrupts: list[tuple[int, dict[str, Any]]]
    """STOP, FINAL and ERROR of others on the same traces: what ends requests that are under way."""
    capabilities: dict[str, tuple[str, ...]]
    addresses: set[tuple[str, str]]
    """Under which id or kind Engrams and Effectors were asked: (`RECALL` or `TOOL_CALL`, `id x` or `kind y`)."""
    notes: list[str]


def recording(
    store: Store, neurons: Iterable[str], *, run: str | None = None, traces: Sequence[str] | None = None
) -> Recording:
    """Return what `neurons` did in a run, or in some traces of it.

    A task is worked on by the neuron it names, else by who replied, else by the only neuron that registered for it;
    awarded work by the winner (its TASK is in no capture, spec/cosmonapse.md 5.3). Raises NotFoundError for a neuron that
    never worked, or a trace that is not there.
    """
    run = one_run(store, run)
    wanted = list(neurons)
    known = {name: tuple(told or ()) for name, told in store.execute(_CAPABILITIES, {"run": run})}
    works, notes = _tasks(store, run, wanted, known, traces)
    missing = [name for name in wanted if not any(work.neuron == name for work in works.values())]
    if missing:
        raise NotFoundError(_nobody(store, run, missing[0], traces))
    ordered = sorted(works.values(), key=lambda work: (work.at_us, work.task_id))
    recorded = Recording(run, ordered, [], known, set(), notes)
    with Lent(store) as lent:
        lent("replay_tasks", pa.table({"id": pa.array(list(works), pa.string())}))
        _steps(store, run, works, recorded)
        for trace_id, us, kind, id, parent, to, to_type, payload in store.execute(_INTERRUPTS, {"run": run}):
            line = {"trace_id": trace_id, "kind": kind, "id": id, "parent_id": parent, "to": to, "to_type": to_type}
            recorded.interrupts.append((us, {**line, "payload": _json(payload)}))
    for work in recorded.works:
        work.within = work.parent_id if work.parent_id in works else None
    recorded.interrupts = _needed(recorded)
    context = sum(1 for work in recorded.works if work.payload.get("context_ref"))
    if context:
        notes.append(
            f"{counted(context, 'context_ref')} in tasks, whose content no capture holds: give context= for it"
        )
    cut = sum(1 for work in recorded.works if not work.replied)
    if cut:
        notes.append(f"{counted(cut, 'task')} without a reply in the capture: compared as far as it goes")
    return recorded


def _tasks(
    store: Store, run: str, wanted: list[str], known: Mapping[str, tuple[str, ...]], traces: Sequence[str] | None
) -> tuple[dict[str, Work], list[str]]:
    """Return the tasks of some neurons by id, and in words which were left out."""
    notes = []
    with Lent(store) as lent:
        lent("replay_neurons", pa.table({"neuron": wanted}))
        chosen = "" if traces is None else "AND t.trace_id IN (SELECT trace_id FROM replay_traces)"
        if traces is not None:
            lent("replay_traces", pa.table({"trace_id": pa.array(_full(store, run, traces), pa.string())}))
        rows = store.arrow(_TASKS.format(chosen=chosen), {"run": run}).to_pylist()
        lost = store.execute(_SHARED.format(chosen=chosen), {"run": run})[0][0]
        silent = store.arrow(_SILENT.format(chosen=chosen), {"run": run}).to_pylist()
    works = {row["id"]: _work(row, row["neuron"]) for row in rows}
    unclear = 0
    for row in silent:
        asked = set(_json(row["payload"]).get("capabilities") or ())
        able = [name for name, has in known.items() if asked <= set(has)]
        if len(able) == 1 and able[0] in wanted:
            works[row["id"]] = _work(row, able[0])
        elif set(able) & set(wanted):
            unclear += 1
    if unclear:
        notes.append(f"{counted(unclear, 'task')} that nobody answered and several could have: left out")
    if lost:
        notes.append(
            f"{counted(lost, 'task')} that several neurons worked on at once: who asked what cannot be told apart"
        )
    return works, notes


def _work(row: Mapping[str, Any], neuron: str) -> Work:
    payload, meta = _json(row["payload"]), _json(row["meta"])
    return Work(row["id"], row["trace_id"], neuron, row["us"], payload, meta, row["parent_id"])


def _needed(recorded: Recording) -> list[tuple[int, dict[str, Any]]]:
    """Return the interrupts that came while a task of theirs was under way: others would only race with replies."""
    under_way: dict[str, list[Work]] = defaultdict(list)
    for work in recorded.works:
        under_way[work.trace_id].append(work)
    return [
        (us, line)
        for us, line in recorded.interrupts
        if any(not work.replied or (work.steps[-1].at_us or 0) > us for work in under_way[line["trace_id"]])
    ]


def one_run(store: Store, run: str | None) -> str:
    """Return the run that is meant: the one given, or the only one with signals."""
    runs = [row[0] for row in store.execute("SELECT DISTINCT run FROM signals ORDER BY run")]
    if run is None and len(runs) == 1:
        return str(runs[0])
    if run in runs:
        return str(run)
    if not runs:
        raise NotFoundError("the study holds no signals: study.load(...) first")
    named = ", ".join(map(repr, runs))
    if run is None:
        raise ArgumentError(f"the study holds the runs {named}: say which, as run={runs[0]!r}")
    raise NotFoundError(f"no run {run!r} has signals: there are {named}")


def _full(store: Store, run: str, traces: Sequence[str]) -> list[str]:
    if isinstance(traces, str):
        raise ArgumentError(f"traces={traces!r}: give a list, [{traces!r}]")
    return [find_trace(store, trace, run)[1] for trace in traces]


def _nobody(store: Store, run: str, name: str, traces: Sequence[str] | None) -> str:
    with Lent(store) as lent:
        lent("replay_neurons", pa.table({"neuron": pa.array([], pa.string())}))
        known = [row[0] for row in store.execute(_WORKERS, {"run": run})]
    where = f"run {run!r}" if traces is None else "these traces"
    return f"no neuron {name!r} worked on a task in {where}: there are {', '.join(map(repr, known)) or 'none'}"


def _steps(store: Store, run: str, works: Mapping[str, Work], recorded: Recording) -> None:
    """Enter the steps of all tasks, and the answers to them."""
    at: dict[str, tuple[Work, int]] = {}
    for id, parent, kind, to, to_type, us, payload in _rows(store, _CHILDREN, run):
        work = works[parent]
        said = kind in SAID
        if (kind in REPLIES or said) and to != work.neuron:
            continue
        if kind in REPLIES and work.replied:
            continue
        own = kind in REPLIES or said
        work.steps.append(Step(kind, None if own else to, None if own else to_type, _json(payload), id, us))
        if kind in REQUESTS:
            at[id] = (work, us)
            if kind != "TASK":
                name = "TOOL_CALL" if kind == "TOOL_CALL" else "RECALL"
                recorded.addresses.add((name, f"id {to}" if to else f"kind {to_type}"))
    if not at:
        return
    with Lent(store) as lent:
        lent("replay_requests", pa.table({"id": pa.array(list(at), pa.string())}))
        for _, parent, kind, to, to_type, us, payload in _rows(store, _ANSWERS, run):
            work, asked = at[parent]
            delay = 1 if us is None or asked is None else max(1, us - asked)
            work.answers.setdefault(parent, []).append(Answer(kind, _json(payload), to, to_type, delay))


def _rows(store: Store, sql: str, run: str) -> Iterable[tuple[Any, ...]]:
    found = store.arrow(sql, {"run": run})
    return zip(*(column.to_pylist() for column in found.columns), strict=True)


def _json(text: str | None) -> dict[str, Any]:
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        # NaN, and integers of more than 64 bits.
        value = msgspec.json.decode(text or "{}", strict=False) if "NaN" not in (text or "") else _lenient(text or "{}")
    return value if isinstance(value, dict) else {}


def _lenient(text: str) -> Any:
    import json

    return json.loads(text)


class Pool:
    """All requests of a recording by their content, for the same request in another task; and by whom they were for."""

    def __init__(self, works: Iterable[Work]) -> None:
        self.by_content: dict[tuple[Any, ...], list[list[Answer]]] = defaultdict(list)
        self.by_target: dict[tuple[Any, ...], list[list[Answer]]] = defaultdict(list)
        for work in works:
            for step in work.steps:
                answers = work.answers.get(step.id)
                if answers:
                    self.by_content[key_of(step)].append(answers)
                    self.by_target[step.about].append(answers)


_TASKS = """
WITH told AS (
    SELECT id, trace_id, parent_id, directed_id, epoch_us(ts) AS us, payload, meta FROM signals
    WHERE canonical AND run = $run AND type = 'TASK'
    UNION ALL
    SELECT p.id, p.trace_id, p.parent_id, p.directed_id, epoch_us(a.ts), a.payload, a.meta
    FROM phantoms p JOIN signals a ON a.canonical AND a.run = p.run AND a.id = p.parent_id WHERE p.run = $run
), replies AS (
    SELECT parent_id, min(directed_id) AS neuron, count(DISTINCT directed_id) AS workers, min(epoch_us(ts)) AS us
    FROM signals WHERE canonical AND run = $run AND type IN ('AGENT_OUTPUT', 'ERROR', 'CLARIFICATION', 'PERMISSION')
    GROUP BY parent_id
)
SELECT t.id, t.trace_id, t.parent_id, coalesce(t.directed_id, r.neuron) AS neuron, coalesce(t.us, r.us, 0) AS us,
       t.payload, t.meta
FROM told t LEFT JOIN replies r ON r.parent_id = t.id
WHERE coalesce(t.directed_id, r.neuron) IN (SELECT neuron FROM replay_neurons)
  AND (t.directed_id IS NOT NULL OR r.workers = 1) {chosen}
ORDER BY us, t.id
"""
_SILENT = """
SELECT t.id, t.trace_id, t.parent_id, coalesce(epoch_us(t.ts), 0) AS us, t.payload, t.meta FROM signals t
WHERE t.canonical AND t.run = $run AND t.type = 'TASK' AND t.directed_id IS NULL
  AND json_array_length(t.payload, '$.capabilities') > 0 AND NOT EXISTS (
    SELECT 1 FROM signals r WHERE r.canonical AND r.run = t.run AND r.parent_id = t.id
      AND r.type IN ('AGENT_OUTPUT', 'ERROR', 'CLARIFICATION', 'PERMISSION')) {chosen}
ORDER BY us, t.id
"""
_SHARED = """
SELECT count(*) FROM (
    SELECT t.id FROM signals t
    JOIN signals r ON r.canonical AND r.run = t.run AND r.parent_id = t.id
      AND r.type IN ('AGENT_OUTPUT', 'ERROR', 'CLARIFICATION', 'PERMISSION')
    WHERE t.canonical AND t.run = $run AND t.type = 'TASK' AND t.directed_id IS NULL {chosen}
    GROUP BY t.id HAVING count(DISTINCT r.directed_id) > 1
       AND bool_or(r.directed_id IN (SELECT neuron FROM replay_neurons)))
"""
_WORKERS = """
SELECT DISTINCT directed_id FROM signals
WHERE canonical AND run = $run AND directed_id IS NOT NULL AND type IN ('AGENT_OUTPUT', 'CLARIFICATION', 'PERMISSION', 'ERROR')
ORDER BY 1
"""
_CHILDREN = """
SELECT s.id, s.parent_id, s.type, s.directed_id, s.directed_type, epoch_us(s.ts) AS us, s.payload
FROM signals s SEMI JOIN replay_tasks w ON w.id = s.parent_id
WHERE s.canonical AND s.run = $run AND s.id <> s.parent_id AND s.type IN (
    'RECALL', 'IMPRINT', 'TOOL_CALL', 'TASK', 'AGENT_OUTPUT', 'ERROR', 'CLARIFICATION', 'PERMISSION',
    'PLAN', 'THOUGHT_DELTA', 'MEMORY_APPEND', 'CRITIQUE', 'ESCALATION', 'CONSENSUS', 'CONTEXT_SYNC')
ORDER BY s.ts NULLS LAST, s.id
"""
_ANSWERS = """
SELECT s.id, s.parent_id, s.type, s.directed_id, s.directed_type, epoch_us(s.ts) AS us, s.payload
FROM signals s SEMI JOIN replay_requests w ON w.id = s.parent_id
WHERE s.canonical AND s.run = $run
  AND s.type IN ('RECALLED', 'IMPRINTED', 'TOOL_RESULT', 'AGENT_OUTPUT', 'ERROR', 'CLARIFICATION', 'PERMISSION')
ORDER BY s.ts NULLS LAST, s.id
"""
_INTERRUPTS = """
SELECT s.trace_id, epoch_us(s.ts), s.type, s.id, s.parent_id, s.directed_id, s.directed_type, s.payload
FROM signals s
SEMI JOIN (SELECT t.trace_id FROM signals t SEMI JOIN replay_tasks w ON w.id = t.id WHERE t.canonical AND t.run = $run
           UNION SELECT p.trace_id FROM phantoms p SEMI JOIN replay_tasks w ON w.id = p.id WHERE p.run = $run) k
    ON k.trace_id = s.trace_id
LEFT JOIN signals o ON o.canonical AND o.run = s.run AND o.id = s.parent_id
WHERE s.canonical AND s.run = $run AND s.ts IS NOT NULL AND (
    s.type = 'STOP' OR (s.type = 'ERROR' AND s.parent_id NOT IN (SELECT id FROM replay_tasks))
    OR (s.type = 'FINAL' AND o.parent_id NOT IN (SELECT id FROM replay_tasks)))
ORDER BY s.ts, s.id
"""
_CAPABILITIES = """
SELECT directed_id, arg_max(directed_capabilities, ts) FROM signals
WHERE canonical AND run = $run AND type = 'REGISTER' AND directed_id IS NOT NULL GROUP BY directed_id ORDER BY directed_id
"""
