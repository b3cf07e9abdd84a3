"""The events of each workflow trace in one order: cause before time."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace.forest import NO_TIME, Forest, Ints, Lent, forest

ACTIVITIES = ("type", "type+neuron")

_ACTIVITIES = """
WITH named AS (
    SELECT e.place, CASE $activity WHEN 'type' THEN s.type ELSE concat_ws(' ', s.type, s.directed_id) END AS activity
    FROM sequence_event e JOIN signals s ON s.rowid = e.row
), numbered AS (
    SELECT activity, row_number() OVER (ORDER BY activity) - 1 AS number FROM (SELECT DISTINCT activity FROM named)
)
SELECT activity, NULL::BIGINT AS place, number FROM numbered
UNION ALL
SELECT NULL, n.place, b.number FROM named n JOIN numbered b USING (activity)
ORDER BY place NULLS FIRST, number
"""


@dataclass(frozen=True, eq=False)
class Sequence:
    """Published events of workflow traces as columns, one entry each, trace by trace in order.

    `trace` numbers the rows of `traces` (columns run, trace_id; others than workflow traces have no events),
    `activity` the entries of `activities`. `us` is microseconds since 1970, or NO_TIME. `parent` is the position of the
    cause, -1 where there is none on the same trace; an awarded neuron's work follows the award. `depth` grows from
    cause to effect.
    """

    traces: pa.Table
    activities: tuple[str, ...]
    trace: Ints
    activity: Ints
    us: Ints
    parent: Ints
    depth: Ints

    def __len__(self) -> int:
        return len(self.trace)

    @property
    def first(self) -> npt.NDArray[np.bool_]:
        """Whether an event is the first of its trace."""
        return np.concatenate([[True], self.trace[1:] != self.trace[:-1]])[: len(self)]


def sequence(store: Store, run: str | None = None, activity: str = "type") -> Sequence:
    """Return the events of all workflow traces (with a TASK or a TASK_OFFER) in order.

    A signal never stands before its cause: one that is stamped earlier stands where its cause does; then come time,
    depth and id. A signal without a stamp stands right after its cause, a root without one first. `activity`
    is "type" or "type+neuron"; anything else raises ArgumentError.
    """
    if activity not in ACTIVITIES:
        raise ArgumentError(f"activity={activity!r}: {' or '.join(map(repr, ACTIVITIES))}")
    wood = forest(store, run)
    parent = published_parents(wood)
    since = since_cause(np.where(wood.ts == NO_TIME, np.iinfo(np.int64).min, wood.ts), parent)
    workflow = np.zeros(len(wood.traces), dtype=bool)
    workflow[wood.trace[wood.of_type("TASK", "TASK_OFFER")]] = True
    order = in_order(since, wood.depth, np.flatnonzero(workflow[wood.trace] & (wood.row >= 0)))
    order = order[by_number(wood.trace[order], len(wood.traces))]
    place = np.full(len(wood), -1)
    place[order] = np.arange(len(order))
    up = parent[order]
    names, numbers = _activities(store, wood.row[order], activity)
    return Sequence(
        traces=wood.traces, activities=names, trace=wood.trace[order], activity=numbers, us=wood.ts[order],
        parent=np.where(up >= 0, place[up], -1), depth=wood.depth[order],
    )  # fmt: skip


def published_parents(wood: Forest) -> Ints:
    """Return each event's cause on its own trace, or -1; an unpublished TASK is passed over for its award."""
    up = np.where(wood.cross, -1, wood.up)
    behind = (up >= 0) & (wood.row[up] < 0)
    return np.where(behind, up[up], up)


def since_cause(us: Ints, parent: Ints) -> Ints:
    """Return the latest time on the way from each event up to its root; `parent` is a position without rings, or -1.

    By pointer jumping: the number of rounds is the logarithm of the depth, so a long chain costs little.

    >>> since_cause(np.array([5, 3, 9, 4]), np.array([-1, 0, 1, 2])).tolist()
    [5, 5, 9, 9]
    """
    latest, up = us.copy(), parent.copy()
    while (below := np.flatnonzero(up >= 0)).size:
        above = up[below]
        latest[below] = np.maximum(latest[below], latest[above])
        up[below] = up[above]
    return latest


def in_order(since: Ints, depth: Ints, event: Ints) -> Ints:
    """Return the events of `event`, which are positions in ascending order, by (since, depth, position).

    Positions are in the order of time, which a stable sort likes; depth is looked at only where times are equal.

    >>> in_order(np.array([5, 7, 5, 1]), np.array([1, 0, 0, 0]), np.arange(4)).tolist()
    [3, 2, 0, 1]
    """
    order = event[np.argsort(since[event], kind="stable")]
    equal = np.diff(since[order]) == 0
    tied = np.flatnonzero(np.append(equal, False) | np.insert(equal, 0, False)) if len(order) else order
    order[tied] = order[tied][np.lexsort((depth[order[tied]], since[order[tied]]))]
    return order


def by_number(number: Ints, many: int) -> Ints:
    """Return the indices that put numbers from 0 to `many` - 1 in order, equal ones as they stand.

    NumPy counts numbers of 16 bits, where it would compare longer ones: so digit by digit of 16 bits.

    >>> by_number(np.array([2, 0, 70_000, 0]), 70_001).tolist()
    [1, 3, 0, 2]
    """
    order = np.argsort((number & 0xFFFF).astype(np.uint16), kind="stable")
    for shift in range(16, int(many).bit_length(), 16):
        order = order[np.argsort((number[order] >> shift & 0xFFFF).astype(np.uint16), kind="stable")]
    return order


def _activities(store: Store, row: Ints, activity: str) -> tuple[tuple[str, ...], Ints]:
    """Return the names of all activities, sorted, and for each event the number of its own."""
    with Lent(store) as lent:
        lent("sequence_event", pa.table({"row": row, "place": np.arange(len(row))}))
        found = store.arrow(_ACTIVITIES, {"activity": activity})
    names = tuple(name for name in found["activity"].slice(0, len(found) - len(row)).to_pylist())
    return names, found["number"].slice(len(names)).to_numpy().astype(np.int64, copy=False)
