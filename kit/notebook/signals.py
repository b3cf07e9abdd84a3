"""What a `Study` answers about signals and their traces. Each method is a call into the layers below."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from kit import compare
from kit.cosmonapse.rules import Rule
from kit.notebook.trace import Trace
from kit.store.store import Store
from kit.table import Table
from kit.trace import metrics
from kit.trace import search as searching
from kit.trace.audit import audits
from kit.trace.conformance import check
from kit.trace.cost import cost_by_neuron, cost_by_trace, cost_histogram
from kit.trace.dfg import dfg, dfg_graph
from kit.trace.event import Event, event
from kit.trace.forest import Forest, forest
from kit.trace.registry import neurons, registry_history, silences
from kit.trace.spans import spans
from kit.trace.structure import coverage, structure
from kit.trace.traces import traces
from kit.trace.variants import variants

if TYPE_CHECKING:
    import networkx as nx

COST_BY = {"neuron": cost_by_neuron, "trace": cost_by_trace}
STATE = "SELECT count(*), max(source_id), sum(lines), sum(rows) FROM sources"


class SignalVerbs(Store):
    """The verbs of the signal family."""

    _held: tuple[object, dict[str | None, Forest]] = (None, {})

    # Signals

    def signals(
        self,
        *,
        type: searching.Many = None,
        neuron: searching.Many = None,
        trace: searching.Many = None,
        run: searching.Many = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        payload: Mapping[str, Any] | None = None,
        where: str | None = None,
    ) -> Table:
        """Return the signals that match all arguments; see `kit.trace.search.signals`."""
        return searching.signals(
            self,
            type=type,
            neuron=neuron,
            trace=trace,
            run=run,
            since=since,
            until=until,
            payload=payload,
            where=where,
        )

    def event(self, event_id: str, *, run: str | None = None) -> Event:
        """Return one event whole: signal, parent, children, answers, span, label, source line."""
        return event(self, event_id, run=run, grown=self._forest(run))

    # Traces

    def trace(self, trace_id: str, follow: bool = True, *, run: str | None = None) -> Trace:
        """Return a trace by its id, or a part of it; with the traces it delegated to unless `follow=False`."""
        return Trace(self, trace_id, run=run, follow=follow, grown=self._forest(run))

    def traces(self, *, run: str | None = None, all: bool = False) -> Table:
        """Return one row per workflow trace, failed and slow first; with `all` the lifecycle traces too."""
        return Table(traces(self, run, all=all, grown=self._forest(run)), name="traces")

    def structure(self, *, run: str | None = None) -> Table:
        """Return one row per event: id, trace_id, label, parent_id, depth and more."""
        return Table(structure(self, run), name="structure")

    def coverage(self, *, run: str | None = None) -> dict[str, dict[str, float]]:
        """Return per label the events that have it and their share."""
        return coverage(structure(self, run))

    def spans(self, *, run: str | None = None, traces: Sequence[str] | None = None) -> Table:
        """Return the spans of all traces, or of some."""
        return Table(spans(self, run=run, traces=traces, grown=self._forest(run)), name="spans")

    def check(self, *, run: str | None = None, rules: Sequence[str | Rule] | None = None) -> Table:
        """Return the findings of the protocol's rules, each with trace and events."""
        return Table(check(self, run, rules), name="findings")

    def dfg(self, *, run: str | None = None, activity: str = "type") -> Table:
        """Return the directly-follows graph as a table (from, to, count, ...)."""
        return Table(dfg(self, run, activity), name="directly-follows")

    def dfg_graph(self, *, run: str | None = None, activity: str = "type") -> "nx.DiGraph[str]":
        """Return the directly-follows graph as a `networkx.DiGraph`."""
        return dfg_graph(self, run, activity)

    def variants(
        self, *, run: str | None = None, by: Literal["sequence", "tree"] = "sequence", activity: str = "type"
    ) -> Table:
        """Return the variants of the workflow traces, by `sequence` or by causal `tree`, the frequent ones first."""
        return Table(variants(self, run, by=by, activity=activity), name="variants")

    # Measures

    def latency(self, *, run: str | None = None) -> Table:
        """Return the time from cause to effect per kind of edge and neuron: count, p50, p90, p99, max in ms."""
        return Table(metrics.latency(self, run), name="latency")

    def fan_out(self, *, run: str | None = None) -> Table:
        """Return how many children events have, by type."""
        return Table(metrics.fan_out(self, run), name="fan-out")

    def in_flight(self, *, run: str | None = None, per_neuron: bool = False) -> Table:
        """Return how many TASKs were open, as steps over time."""
        return Table(metrics.in_flight(self, run, per_neuron=per_neuron), name="in flight")

    def composition(self, *, run: str | None = None) -> Table:
        """Return what each trace spent its time on: tool, recall, write, wait, other, in ms."""
        return Table(metrics.composition(self, run), name="composition")

    def memory(self, *, run: str | None = None) -> Table:
        """Return recalls, hits, misses and imprints per engram."""
        return Table(metrics.memory(self, run), name="memory")

    def auctions(self, *, run: str | None = None) -> Table:
        """Return one row per TASK_OFFER: bids, winner, award latency."""
        return Table(metrics.auctions(self, run), name="auctions")

    def bidders(self, *, run: str | None = None) -> Table:
        """Return bids, wins and declines per neuron."""
        return Table(metrics.bidders(self, run), name="bidders")

    def consistency(self, *, run: str | None = None) -> Table:
        """Return how alike the runs of one prompt are (mean pairwise Jaccard of their edges)."""
        return Table(metrics.consistency(self, run), name="consistency")

    def rates(self, *, run: str | None = None, bucket: str = "1 second") -> Table:
        """Return signals per stretch of time and type."""
        return Table(metrics.rates(self, run, bucket), name="rates")

    def cost(self, by: str = "neuron", *, run: str | None = None) -> Table:
        """Return tokens and cost by `neuron` or by `trace`; cost in millionths of a dollar."""
        return Table(COST_BY[by](self, run), name=f"cost by {by}")

    def cost_histogram(self, *, run: str | None = None) -> Table:
        """Return how many traces cost how much (lower, upper, count; millionths of a dollar)."""
        return Table(cost_histogram(self, run), name="cost histogram")

    def audits(self, *, run: str | None = None) -> Table:
        """Return the audit history: AUDIT signals with their policy records, and verdicts on replies."""
        return Table(audits(self, run), name="audits")

    def neurons(self, *, as_of: datetime | str | None = None, run: str | None = None) -> Table:
        """Return the registry as it stood at a time, or at the end."""
        return Table(neurons(self, as_of, run), name="neurons")

    def registry_history(self, *, run: str | None = None) -> Table:
        """Return who had which status from when to when."""
        return Table(registry_history(self, run), name="registry history")

    def silences(self, *, run: str | None = None, longer_than: str = "90 seconds") -> Table:
        """Return the gaps in the signs of life of each neuron."""
        return Table(silences(self, run, longer_than), name="silences")

    # Differences

    def diff_traces(self, a: str, b: str, *, run_a: str | None = None, run_b: str | None = None) -> Table:
        """Return what is added, removed or slower between two traces, by causal position; ids as for `trace`."""
        first, second = self.trace(a, run=run_a), self.trace(b, run=run_b)
        found = compare.traces.difference(self, first.id, second.id, run_a=first.run, run_b=second.run)
        return Table(found, name=f"{a} to {b}")

    def diff_runs(self, a: str, b: str) -> Table:
        """Return what differs between two runs, in counts and quantiles."""
        return Table(compare.runs.difference(self, a, b), name=f"{a} to {b}")

    def compare(self, a: str, b: str, **options: Any) -> compare.Comparison:
        """Return what differs between two runs, tested and told in words; options as for `kit.compare`."""
        return compare.compare_runs(self, self, run_a=a, run_b=b, **options)

    def _forest(self, run: str | None) -> Forest:
        """Return the structure of a run, kept until the store holds something else."""
        state = tuple(self.execute(STATE)[0])
        if self._held[0] != state:
            self._held = (state, {})
        held = self._held[1]
        if run not in held:
            held[run] = forest(self, run)
        return held[run]
