"""What is compared of a run: columns per workflow trace and per span, from one pass over its structure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace.conformance import check
from kit.trace.cost import COST, NUMBERS, TELLS
from kit.trace.forest import LABELS, NO_TIME, Forest, Ints, forest, ints
from kit.trace.sequence import Sequence, by_number, in_order, published_parents, since_cause
from kit.trace.spans import KINDS, paired
from kit.trace.traces import STATUSES
from kit.trace.variants import sequence_hashes

Floats = npt.NDArray[np.float64]

CHECKED = 300_000
"""Signals up to which conformance is compared without being asked for: the rules take several times as long as all else."""
NAMED = 6
"""Activities of a variant that its name shows."""
SPENT = ("tokens_in", "tokens_out", "cost_micro_usd")
VARIANTS = 100
"""The most frequent variants, which are compared one by one."""
MOST_COUNTED = 1 << 16
"""Codes up to which all are counted, whether they are there or not."""

GAPS = (
    (("missing_parent",), "signals whose cause is not in the capture have no edge"),
    (("cycle", "self_parent"), "signals on rings of parents have no edge"),
)

ROWS = "SELECT rowid AS row, directed_id AS neuron FROM signals WHERE canonical AND run = $run"
SAID = f"""
WITH told AS (
    SELECT rowid AS row, meta, {COST}, CASE WHEN type = 'ERROR' THEN coalesce(payload ->> '$.code', 'none') END AS code
    FROM signals WHERE canonical AND run = $run AND (type = 'ERROR' OR {TELLS})
)
SELECT row, code, {NUMBERS} FROM told
"""  # noqa: S608  our own texts
"""Codes of errors and what was spent, in one pass over the payloads."""


@dataclass
class Counted:
    """A number per trace, sparse: `value` of the traces `trace` (positions in a Profile); others have 0."""

    trace: Ints
    value: Floats


@dataclass
class Timed:
    """Times in ms, each of a trace."""

    trace: Ints
    ms: Floats


@dataclass
class Profile:
    """The workflow traces of a run in the order of their start, and what was counted and timed of each.

    `counted` has the key (part, measure, key), `timed` (measure, key). `grams` and `moments` are for the distances: n-grams of
    types, and the time of each event since the start of its trace.
    """

    name: str
    signals: int
    start: Ints
    counted: dict[tuple[str, str, str], Counted] = field(default_factory=dict)
    timed: dict[tuple[str, str], Timed] = field(default_factory=dict)
    grams: tuple[Ints, Ints] = field(default_factory=lambda: (np.zeros(0, np.int64), np.zeros(0, np.int64)))
    gram_names: tuple[str, ...] = ()
    variants: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.start)


def profile(store: Store, run: str, *, name: str | None = None, conformance: bool | None = None) -> Profile:
    """Return what is compared of `run`. ArgumentError where it holds no workflow trace with a time."""
    grown = forest(store, run)
    workflow = np.zeros(len(grown.traces), dtype=bool)
    workflow[grown.trace[grown.of_type("TASK", "TASK_OFFER")]] = True
    timed = (grown.ts != NO_TIME) & (grown.row >= 0)
    start = np.full(len(grown.traces), NO_TIME)
    end = np.full(len(grown.traces), NO_TIME)
    places = np.flatnonzero(timed)
    start[grown.trace[places[::-1]]] = grown.ts[places[::-1]]
    end[grown.trace[places]] = grown.ts[places]
    chosen = np.flatnonzero(workflow & (start != NO_TIME))
    if not len(chosen):
        raise ArgumentError(f"run {run!r}: no trace with a TASK and a time to compare")
    chosen = chosen[np.argsort(start[chosen], kind="stable")]
    place = np.full(len(grown.traces), -1)
    place[chosen] = np.arange(len(chosen))
    at: Ints = place[grown.trace]  # of each event the place of its trace
    made = Profile(name or run, int((grown.row >= 0).sum()), start[chosen])
    every = np.arange(len(chosen))
    duration = (end[chosen] - start[chosen]) / 1000
    made.timed["duration", "trace"] = Timed(every, duration)
    if len(chosen) > 1:
        made.timed["gap", "arrival"] = Timed(every[1:], np.diff(start[chosen]) / 1000)
    _load(made, start[chosen], end[chosen], at[grown.row >= 0])
    _outcome(made, grown, place)
    _structure(made, grown, at)
    _spans(made, store, run, grown, at)
    _said(made, store, run, grown, place)
    if conformance or (conformance is None and made.signals <= CHECKED):
        _conformance(made, store, run, grown, place)
    elif conformance is None:
        made.notes.append(
            f"conformance of {made.name} was not looked at (more than {CHECKED:,} signals); conformance=True does"
        )
    untimed = int((~timed & (grown.row >= 0)).sum())
    if untimed:
        made.notes.append(f"{made.name}: {untimed:,} signals without a time are in no time")
    label = np.bincount(grown.label, minlength=len(LABELS))
    for names, told in GAPS:
        count = int(label[[LABELS.index(word) for word in names]].sum())
        if count:
            made.notes.append(f"{made.name}: {count:,} {told}")
    if grown.surplus.any():
        made.notes.append(f"{made.name}: {int(grown.surplus.sum()):,} further lines with the id of another count once")
    lost = int((workflow & (start == NO_TIME)).sum())
    if lost:
        made.notes.append(f"{made.name}: {lost:,} traces without any time were left out")
    return made


def _add(made: Profile, part: str, measure: str, key: str, trace: Ints, value: Floats | None = None) -> None:
    """Sum a value (1 where none is given) per trace."""
    keep = trace >= 0
    trace = trace[keep]
    if not len(trace):
        return
    weight = np.ones(len(trace)) if value is None else value[keep]
    total = np.bincount(trace, weights=weight, minlength=len(made)).astype(np.float64)
    there = np.flatnonzero(total)
    made.counted[part, measure, key] = Counted(there, total[there])


def _load(made: Profile, start: Ints, end: Ints, at: Ints) -> None:
    open_ = np.arange(len(start)) - np.searchsorted(np.sort(end), start, side="right")
    there = np.flatnonzero(open_ > 0)
    made.counted["load", "open at arrival", "traces"] = Counted(there, open_[there].astype(np.float64))
    _add(made, "load", "per trace", "signals", at)


def _outcome(made: Profile, grown: Forest, place: Ints) -> None:
    names = [STATUSES.get(name, "") for name in grown.types]
    ends = np.flatnonzero(grown.of_type(*STATUSES) & (grown.row >= 0))
    first = np.full(len(grown.traces), -1)
    first[grown.trace[ends[::-1]]] = grown.type[ends[::-1]]
    for number, status in enumerate(names):
        if status:
            _add(made, "outcome", "share", status, place[np.flatnonzero(first == number)])
    _add(made, "outcome", "share", "open", place[np.flatnonzero(first < 0)])


def _said(made: Profile, store: Store, run: str, grown: Forest, place: Ints) -> None:
    """Add the codes of errors, and tokens and cost."""
    said = store.arrow(SAID, {"run": run})
    if not len(said):
        return
    trace_of = np.full(int(grown.row.max(initial=-1)) + 1, -1)
    published = grown.row >= 0
    trace_of[grown.row[published]] = grown.trace[published]
    trace = place[trace_of[ints(said["row"])]]
    codes = said["code"].combine_chunks().dictionary_encode()
    number = ints(pc.fill_null(codes.indices, -1))
    for code, name in sorted(enumerate(codes.dictionary.to_pylist()), key=lambda known: known[1]):
        _add(made, "outcome", "errors per trace", name, trace[number == code])
    for name in SPENT:
        stated = np.flatnonzero(ints(pc.is_valid(said[name]).cast(pa.int8())))
        value = said[name].cast(pa.float64()).fill_null(0.0).to_numpy()
        _add(made, "cost", "per trace", name, trace[stated], value[stated])


def _of_traces(grown: Forest, ids: pa.ChunkedArray) -> Ints:
    """Return the number of the trace of each id; all are there."""
    return ints(pc.index_in(ids.combine_chunks(), value_set=grown.traces["trace_id"].combine_chunks()))


def _structure(made: Profile, grown: Forest, at: Ints) -> None:
    parent = published_parents(grown)
    since = since_cause(np.where(grown.ts == NO_TIME, np.iinfo(np.int64).min, grown.ts), parent)
    inside = np.flatnonzero((at >= 0) & (grown.row >= 0))
    order = in_order(since, grown.depth, inside)
    order = order[by_number(at[order], len(made))]
    trace, kind, ts = at[order], grown.type[order], grown.ts[order]
    names = grown.types
    numbered = Sequence(grown.traces.slice(0, len(made)), names, trace, kind, ts, trace[:0], trace[:0])
    high = sequence_hashes(numbered, 1)
    starts = np.flatnonzero(numbered.first)
    values, first, inverse, counts = np.unique(high, return_index=True, return_inverse=True, return_counts=True)
    for number in np.argsort(-counts, kind="stable").tolist():
        begin = starts[first[number]]
        until = starts[first[number] + 1] if first[number] + 1 < len(starts) else len(order)
        shown = [names[code] for code in kind[begin : min(until, begin + NAMED)].tolist()]
        more = f" > … {until - begin} events" if until - begin > NAMED else ""
        word = f"{int(values[number]):016x}"
        if counts[number] < 2 and len(made.variants) > VARIANTS // 2:
            break
        made.variants[word] = " > ".join(shown) + more
        _add(made, "structure", "share of variant", word, np.flatnonzero(inverse == number))
        if len(made.variants) >= VARIANTS:
            break
    walked: Ints = order[parent[order] >= 0]
    trace_of = at[walked]
    pair = grown.type[parent[walked]] * len(names) + grown.type[walked]
    for edge_code, these in _grouped(pair, len(names) ** 2):
        edge = f"{names[edge_code // len(names)]} > {names[edge_code % len(names)]}"
        _add(made, "structure", "edges per trace", edge, trace_of[these])
    wide = len(names) + 1
    code = kind + 1
    before = np.where(numbered.first, 0, np.concatenate([[0], code[:-1]]))
    last = np.concatenate([numbered.first[1:], [True]])
    after = np.where(last, 0, np.concatenate([code[1:], [0]]))
    pairs, at_pair = _numbered(before * wide + code, wide**2)
    grams, at_gram = _numbered(at_pair * wide + after, len(pairs) * wide)
    found = pairs[grams // wide] * wide + grams % wide
    words = ["-", *names]
    made.grams = trace, at_gram
    made.gram_names = tuple(
        f"{words[g // wide // wide]} {words[g // wide % wide]} {words[g % wide]}" for g in found.tolist()
    )
    known = ts != NO_TIME
    since_start = (ts[known] - made.start[trace[known]]) / 1000
    made.timed["since start", "events"] = Timed(trace[known], since_start)


def _grouped(number: Ints, many: int) -> Iterator[tuple[int, Ints]]:
    """Yield each number from 0 to `many` - 1 that is there, with the indices of where."""
    order = by_number(number, many)
    values = number[order]
    for these in np.split(order, np.flatnonzero(np.diff(values)) + 1) if len(order) else ():
        yield int(number[these[0]]), these


def _numbered(codes: Ints, many: int) -> tuple[Ints, Ints]:
    """Return the different codes, which are from 0 to `many` - 1, in order; and which of them each is."""
    if many > max(len(codes), MOST_COUNTED):
        return np.unique(codes, return_inverse=True)
    found = np.flatnonzero(np.bincount(codes, minlength=many))
    place = np.zeros(many, np.int64)
    place[found] = np.arange(len(found))
    return found, place[codes]


def _spans(made: Profile, store: Store, run: str, grown: Forest, at: Ints) -> None:
    """Add times and counts of spans by kind and neuron; what has no answer has no time."""
    close, _ = paired(grown)
    found = store.arrow(ROWS, {"run": run})
    coded = found["neuron"].combine_chunks().dictionary_encode()
    of_row = np.full(int(ints(found["row"]).max(initial=-1)) + 1, -1)
    of_row[ints(found["row"])] = ints(pc.fill_null(coded.indices, -1))
    names = coded.dictionary.to_pylist()
    inside = at >= 0
    codes = np.where(grown.row >= 0, of_row[np.maximum(grown.row, 0)], -1)
    for word, kind in KINDS.items():
        opened = np.flatnonzero(grown.of_type(word) & inside)
        answered, closed, begin = close[opened] >= 0, np.maximum(close[opened], 0), grown.ts[opened]
        who = np.where(answered, codes[closed], -1)
        who = np.where(who >= 0, who, codes[opened])
        end = np.where(answered, grown.ts[closed], NO_TIME)
        known = (begin != NO_TIME) & (end != NO_TIME)
        ms, trace = np.where(known, end - begin, 0) / 1000, at[opened]
        for number, these in _grouped(who + 1, len(names) + 1):
            name = names[number - 1] if number else "?"
            _add(made, "structure", "spans per trace", f"{kind} {name}", trace[these])
            done = these[known[these]]
            if len(done):
                made.timed[kind, name] = Timed(trace[done], ms[done])


def _conformance(made: Profile, store: Store, run: str, grown: Forest, place: Ints) -> None:
    findings = check(store, run)
    findings = findings.filter(pc.is_valid(findings["trace_id"]))
    findings = findings.filter(pc.is_in(findings["trace_id"], value_set=grown.traces["trace_id"].combine_chunks()))
    if not len(findings):
        return
    trace = place[_of_traces(grown, findings["trace_id"])]
    rules = findings["rule"].combine_chunks().dictionary_encode()
    for number, rule in enumerate(rules.dictionary.to_pylist()):
        _add(made, "conformance", "findings per trace", rule, trace[ints(rules.indices) == number])


def both(a: Profile, b: Profile) -> Iterator[tuple[tuple[str, str, str], Counted, Counted]]:
    """Yield what either of two profiles counted, sorted."""
    none = Counted(np.zeros(0, np.int64), np.zeros(0))
    for key in sorted({*a.counted, *b.counted}):
        yield key, a.counted.get(key, none), b.counted.get(key, none)
