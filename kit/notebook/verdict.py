"""`Verdict`: whether records are what their ids say, as a notebook user holds it."""

from html import escape

import pyarrow as pa

from kit.io.report import shown_name
from kit.store.store import Store
from kit.syncropel.verify import Verification, findings, verify
from kit.table import Table


class Verdict(Table):
    """The verdict in one sentence, and as a table every line in doubt, duplicates included.

    Columns: run, source_id, line, id, status, detail, uri; `status` is what the id is to the record (`mismatch`, `ok6`, ...),
    what else is wrong (`clock_conflict`, `id_conflict`), `duplicate`, or for a line in quarantine its reason.
    """

    def __init__(self, store: Store, run: str | None = None) -> None:
        # As it stands now: what is loaded later has a verdict of its own.
        super().__init__(findings(store.connection, run).to_arrow_table(), name="findings")
        self.counts: Verification = verify(store.connection, run)

    @property
    def clean(self) -> bool:
        """Whether every line is a verified record or repeats one, and no clock was used twice."""
        return self.counts.clean

    def __repr__(self) -> str:
        return str(self.counts)

    def _repr_html_(self) -> str:
        return f"<p><b>{escape(str(self.counts))}</b></p>{self._shown()._repr_html_() if len(self) else ''}"

    def _shown(self) -> Table:
        """Return what a reader needs of the table: run and file where there are several, the file by its name."""
        found = self.arrow()
        several = [name for name in ("run", "uri") if len(found[name].unique()) > 1]
        names = [None if uri is None else shown_name(uri) for uri in found["uri"].to_pylist()]
        found = found.set_column(found.schema.get_field_index("uri"), "uri", pa.array(names, pa.string()))
        return Table(found.select([*several, "line", "status", "id", "detail"]), name=self.name)
