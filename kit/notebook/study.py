"""`Study`: the store as a notebook user holds it. Each method is a call into the layers below."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import io
from kit.cosmonapse.wire import Level
from kit.io.remove import remove
from kit.notebook.records import RecordVerbs
from kit.notebook.replay import ReplayVerbs
from kit.notebook.sensors import SensorVerbs
from kit.notebook.signals import SignalVerbs
from kit.table import Table
from kit.trace.search import Many
from kit.typing import Progress

if TYPE_CHECKING:
    from threading import Event

    from kit.export.share import Share
    from kit.io.follow import TailReport
    from kit.syncropel.client import Client
    from kit.widgets import Browser, TableExplorer, Timeline


class Study(SignalVerbs, RecordVerbs, SensorVerbs, ReplayVerbs):
    """A store with the verbs of an analysis; a context manager, closed at the end of its block.

    The verbs of each family are in a class of their own: `SignalVerbs`, `RecordVerbs`, `SensorVerbs`, `ReplayVerbs`.
    """

    load_report: io.LoadReport | None = None
    """The account of the latest load."""

    def load(
        self,
        source: Any,
        *,
        run: str = "capture",
        level: Level = "loose",
        processes: int = 1,
        progress: "bool | Progress | None" = None,
    ) -> io.LoadReport:
        """Load a path, glob, folder, list, file object, lines, Arrow table, database or kernel into `run`; see `kit.io.load`."""
        self.load_report = io.load(self, source, run=run, level=level, processes=processes, progress=progress)
        return self.load_report

    def tail(
        self,
        client: "Client | str",
        thread: str,
        *,
        run: str = "capture",
        since_clock: int | None = None,
        cursor: str | None = None,
        limit: int | None = None,
        seconds: float | None = None,
        stop: "Event | None" = None,
        max_reconnects: float = math.inf,
        on_load: Callable[[io.LoadReport], object] | None = None,
    ) -> "TailReport":
        """Load the records of a thread of a server as they come, until a limit or Ctrl-C; see `kit.io.follow.tail`.

        `client` may be the address of the server; `since_clock=0` begins with the first record of the thread.
        """
        from kit.io.follow import tail  # here, so that a store opens without the family

        brought = tail(
            self, client, thread, run=run, since_clock=since_clock, cursor=cursor, limit=limit, seconds=seconds,
            stop=stop, max_reconnects=max_reconnects, on_load=on_load,
        )  # fmt: skip
        self.load_report = brought.report
        return brought

    def sql(self, query: str, params: Sequence[object] | Mapping[str, object] | None = None) -> Table:
        """Return the answer of DuckDB to `query`, lazily; values are bound from `params`."""
        return self.query(query, params)

    # What is in it

    def runs(self) -> Table:
        """Return one row per run."""
        return self._named("runs", "FROM runs ORDER BY run")

    def sources(self) -> Table:
        """Return one row per loaded source, with its account of lines."""
        return self._named("sources", "FROM sources ORDER BY run, source_id")

    def quarantine(self, *, reason: str | None = None, run: str | None = None) -> Table:
        """Return the lines that could not become rows: where, why, and their bytes."""
        return self._named(
            "quarantine",
            """SELECT * FROM quarantine WHERE ($reason IS NULL OR reason = $reason) AND ($run IS NULL OR run = $run)
               ORDER BY run, source_id, line""",
            {"reason": reason, "run": run},
        )

    def remove(self, *, run: str | None = None, source: int | str | None = None) -> int:
        """Take out a run or a source and return how many lines that was; see `kit.io.remove`."""
        return remove(self, run=run, source=source)

    def share(
        self,
        path: str | Path,
        *,
        traces: Many = None,
        since: date | str | None = None,
        redact: Iterable[str] = (),
        pseudonyms: bool | Iterable[str] = True,
        run: str | None = None,
        overwrite: bool = False,
    ) -> "Share":
        """Return what a file for somebody else would hold, cut, redacted and with pseudonyms; `.write()` makes it.

        See `kit.export.share`.
        """
        from kit.export.share import share  # here, so that a store opens without the families

        return share(
            self, path, traces=traces, since=since, redact=redact, pseudonyms=pseudonyms, run=run, overwrite=overwrite
        )

    # In the browser

    def browse(self, *, run: str | None = None) -> "Browser":
        """Return the trace browser: listings of traces, threads and clocks, and of what is chosen all views, linked."""
        from kit import widgets

        return widgets.Browser(self, run, grown=self._forest, woven=self._weave)

    def explore(self, what: str, *, key: str | None = None, **options: Any) -> "TableExplorer":
        """Return a table of this store, a view or a query, to scroll, filter and sort in the browser."""
        from kit import widgets

        return widgets.TableExplorer(self, what, key=key, **options)

    def timeline(self, *, run: str | None = None, **options: Any) -> "Timeline":
        """Return all signals over time, a lane for each neuron, to move in, in the browser."""
        from kit import widgets

        return widgets.Timeline(widgets.signal_marks(self, run), **options)

    def report(self, path: str | Path, *, run: str | None = None, rows: int = 20_000) -> Path:
        """Write what `browse` shows as one HTML file that needs no Jupyter; see `kit.widgets.Browser.to_html`."""
        from kit import widgets

        with widgets.off_page():
            browser = self.browse(run=run)
        try:
            return browser.to_html(path, rows=rows)
        finally:
            browser.close()

    # Itself

    def _named(self, name: str, query: str, params: Mapping[str, object] | None = None) -> Table:
        found = self.query(query, params)
        found.name = name
        return found

    def _summaries(self) -> list[Table]:
        """Return a table of the runs of each family that is there; of signals, where nothing is."""
        found = [Table(self.arrow(query), name=name) for name, query, _, _ in FAMILIES]
        return [table for table in found if len(table)] or found[:1]

    def _next(self) -> str:
        """Return what to ask of the families that are there."""
        there = {table.name for table in self._summaries() if len(table)}
        asked = [(calls, table) for name, _, calls, table in FAMILIES if name in there]
        if not asked:
            return NOTHING
        return ", ".join([*(calls for calls, _ in asked), f"study.quarantine(), study.sql('from {asked[0][1]}')"])

    def __repr__(self) -> str:
        name = "in memory" if self.path is None else self.path.name
        return "\n".join([f"study {name}", *map(repr, self._summaries()), f"next: {self._next()}"])

    def _repr_html_(self) -> str:
        name = "in memory" if self.path is None else self.path.name
        tables = "".join(table._repr_html_() for table in self._summaries())
        return f"<p><b>study {escape(name)}</b></p>{tables}<p>next: {self._next()}</p>"


SIGNAL_RUNS = """SELECT run, count(*) AS signals, count(DISTINCT trace_id) AS traces,
                        min(ts) AS first, max(ts) AS last,
                        (SELECT count(*) FROM quarantine q WHERE q.run = s.run) AS quarantined
                 FROM signals s GROUP BY run ORDER BY run"""
RECORD_RUNS = """SELECT run, count(*) AS records, count(DISTINCT thread) AS threads, count(DISTINCT actor) AS actors,
                        count(*) FILTER (WHERE integrity IS DISTINCT FROM 'ok') AS unproven,
                        (SELECT count(*) FROM quarantine q WHERE q.run = r.run) AS quarantined
                 FROM records r GROUP BY run ORDER BY run"""
LOG_RUNS = """SELECT l.run, count(DISTINCT l.log_id) AS logs, count(DISTINCT l.source_peer_id) AS peers,
                     (SELECT count(DISTINCT log_id) FROM sources s
                      WHERE s.run = l.run AND s.log_id IS NOT NULL AND (NOT s.complete OR s.quarantined > 0)) AS damaged
              FROM logs l GROUP BY l.run ORDER BY l.run"""
FAMILIES = (
    ("runs", SIGNAL_RUNS, "study.traces(), study.signals(type='ERROR'), study.check()", "signals"),
    ("runs of records", RECORD_RUNS, "study.verify(), study.threads(), study.records(act='KNOW')", "records"),
    ("runs of logs", LOG_RUNS, "study.logs(), study.clocks(), study.crosscheck()", "logs"),
)
"""Of each family: the name of its summary, how that is made, what to ask first, and the table to ask in SQL."""


def _explore(table: Table, key: str | None = None, **options: Any) -> "TableExplorer":
    """Return a table to scroll, filter and sort in the browser; what `Table.explore` calls."""
    from kit import widgets

    return widgets.TableExplorer(table, key=key, **options)


Table.explorer = staticmethod(_explore)  # a table is of a lower layer than widgets

NOTHING = "study.load('my.jsonl'), study.load(kit.datasets.path('cosmonapse-small'))"


def open_study(
    path: str | Path | None = None,
    *,
    read_only: bool = False,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> Study:
    """Return a Study on the DuckDB file at `path`, created if it is not there, or in memory without one.

    `memory_limit` is DuckDB's, like "2GB"; `threads` its number of threads (all cores without). Raises
    StoreLockedError where another process has the file, StoreVersionError where it is none of ours or newer.
    """
    return Study(path, read_only=read_only, memory_limit=memory_limit, threads=threads)


def load_study(source: Any, *, run: str = "capture", level: Level = "loose") -> Study:
    """Return a Study in memory with `source` loaded: `open` and `load` at once.

    The account of the load is `study.load_report`.
    """
    study = Study()
    study.load(source, run=run, level=level)
    return study
