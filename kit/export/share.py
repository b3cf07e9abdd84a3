"""`Share`: a part of a store for somebody else, cut, redacted and with pseudonyms, told before it is written.

The file is JSON lines of one family, or a fresh store; nothing of the original goes into it but what `reshaped`
makes, so there is nothing to recover from it. Provenance is in the file: the first line of JSON lines, a comment, or
`sources.note` of a store.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from kit import io
from kit.errors import ArgumentError, NotFoundError, StoreError
from kit.export import reshaped
from kit.export.pseudonyms import Pseudonyms, pseudonyms
from kit.export.redaction import Redaction
from kit.export.reshaped import Reshaping
from kit.export.target import COMPRESSED, checked, target
from kit.schema import ROW_TABLES, VERSION
from kit.store.store import Store
from kit.trace.search import Many, moment_of, named

STORES, LINES = (".duckdb", ".db"), (".jsonl", ".ndjson")
FAMILIES: dict[str, Callable[[Store, str, Reshaping], Iterator[tuple[str, Any]]]] = {
    "signals": reshaped.signals,
    "records": reshaped.records,
}
GROUP = {"signals": "trace_id", "records": "thread"}
COMMENT = "# kit.share "
SHOWN_PATHS = 8

CHOSEN = {
    "signals": """CREATE OR REPLACE TEMP TABLE share_signals AS SELECT run, rowid AS row, id FROM signals
        WHERE canonical AND ($run IS NULL OR run = $run) AND ($groups IS NULL OR list_contains($groups, trace_id))
          AND ($since IS NULL OR ts >= $since::TIMESTAMPTZ)""",
    "records": """CREATE OR REPLACE TEMP TABLE share_records AS SELECT run, rowid AS row, id FROM records
        WHERE canonical AND ($run IS NULL OR run = $run) AND ($groups IS NULL OR list_contains($groups, thread))
          AND $since IS NULL""",
}
PARENTS_CUT = """
SELECT count(*) FROM signals s JOIN share_signals k ON k.row = s.rowid
WHERE s.parent_id IN (SELECT id FROM signals a WHERE a.run = s.run)
  AND s.parent_id NOT IN (SELECT id FROM share_signals o WHERE o.run = s.run)
"""
SOURCES = """
SELECT run, source_id, family, uri, sha256, bytes, lines FROM sources
WHERE $run IS NULL OR run = $run ORDER BY run, source_id
"""
NOT_COVERED = (
    "nicknames and parts of names, numbers, times, ids (a ULID tells when it was made), capabilities, tools, "
    "kinds of records, and whatever else text tells of somebody"
)


@dataclass
class Share:
    """What `share` is going to write, or has written: counts, and the provenance that goes into the file.

    A repr is the summary. `names` leads back from the pseudonyms and stays with you: it is in no file.
    """

    path: Path
    rows: dict[str, int]
    """Lines by family."""
    provenance: dict[str, Any]
    names: dict[str, str]
    written: bool = False
    _lines: "Callable[[], _Pass] | None" = field(default=None, repr=False)
    _overwrite: bool = False

    def write(self) -> "Share":
        """Write the file and return this; it is there when it is whole.

        Raises StoreError where the store has changed since the summary, and ArgumentError where the path cannot be
        written to.
        """
        if self._lines is None:
            raise ArgumentError("this share cannot be written again: make another with study.share(...)")
        again = self._lines()
        place = checked(self.path, overwrite=self._overwrite)
        (_write_store if _format(place) == "store" else _write_lines)(place, self, again)
        self.written = True
        return self

    def __repr__(self) -> str:
        return "\n".join(_told(self))


class _Pass:
    """One way through the chosen rows; the counts are complete when every run was asked for."""

    def __init__(self, store: Store, runs: list[str], reshaping: Reshaping) -> None:
        self.store = store
        self.runs = runs
        self.reshaping = reshaping
        self.rows: Counter[tuple[str, str]] = Counter()
        self.remaining: Counter[str] = Counter()
        self.look = False

    def lines(self, family: str, run: str) -> Iterator[str]:
        for line, content in FAMILIES[family](self.store, run, self.reshaping):
            self.rows[family, run] += 1
            if self.look:
                self.remaining += self.reshaping.redaction.remaining(content)
            yield line

    def through(self) -> "_Pass":
        for family in FAMILIES:
            for run in self.runs:
                for _ in self.lines(family, run):
                    pass
        return self


def share(
    store: Store,
    path: str | os.PathLike[str],
    *,
    traces: Many = None,
    since: date | str | None = None,
    redact: Iterable[str] = (),
    pseudonyms: bool | Iterable[str] = True,
    run: str | None = None,
    overwrite: bool = False,
) -> Share:
    """Return a Share of a part of `store`: its repr is the summary, its `write()` makes the file.

    path        .jsonl (also .gz, .zst, .bz2) for one family of one run, .duckdb for a store with all that is chosen
    traces      ids of traces, names of threads, or beginnings of these that only one has; without, all of them.
                Traces they delegated to are only there where they are named.
    since       signals from this time on; records have no time and are left out where it is given
    redact      paths in payloads (signals) and bodies (records), see `kit.export.redaction.Redaction`
    pseudonyms  replace every name that the store knows, and further texts where it is a list of them; False for none.
                See `kit.export.pseudonyms`.

    Signals and records are shared. Repeats, quarantine, rows that conflict with another of their id, registries,
    journals, engrams and sensor logs are left out. Raises NotFoundError for a trace or run that is not there, and
    ArgumentError where nothing is chosen or the file cannot hold it.
    """
    paths = [redact] if isinstance(redact, str) else list(redact)
    _format(checked(path, overwrite=overwrite))
    chosen = _choose(store, run, _groups(store, run, traces), since)
    runs = sorted({name for its_runs in chosen.values() for name in its_runs})
    if not runs:
        raise ArgumentError("nothing to share: no signal or record is in what was chosen")
    _require_one(Path(path), chosen)
    also = () if isinstance(pseudonyms, bool) else [pseudonyms] if isinstance(pseudonyms, str) else list(pseudonyms)
    names = _pseudonyms(store, run, also) if pseudonyms is not False else Pseudonyms({})

    def once(look: Redaction | None = None) -> _Pass:
        _choose(store, run, _groups(store, run, traces), since)
        made = _Pass(store, runs, Reshaping(Redaction(paths), names))
        if look is not None:
            made.look, made.reshaping.redaction.removed = True, look.removed | set(map(names.text, look.removed))
        return made

    first = once().through()
    remaining = once(first.reshaping.redaction).through().remaining if first.reshaping.redaction.removed else Counter()
    provenance = _provenance(store, run, first, chosen, traces, since, remaining)
    rows = {family: sum(n for (its, _), n in first.rows.items() if its == family) for family in FAMILIES}
    return Share(Path(path), rows, provenance, names.names, _lines=once, _overwrite=overwrite)


_pseudonyms = pseudonyms


def _format(place: Path) -> str:
    suffixes = [suffix.lower() for suffix in place.suffixes]
    if suffixes and suffixes[-1] in STORES:
        return "store"
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    if suffixes and suffixes[-1] in LINES:
        return "lines"
    raise ArgumentError(f"{place.name!r}: name the file .jsonl, .jsonl.gz or .jsonl.zst for lines, .duckdb for a store")


def _groups(store: Store, run: str | None, traces: Many) -> list[str] | None:
    """Return the whole ids of traces and threads that were named, None where none was."""
    if traces is None:
        return None
    found = []
    for part in named(traces):
        sql = """SELECT DISTINCT id FROM (SELECT run, trace_id AS id FROM signals UNION ALL SELECT run, thread FROM records)
                 WHERE starts_with(id, $part) AND ($run IS NULL OR run = $run) ORDER BY id"""
        met = [str(id_) for (id_,) in store.execute(sql, {"part": part, "run": run})]
        if part not in met and len(met) != 1:
            what = f"is the beginning of {len(met):,}: {', '.join(met[:3])}, ..." if met else "is not there"
            raise NotFoundError(f"trace or thread {part!r} {what}. See study.traces(all=True) and study.threads()")
        found.append(part if part in met else met[0])
    return found


def _choose(store: Store, run: str | None, groups: list[str] | None, since: date | str | None) -> dict[str, list[str]]:
    """Put the rows that are chosen into temporary tables; returns the runs that each family is in."""
    if run is not None and not store.execute("SELECT 1 FROM runs WHERE run = ?", [run]):
        raise NotFoundError(f"no run {run!r}; see study.runs()")
    asked = {"run": run, "groups": groups, "since": None if since is None else moment_of(since).isoformat()}
    for statement in CHOSEN.values():
        store.execute(statement, asked)
    found = {
        family: [str(name) for (name,) in store.execute(f"SELECT DISTINCT run FROM share_{family} ORDER BY run")]  # noqa: S608
        for family in CHOSEN
    }
    return {family: runs for family, runs in found.items() if runs}


def _require_one(path: Path, chosen: dict[str, list[str]]) -> None:
    if _format(path) == "lines" and sum(map(len, chosen.values())) > 1:
        told = "; ".join(f"{family} of {', '.join(runs)}" for family, runs in chosen.items())
        raise ArgumentError(
            f"{path.name!r} can hold one family of one run, chosen are {told}: name the file .duckdb, or give run= or traces="
        )


def _provenance(
    store: Store,
    run: str | None,
    made: _Pass,
    chosen: dict[str, list[str]],
    traces: Many,
    since: date | str | None,
    remaining: Counter[str],
) -> dict[str, Any]:
    names = made.reshaping.names
    kept = {family: sum(n for (its, _), n in made.rows.items() if its == family) for family in chosen}
    cut, left_out = {}, {}
    for table in (*ROW_TABLES, "quarantine", "duplicates"):
        where = "WHERE $run IS NULL OR run = $run"
        total = int(store.execute(f'SELECT count(*) FROM "{table}" {where}', {"run": run})[0][0])  # noqa: S608
        if table in FAMILIES and total - kept.get(table, 0):
            cut[table] = total - kept.get(table, 0)
        elif table not in FAMILIES and total:
            left_out[table] = total
    sources = [
        # The folders of somebody's machine are nobody's business, and a file may be named after an agent.
        {**row, "uri": names.text(str(row["uri"]).replace("\\", "/").rpartition("/")[2])}
        for row in store.query(SOURCES, {"run": run}).rows()
    ]
    return {
        "made_by": {"namespace-kit": metadata.version("namespace-kit"), "schema": VERSION, "share": 1},
        "sources": sources,
        "kept": kept,
        "cut": cut,
        "traces": None if traces is None else [names.text(name) for name in _groups(store, run, traces) or ()],
        "since": None if since is None else moment_of(since).isoformat(),
        "parents_cut": int(store.execute(PARENTS_CUT)[0][0]),
        "left_out": left_out,
        "redacted": made.reshaping.redaction.counts,
        "removed_text_that_stays": dict(sorted(remaining.items())),
        "pseudonyms": names.counts,
        "record_ids": "new" if made.reshaping and kept.get("records") else "as they were",
    }


def _write_lines(place: Path, made: Share, again: _Pass) -> None:
    with target(place, overwrite=made._overwrite) as file:
        file.write((COMMENT + json.dumps(made.provenance, ensure_ascii=False) + "\n").encode())
        for family in FAMILIES:
            for run in again.runs:
                for line in again.lines(family, run):
                    file.write(line.encode() + b"\n")
        _require_same(made, again)


@dataclass
class _Source:
    """Lines for `load`, under a name that says where they are from."""

    made: _Pass
    family: str
    run: str

    @property
    def uri(self) -> str:
        return f"share of {self.family}"

    def lines(self) -> Iterator[str]:
        return self.made.lines(self.family, self.run)


def _write_store(place: Path, made: Share, again: _Pass) -> None:
    part = place.with_name(f".{place.name[:200]}.{os.getpid()}.part")
    leftover = (part, part.with_name(f"{part.name}.wal"))
    for path in leftover:
        path.unlink(missing_ok=True)
    try:
        with Store(part) as store:
            for family in FAMILIES:
                for run in again.runs:
                    if any(its == family and name == run for its, name in _there(made, again)):
                        io.load(store, _Source(again, family, run), run=again.reshaping.names.text(run), progress=False)
            note = json.dumps(made.provenance, ensure_ascii=False)
            store.execute("UPDATE sources SET note = ?", [note])
        _require_same(made, again)
        part.replace(place)
    finally:
        for path in leftover:
            path.unlink(missing_ok=True)


def _there(made: Share, again: _Pass) -> list[tuple[str, str]]:
    return [
        (family, str(run))
        for family in made.rows
        for (run,) in again.store.execute(f"SELECT DISTINCT run FROM share_{family}")  # noqa: S608  our names
    ]


def _require_same(made: Share, again: _Pass) -> None:
    counts = (sum(again.rows.values()), again.reshaping.redaction.counts)
    if counts != (sum(made.rows.values()), made.provenance["redacted"]):
        raise StoreError("the store has changed since the summary; nothing was written. Make the share again")


def _told(made: Share) -> Iterator[str]:
    """Yield the lines of the summary."""
    facts = made.provenance
    state = "written" if made.written else "not written yet"
    yield f"share {made.path.name}, {state}"
    yield f"  keeps     {_listed(facts['kept'])}"
    if facts["cut"]:
        parents = f"; {facts['parents_cut']:,} that stay have lost their parent" if facts["parents_cut"] else ""
        yield f"  cut       {_listed(facts['cut'])}{parents}"
    if facts["left_out"]:
        yield f"  left out  {_listed(facts['left_out'])}"
    for path, count in facts["redacted"].items():
        yield (
            f"  redacted  {path!r} at {count:,} places"
            if count
            else f"  redacted  {path!r} met nothing: is it spelled so?"
        )
    stays = Counter(facts["removed_text_that_stays"])
    for path, count in stays.most_common(SHOWN_PATHS):
        yield f"  BEWARE    text that was removed also stands at {path!r}, {count:,} times"
    if len(stays) > SHOWN_PATHS:
        yield f"            and at {len(stays) - SHOWN_PATHS:,} other paths: .provenance['removed_text_that_stays']"
    if facts["pseudonyms"]:
        yield f"  renamed   {_listed(facts['pseudonyms'])}; also inside text, as whole words in any case"
        yield f"            not covered: {NOT_COVERED}"
    else:
        yield "  renamed   nobody"
    if facts["record_ids"] == "new":
        yield "  ids       records are hashed anew, and named by their new ids; ids of signals stay"
    for source in facts["sources"]:
        digest = f"sha256 {source['sha256'][:12]}" if source["sha256"] else "no hash"
        yield f"  from      {source['uri']}, {source['lines']:,} lines, {digest}"
    if not made.written:
        yield "next: .write()"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
