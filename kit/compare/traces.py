"""The difference of two traces: what was added, what was removed, what became slower."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kit.errors import ArgumentError, NotFoundError
from kit.store.store import Store
from kit.trace.forest import NO_TIME, Forest, Ints, Lent, forest

SCHEMA = pa.schema(
    [
        ("change", pa.string()),
        ("position", pa.string()),
        ("depth", pa.int64()),
        ("type", pa.string()),
        ("neuron", pa.string()),
        ("id_a", pa.string()),
        ("id_b", pa.string()),
        ("wait_a_ms", pa.float64()),
        ("wait_b_ms", pa.float64()),
        ("delta_ms", pa.float64()),
    ]
)

SHOWN_STEPS = 4

Step = tuple[int, str, str | None, int]

NAMES = """
SELECT e.place, s.id, s.directed_id AS neuron FROM compare_event e JOIN signals s ON s.rowid = e.row ORDER BY e.place
"""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a trace: `wait_us` is the time since its cause, None where it is unknown."""

    id: str
    type: str
    neuron: str | None
    depth: int
    steps: tuple[str, ...]
    wait_us: int | None


def difference(
    store: Store,
    a: str,
    b: str,
    *,
    run_a: str | None = None,
    run_b: str | None = None,
    follow: bool = True,
    min_ms: float = 1.0,
    store_b: Store | None = None,
) -> pa.Table:
    """Return one row per causal position of trace `a` or `b`: what stands there in each, and what changed.

    Columns: `change, position, depth, type, neuron, id_a, id_b, wait_a_ms, wait_b_ms, delta_ms`. Two events match that
    have the same position: the way from the root, each step a type, a neuron and the ordinal among siblings of
    the same type and neuron in order of (ts, id). `change` is `removed` (only in `a`), `added` (only in `b`), `slower`
    or `faster` where the time since the cause differs by at least `min_ms` milliseconds, else `same`. `delta_ms` is
    b - a. `position` shows the last four steps. Rows come in the order of `a`, then what `b` added in its own.

    With `follow` delegated traces belong to the trace. `store_b` holds trace `b` where that is another store.
    The runs are needed only where the id is in several. Raises
    NotFoundError for an unknown trace, ArgumentError for an ambiguous one.
    """
    if min_ms < 0:
        raise ArgumentError(f"min_ms={min_ms!r}: 0 or more")
    known: dict[Step, int] = {}
    first = _events(store, a, _run(store, a, run_a, "run_a"), known, follow=follow)
    other = store if store_b is None else store_b
    second = _events(other, b, _run(other, b, run_b, "run_b"), known, follow=follow)
    places = [*first, *(place for place in second if place not in first)]
    rows = [_row(first.get(place), second.get(place), min_ms * 1000) for place in places]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _row(a: Event | None, b: Event | None, min_us: float) -> dict[str, object]:
    shown = a or b
    if shown is None:
        raise ArgumentError("a position holds at least one event")
    change, delta = "removed" if b is None else "added", None
    if a is not None and b is not None:
        delta = None if a.wait_us is None or b.wait_us is None else b.wait_us - a.wait_us
        changed = delta is not None and abs(delta) >= min_us and delta != 0
        change = "same" if not changed else "slower" if (delta or 0) > 0 else "faster"
    return {
        "change": change,
        "position": " / ".join(("…", *shown.steps) if shown.depth >= SHOWN_STEPS else shown.steps),
        "depth": shown.depth,
        "type": shown.type,
        "neuron": shown.neuron,
        "id_a": a and a.id,
        "id_b": b and b.id,
        "wait_a_ms": _ms(a.wait_us if a else None),
        "wait_b_ms": _ms(b.wait_us if b else None),
        "delta_ms": _ms(delta),
    }


def _ms(us: int | None) -> float | None:
    return None if us is None else us / 1000


def _run(store: Store, trace_id: str, run: str | None, name: str) -> str:
    """Return the run that holds the trace; raise where none does, or several."""
    found = store.execute(
        "SELECT DISTINCT run FROM signals WHERE trace_id = $trace AND ($run::VARCHAR IS NULL OR run = $run) ORDER BY 1",
        {"trace": trace_id, "run": run},
    )
    if not found:
        where = "" if run is None else f" in run {run!r}"
        raise NotFoundError(f"no trace {trace_id!r}{where}: study.traces() lists them")
    if len(found) > 1:
        raise ArgumentError(
            f"trace {trace_id!r} is in the runs {', '.join(row[0] for row in found)}: say which by {name}="
        )
    return str(found[0][0])


def _events(store: Store, trace_id: str, run: str, known: dict[Step, int], *, follow: bool) -> dict[int, Event]:
    """Return the published events of a trace by the number of their position; `known` numbers positions."""
    wood = forest(store, run)
    members = _members(wood, wood.traces["trace_id"].to_pylist().index(trace_id), follow=follow)
    names = _names(store, wood, members)
    inside = set(members.tolist())
    waits = wood.latency
    events: dict[int, Event] = {}
    placed: dict[int, tuple[int, int, tuple[str, ...]]] = {}
    taken: dict[tuple[int, str, str | None], int] = {}
    for place in _causes_first(wood, members):
        up = int(wood.up[place])
        above, depth, steps = placed[up] if up in inside else (-1, -1, ())
        kind = wood.types[wood.type[place]]
        id, neuron = names[place]
        sibling = (above, kind, neuron)
        ordinal = taken[sibling] = taken.get(sibling, -1) + 1
        position = known.setdefault((above, kind, neuron, ordinal), len(known))
        text = f"{kind} {neuron}" if neuron else kind
        steps = (*steps, f"{text} #{ordinal + 1}" if ordinal else text)[-SHOWN_STEPS:]
        placed[place] = position, depth + 1, steps
        if id is not None:
            wait = None if waits[place] == NO_TIME else int(waits[place])
            events[position] = Event(id, kind, neuron, depth + 1, steps, wait)
    return events


def _members(wood: Forest, trace: int, *, follow: bool) -> Ints:
    """Return the positions of a trace's events, with the traces delegated from it."""
    wanted = np.zeros(len(wood.traces), dtype=bool)
    wanted[trace] = True
    cross = np.flatnonzero(wood.cross)
    while follow:
        more = wood.trace[cross[wanted[wood.trace[wood.up[cross]]]]]
        more = more[~wanted[more]]
        if not len(more):
            break
        wanted[more] = True
    return np.flatnonzero(wanted[wood.trace])


def _causes_first(wood: Forest, members: Ints) -> list[int]:
    """Return positions so that a cause stands before its effects; siblings keep the order of (ts, id)."""
    below: dict[int, list[int]] = {}
    inside = set(members.tolist())
    for place in members.tolist():
        up = int(wood.up[place])
        below.setdefault(up if up in inside else -1, []).append(place)
    order: list[int] = []
    stack = below.get(-1, [])[::-1]
    while stack:
        place = stack.pop()
        order.append(place)
        stack.extend(below.get(place, [])[::-1])
    return order


def _names(store: Store, wood: Forest, members: Ints) -> dict[int, tuple[str | None, str | None]]:
    """Return (id, neuron) of each position; a phantom has no id."""
    published = members[wood.row[members] >= 0]
    with Lent(store) as lent:
        lent("compare_event", pa.table({"place": published, "row": wood.row[published]}))
        found = store.arrow(NAMES)
    names: dict[int, tuple[str | None, str | None]] = {
        place: (id, neuron)
        for place, id, neuron in zip(*(found[name].to_pylist() for name in ("place", "id", "neuron")), strict=True)
    }
    hidden = members[wood.row[members] < 0]
    winners = wood.phantoms["directed_id"].to_pylist()
    names.update({place: (None, winners[-3 - int(wood.row[place])]) for place in hidden.tolist()})
    return names
