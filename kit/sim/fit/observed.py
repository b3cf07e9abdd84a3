"""What a capture shows of a namespace, as columns: tasks, what they asked, requests, bids, and what cannot be used."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kit.errors import ArgumentError, NotFoundError
from kit.store.store import Store
from kit.trace.forest import LABELS, Forest, Lent, forest
from kit.trace.spans import spans

Ints = npt.NDArray[np.int64]

TASKS = """
SELECT s.trace_id AS trace, s.span_id, s.kind, s.neuron, s.name, epoch_us(s."start") AS us, epoch_us(s."end") AS until, s.status,
       s.guessed, o.directed_id AS addressed, f.capabilities::VARCHAR AS offered,
       (o.payload -> '$.capabilities')::VARCHAR AS capabilities, TRY_CAST(o.meta ->> '$.attempt' AS BIGINT) AS attempt,
       o.meta ->> '$.receptor' AS receptor, o.parent_id IS NULL AS rootless, p.kind AS above, p.span_id AS above_id,
       epoch_us(p."start") AS above_us, epoch_us(p."end") AS above_until, pp.kind AS over, c.type AS answer,
       TRY_CAST(c.payload ->> '$.recoverable' AS BOOLEAN) AS recoverable,
       c.meta ->> '$.model' AS model, TRY_CAST(c.meta ->> '$.tokens.in' AS DOUBLE) AS tokens_in,
       TRY_CAST(c.meta ->> '$.tokens.out' AS DOUBLE) AS tokens_out,
       TRY_CAST(c.meta ->> '$.cost_micro_usd' AS DOUBLE) AS cost_micro_usd
FROM fit_span s
LEFT JOIN fit_span p ON p.span_id = s.parent_span
LEFT JOIN fit_span pp ON pp.span_id = p.parent_span
LEFT JOIN (SELECT * FROM signals WHERE canonical AND run = $run) o ON o.id = s.span_id
LEFT JOIN (SELECT * FROM signals WHERE canonical AND run = $run) c ON c.id = s.close_id
LEFT JOIN (SELECT id, payload -> '$.capabilities' AS capabilities FROM signals
           WHERE canonical AND run = $run AND type = 'TASK_OFFER') f ON f.id = p.span_id
WHERE s.kind = 'task'
ORDER BY us NULLS LAST, s.span_id
"""

ASKED = """
SELECT s.kind, s.neuron AS host, s.name, s.parent_span AS task, epoch_us(s."start") AS us, epoch_us(s."end") AS until, s.status
FROM fit_span s WHERE s.kind IN ('tool', 'recall', 'imprint') ORDER BY us NULLS LAST, s.span_id
"""

REGISTERED = """
SELECT directed_id AS id, max(directed_type) AS kind,
       arg_max((payload -> '$.capabilities')::VARCHAR, (epoch_us(ts), id)) AS capabilities,
       coalesce(max(payload ->> '$.role'), 'neuron') AS role
FROM signals WHERE canonical AND run = $run AND type = 'REGISTER' AND directed_id IS NOT NULL
GROUP BY directed_id ORDER BY directed_id
"""

BIDS = """
SELECT b.parent_id AS offer, b.directed_id AS neuron, epoch_us(b.ts) AS us, TRY_CAST(b.payload ->> '$.cost' AS DOUBLE) AS cost,
       TRY_CAST(b.payload ->> '$.confidence' AS DOUBLE) AS confidence, w.parent_id IS NOT NULL AS won,
       TRY_CAST(o.payload ->> '$.deadline_ms' AS BIGINT) AS deadline_ms, (o.payload -> '$.capabilities')::VARCHAR AS capabilities
FROM signals b
JOIN (SELECT id, payload FROM signals WHERE canonical AND run = $run AND type = 'TASK_OFFER') o ON o.id = b.parent_id
LEFT JOIN (SELECT DISTINCT parent_id FROM signals WHERE canonical AND run = $run AND type = 'TASK_AWARDED') w ON w.parent_id = b.id
WHERE b.canonical AND b.run = $run AND b.type = 'BID' ORDER BY us, b.id
"""

STOPS = """
SELECT s.trace_id AS trace, s.payload ->> '$.reason' AS reason, min(epoch_us(s.ts)) AS us
FROM signals s WHERE s.canonical AND s.run = $run AND s.type = 'STOP' GROUP BY ALL ORDER BY us, trace
"""

SPAN = """
SELECT min(epoch_us(ts)) AS first, max(epoch_us(ts)) AS last, count(*) AS signals, count(*) FILTER (ts IS NULL) AS untimed,
       count(*) FILTER (type IN ('FINAL', 'ERROR', 'STOP')) AS terminals,
       (SELECT count(*) FROM fit_span WHERE kind = 'permission' AND status = 'denied') AS denied,
       (SELECT count(*) FROM duplicates d WHERE d.run = $run) AS duplicates,
       (SELECT count(*) FROM quarantine q WHERE q.run = $run) AS quarantined,
       (SELECT count(*) FROM signals n WHERE n.run = $run AND NOT n.canonical) AS conflicts
FROM signals WHERE canonical AND run = $run
"""


@dataclass(frozen=True)
class Observed:
    """A capture as rows: `tasks`, what was `asked` of tools and memory, who is `registered`, `bids`, `stops`; `left_out` tells
    in sentences what of it cannot be used. `first` and `last` are microseconds since 1970.
    """

    run: str
    first: int
    last: int
    signals: int
    tasks: pa.Table
    asked: pa.Table
    registered: pa.Table
    bids: pa.Table
    stops: pa.Table
    left_out: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """From the first signal to the last."""
        return (self.last - self.first) / 1e6


def observed(store: Store, run: str | None = None) -> Observed:
    """Return what one run of a store shows. NotFoundError for no such run, ArgumentError where there is no task to learn from."""
    run = the_run(store, run)
    grown = forest(store, run)
    with Lent(store) as lent:
        lent("fit_span", spans(store, run=run, grown=grown))
        tasks, asked = store.arrow(TASKS, {"run": run}), store.arrow(ASKED)
        told = store.arrow(SPAN, {"run": run}).to_pylist()[0]
    found = {
        name: store.arrow(sql, {"run": run})
        for name, sql in (("registered", REGISTERED), ("bids", BIDS), ("stops", STOPS))
    }
    if not len(tasks) or told["first"] is None:
        raise ArgumentError(
            f"run {run!r}: no TASK with a time to calibrate from; a model of a namespace is made of its tasks"
        )
    return Observed(
        run, told["first"], told["last"], told["signals"], tasks, asked, **found, left_out=_left_out(grown, tasks, told)
    )


def the_run(store: Store, run: str | None) -> str:
    """Return the run that is meant: the only one with signals where none is named."""
    known = [row[0] for row in store.execute("SELECT DISTINCT run FROM signals ORDER BY run")]
    if run is not None and run not in known:
        raise NotFoundError(f"no run {run!r}: the runs are {', '.join(map(repr, known)) or 'none'}")
    if run is None and len(known) != 1:
        raise ArgumentError(f"which run? There are {', '.join(map(repr, known)) or 'none'}; say it by run=")
    return known[0] if run is None else run


def _left_out(grown: Forest, tasks: pa.Table, told: dict[str, int]) -> tuple[str, ...]:
    """Return a sentence for each kind of thing in the capture that the model does not come from."""
    label = np.bincount(grown.label, minlength=len(LABELS))
    counts = dict(zip(LABELS, label.tolist(), strict=True))
    us, until = (tasks[name].to_numpy() for name in ("us", "until"))
    status = np.array(tasks["status"].to_pylist(), dtype=object)
    negative = int((np.nan_to_num(until, nan=0) < np.nan_to_num(us, nan=0))[status != "open"].sum())
    sentences = (
        (told["duplicates"], "repeated lines count once"),
        (told["conflicts"], "lines under the id of another were left out"),
        (told["quarantined"], "lines in quarantine were left out"),
        (told["untimed"], "signals without a time were left out of all times"),
        (counts["missing_parent"], "signals whose cause is not in the capture (a gap): what they follow is unknown"),
        (counts["cycle"] + counts["self_parent"], "signals on rings of parents have no cause here"),
        (int((status == "open").sum()), "tasks without an answer (cut off or lost) were left out of service times"),
        (negative, "tasks that were answered before they were asked (clock skew) were left out of service times"),
        (
            int(np.count_nonzero(tasks["guessed"].to_numpy(zero_copy_only=False))),
            "answers were matched to their task by order",
        ),
        (told["denied"], "questions for permission were denied: the callers of a model grant every one"),
    )
    found = [f"{count:,} {text}" for count, text in sentences if count]
    if not told["terminals"]:
        found.append("no signal ends a trace (FINAL, ERROR, STOP): requests are taken to end with their last answer")
    return tuple(found)
