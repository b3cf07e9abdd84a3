"""What a `Study` answers about records and their threads. Each method is a call into the layers below."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from kit.notebook.thread import Thread
from kit.store.store import Store
from kit.table import Table
from kit.trace import record_search as searching
from kit.trace.amendments import RAW
from kit.trace.record_view import amended, conflicts, view_difference
from kit.trace.records import Weave, ancestry, record_structure, weave
from kit.trace.search import Many, moment_of
from kit.trace.thread import find_thread
from kit.trace.threads import threads
from kit.trace.trust import trust

if TYPE_CHECKING:
    from kit.notebook.verdict import Verdict

Moment = date | str | None


STATE = "SELECT count(*), max(source_id), sum(lines), sum(rows) FROM sources"


class RecordVerbs(Store):
    """The verbs of the record family."""

    _woven: tuple[object, dict[str | None, Weave]] = (None, {})

    def records(
        self,
        *,
        kind: Many = None,
        actor: Many = None,
        thread: Many = None,
        act: Many = None,
        ref: searching.Ref | Iterable[searching.Ref] | None = None,
        body: Mapping[str, Any] | None = None,
        run: Many = None,
        where: str | None = None,
        corrected: bool = False,
        erased: bool = False,
        aliased: bool = False,
        as_of: Moment = None,
        same_actor: bool = False,
    ) -> Table:
        """Return the records that match all arguments, as written or as amended; see `kit.trace.record_search.records`.

        `corrected`, `erased`, `aliased` apply the amendments of that kind; `as_of` is the time at which erasures must
        be in force, `same_actor` leaves out corrections by anyone but the actor of the record.
        """
        view = searching.view_of(
            corrected=corrected, erased=erased, aliased=aliased, as_of=as_of, same_actor=same_actor
        )
        return searching.records(
            self, kind=kind, actor=actor, thread=thread, act=act, ref=ref, body=body, run=run, where=where, view=view
        )

    def verify(self, *, run: str | None = None) -> "Verdict":
        """Return whether the records are what their ids say: one sentence, and a table of every line in doubt."""
        from kit.notebook.verdict import Verdict  # here, so that a store opens without the family

        return Verdict(self, run)

    def refs(
        self,
        *,
        kind: Many = None,
        ref: searching.Ref | Iterable[searching.Ref] | None = None,
        run: str | None = None,
        corrected: bool = False,
        erased: bool = False,
        as_of: Moment = None,
    ) -> Table:
        """Return one row per reference of a record, with the key to join on; see `kit.trace.record_search.refs`."""
        view = searching.view_of(corrected=corrected, erased=erased, aliased=False, as_of=as_of)
        return searching.refs(self, kind=kind, ref=ref, run=run, view=view)

    def amendments(self, *, run: str | None = None, as_of: Moment = None, same_actor: bool = False) -> Table:
        """Return corrections, erasures, aliases, claims, transfers and cancellations, and what came of each."""
        view = searching.view_of(corrected=True, erased=True, aliased=True, as_of=as_of, same_actor=same_actor)
        return Table(amended(self, run, view), name="amendments")

    def conflicts(self, *, run: str | None = None) -> Table:
        """Return the fields that corrections by different actors set, and which of them wins."""
        return Table(conflicts(self, run), name="conflicts")

    def diff_views(
        self,
        *,
        run: str | None = None,
        corrected: bool = True,
        erased: bool = True,
        aliased: bool = True,
        as_of: Moment = None,
        same_actor: bool = False,
    ) -> Table:
        """Return what a view shows otherwise than the records as they were written, field by field."""
        view = searching.view_of(
            corrected=corrected, erased=erased, aliased=aliased, as_of=as_of, same_actor=same_actor
        )
        return Table(view_difference(self, b=view or RAW, run=run), name="written to amended")

    def thread(self, thread: str, follow: bool = False, *, run: str | None = None) -> Thread:
        """Return a thread by its name, or the start of it; with its sub-threads where `follow` is true."""
        run, thread = find_thread(self, thread, run)
        return Thread(self, thread, run=run, follow=follow, woven=self._weave(run))

    def threads(self, *, run: str | None = None) -> Table:
        """Return one row per thread, open ones first: state, actors, what is unfulfilled, duration, records by act."""
        return Table(threads(self, run, woven=self._weave(run)), name="threads")

    def record_structure(self, *, run: str | None = None) -> Table:
        """Return one row per record: id, thread, label, parents, depth and more, causes before effects."""
        return Table(record_structure(self, run, woven=self._weave(run)), name="structure")

    def ancestry(self, record_id: str, *, run: str | None = None) -> Table:
        """Return a record and everything it follows from, causes first; the id may be a prefix."""
        return Table(ancestry(self, record_id, run=run), name="ancestry")

    def trust(self, *, run: str | None = None, as_of: Moment = None) -> Table:
        """Return how far each actor is trusted in each domain, by the verdicts of others: raw and decayed."""
        return Table(trust(self, run, as_of=None if as_of is None else moment_of(as_of)), name="trust")

    def hash_levels(self, *, run: str | None = None, thread: str | None = None) -> Table:
        """Return the hashes of each record that has an id at levels L0 (exact) to L3 (intent); L0 must not leave its namespace."""
        return Table(searching.record_levels(self, run, thread), name="hash levels")

    def _weave(self, run: str | None) -> Weave:
        """Return the structure of the records of a run, kept until the store holds something else."""
        state = tuple(self.execute(STATE)[0])
        if self._woven[0] != state:
            self._woven = (state, {})
        held = self._woven[1]
        if run not in held:
            held[run] = weave(self, run)
        return held[run]
