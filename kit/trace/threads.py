"""One row per thread: how it stands, who took part, what is still to be fulfilled, how long it took.

The state of a thread is nowhere stored: it is a fold over its records (spec/syncropel.md 3), as they were written, before
any correction or erasure.
"""

import pyarrow as pa

from kit.store.store import Store
from kit.trace.forest import Lent
from kit.trace.records import Weave, weave

STATES = ("open", "cancelled", "closed", "no_intent")
"""States in the order of the table: what waits for somebody comes first."""


def threads(store: Store, run: str | None = None, *, woven: Weave | None = None) -> pa.Table:
    """Return one row per thread, open ones first, then cancelled, closed and those without an intent.

    Within a state the longest come first, then by run and thread.

    state        `no_intent` where no INTEND is in it; else `closed` where a KNOW of the thread fulfills one of them, else
                 `cancelled` where a DO cancels one, else `open`
    records, actors  how many records, and who wrote them, sorted
    opened_by    actor of the first INTEND;  goal: what it says
    unfulfilled  ids of its INTENDs that no KNOW of the thread fulfills, in order
    last_verdict, accepts, rejects  the last of its verdicts, and how many of each
    first_clock, last_clock   least and greatest clock; clocks of several actors compare only where they are times
    clock_name   `unix_ms` where all clocks are times, `logical` where none is, else `mixed`
    start, end   first and last time, of those clocks that are times
    duration_ms  from the INTEND to the first KNOW that fulfills it, where both clocks are times
    intends ... maps, others  records by act
    forks, merges   records with two or more children, and with two or more parents
    cross_parents, missing_parents  parents in other threads, and parents that are not in the run
    depth        greatest depth (see `record_structure`)
    sub_threads  threads that its INTENDs name in `sub_thread`, sorted

    First and last are by depth, then clock, then id.
    """
    woven = weave(store, run) if woven is None else woven
    lent_rows = pa.table({"row": woven.row, "depth": woven.depth, "children": woven.children, "parents": woven.parents})
    with Lent(store) as lent:
        lent("woven_rows", lent_rows)
        return store.arrow(_THREADS, {"run": run, "states": list(STATES)})


_THREADS = """
WITH held AS MATERIALIZED (
    SELECT r.run, coalesce(r.thread, '') AS thread, r.id, r.act, r.actor, r.clock, r.body, wall_time(r.clock) AS ts,
           coalesce(w.depth, 0) AS depth, coalesce(w.children, 0) AS children, coalesce(w.parents, 0) AS parents,
           row_number() OVER (PARTITION BY r.run, coalesce(r.thread, '') ORDER BY coalesce(w.depth, 0), r.clock NULLS LAST, r.id) AS nth
    FROM records r LEFT JOIN woven_rows w ON w.row = r.rowid
    WHERE r.canonical AND ($run IS NULL OR r.run = $run)
), ends AS MATERIALIZED (
    SELECT e.run, k.thread, e.intent, e.how, k.nth, k.ts AS ended, i.ts AS begun, i.nth AS intent_nth
    FROM intent_ends e
    JOIN held k ON k.run = e.run AND k.id = e.id
    JOIN held i ON i.run = e.run AND i.id = e.intent
    WHERE e.counts
), fates AS (
    SELECT run, thread, bool_or(how = 'fulfills') AS fulfilled, bool_or(how = 'cancels') AS cancelled
    FROM ends GROUP BY run, thread
), closings AS (
    SELECT run, thread, begun, ended FROM ends WHERE how = 'fulfills'
    QUALIFY row_number() OVER (PARTITION BY run, thread ORDER BY nth, intent_nth) = 1
), waiting AS (
    SELECT h.run, h.thread, list(h.id ORDER BY h.nth) AS unfulfilled
    FROM held h ANTI JOIN (FROM ends WHERE how = 'fulfills') e ON e.run = h.run AND e.intent = h.id
    WHERE h.act = 'INTEND' AND h.id IS NOT NULL GROUP BY h.run, h.thread
), judged AS (
    SELECT h.run, h.thread, arg_max(v.verdict, h.nth) AS last_verdict,
           count(*) FILTER (WHERE v.verdict = 'accept') AS accepts, count(*) FILTER (WHERE v.verdict = 'reject') AS rejects
    FROM (SELECT DISTINCT run, thread, id, verdict FROM verdicts) v JOIN held h ON h.run = v.run AND h.id = v.id
    GROUP BY h.run, h.thread
), joints AS (
    SELECT run, thread, count(*) FILTER (WHERE state = 'cross_trace') AS cross_parents,
           count(*) FILTER (WHERE state = 'missing_parent') AS missing_parents
    FROM (SELECT DISTINCT run, coalesce(thread, '') AS thread, child, parent, state FROM record_edges) GROUP BY run, thread
), summed AS (
    SELECT
        run, thread, count(*) AS records, list_sort(list(DISTINCT actor)) AS actors,
        arg_min(actor, nth) FILTER (WHERE act = 'INTEND') AS opened_by,
        arg_min(json_extract_string(body, '$.goal'), nth) FILTER (WHERE act = 'INTEND') AS goal,
        min(clock) AS first_clock, max(clock) AS last_clock, min(ts) AS "start", max(ts) AS "end",
        CASE count(ts) WHEN count(*) THEN 'unix_ms' WHEN 0 THEN 'logical' ELSE 'mixed' END AS clock_name,
        count(*) FILTER (WHERE act = 'INTEND') AS intends, count(*) FILTER (WHERE act = 'DO') AS dos,
        count(*) FILTER (WHERE act = 'KNOW') AS knows, count(*) FILTER (WHERE act = 'LEARN') AS learns,
        count(*) FILTER (WHERE act = 'GET') AS gets, count(*) FILTER (WHERE act = 'PUT') AS puts,
        count(*) FILTER (WHERE act = 'CALL') AS calls, count(*) FILTER (WHERE act = 'MAP') AS maps,
        count(*) FILTER (WHERE children >= 2) AS forks, count(*) FILTER (WHERE parents >= 2) AS merges,
        max(depth) AS depth,
        coalesce(list_sort(list(DISTINCT json_extract_string(body, '$.sub_thread'))
            FILTER (WHERE act = 'INTEND' AND json_type(body, '$.sub_thread') = 'VARCHAR')), []) AS sub_threads
    FROM held GROUP BY run, thread
), stood AS (
    SELECT *, CASE WHEN intends = 0 THEN 'no_intent' WHEN fulfilled THEN 'closed' WHEN cancelled THEN 'cancelled'
                   ELSE 'open' END AS state
    FROM summed LEFT JOIN fates USING (run, thread)
)
SELECT
    run, thread, state, records, actors, opened_by, goal, coalesce(unfulfilled, []) AS unfulfilled,
    last_verdict, coalesce(accepts, 0) AS accepts, coalesce(rejects, 0) AS rejects,
    first_clock, last_clock, clock_name, "start", "end",
    (epoch_ms(ended) - epoch_ms(begun)) AS duration_ms,
    intends, dos, knows, learns, gets, puts, calls, maps,
    records - intends - dos - knows - learns - gets - puts - calls - maps AS others,
    forks, merges, coalesce(cross_parents, 0) AS cross_parents, coalesce(missing_parents, 0) AS missing_parents,
    depth, sub_threads
FROM stood
LEFT JOIN waiting USING (run, thread) LEFT JOIN judged USING (run, thread)
LEFT JOIN joints USING (run, thread) LEFT JOIN closings USING (run, thread)
ORDER BY list_position($states, state), duration_ms DESC NULLS LAST, run, thread
"""
