"""The logs of a store: found by a name, read as columns, and the payloads that stayed in their files."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from kit.auki.clock_graph import ClockName
from kit.auki.manifest import Ref
from kit.auki.payload import decode
from kit.auki.payload_fields import Kind
from kit.errors import ArgumentError, NotFoundError, SourceError
from kit.schema import columns
from kit.store.store import Store

TABLES = {
    "camera": "camera_frames",
    "point_cloud": "point_clouds",
    "audio": "audio",
    "joints": "joints",
    "pose": "poses",
    "time_transform": "clock_offsets",
    "detection": "detections",
}
"""Where the entries of a log are, by what it holds."""

FIND = """
SELECT run, log_id, resource_id, source_peer_id, kind, variant, clock_peer_id, clock_id, clock_hash, from_id, to_id
FROM logs WHERE $run IS NULL OR run = $run ORDER BY run, log_id
"""


@dataclass(frozen=True)
class LogEntry:
    """A log of a run: its ids, the table of its entries, and the clock of their times."""

    run: str
    log_id: str
    resource_id: str
    peer: str
    kind: Kind | None
    variant: str
    clock: Ref
    begin: str | None = None
    """Frame or clock that it maps from."""
    end: str | None = None

    @property
    def table(self) -> str:
        """The table of its entries. Raises ArgumentError where it is not known what they hold."""
        if self.kind is None:
            raise ArgumentError(
                f"log {self.log_id!r}: what its entries hold is not known, its sensor is not registered"
            )
        return TABLES[self.kind]


def logs(store: Store, run: str | None = None) -> list[LogEntry]:
    """Return the logs of a store, or of one run, in the order of their ids; of two manifests of a log the later."""
    found = {}
    for row in store.execute(FIND, {"run": run}):
        clock = Ref(*(part or "" for part in row[6:9]))
        found[row[0], row[1]] = LogEntry(row[0], row[1], row[2], row[3] or "", row[4], row[5], clock, row[9], row[10])
    return list(found.values())


def find_log(store: Store, name: str, run: str | None = None, peer: str | None = None) -> LogEntry:
    """Return the log of a name: its resource id, `peer/resource_id`, or its whole log id.

    Raises NotFoundError, naming the logs there are, and ArgumentError where several logs have the name.
    """
    known = logs(store, run)
    found = [
        log
        for log in known
        if name in (log.log_id, log.resource_id, f"{log.peer}/{log.resource_id}") and peer in (None, "", log.peer)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{log.log_id!r} of run {log.run!r}" for log in found)
        raise ArgumentError(f"log {name!r} may be one of several: {names}. Give the whole id, or run=")
    names = ", ".join(repr(log.resource_id) for log in known) or "none"
    raise NotFoundError(f"no log {name!r}: there are {names}")


def one_run(store: Store, run: str | None) -> str | None:
    """Return the run whose logs are meant: the one given, or the only one that has logs (None without any).

    Raises ArgumentError where several runs have logs.
    """
    if run is not None:
        return run
    runs = sorted({log.run for log in logs(store)})
    if len(runs) > 1:
        raise ArgumentError(f"the runs {', '.join(map(repr, runs))} have logs: say which, as run={runs[0]!r}")
    return runs[0] if runs else None


def entries(store: Store, log: LogEntry, wanted: str = "*") -> pa.Table:
    """Return the rows of a log in the order of its entries."""
    order = "ts_ns, seq" if log.table != "poses" else "ts_ns, seq, part"
    return store.arrow(
        f'SELECT {wanted} FROM "{log.table}" WHERE run = $run AND log_id = $log ORDER BY {order}',  # noqa: S608
        {"run": log.run, "log": log.log_id},
    )


def payload(store: Store, name: str, seq: int, run: str | None = None) -> bytes:
    """Return the data of an entry, read from its file: the image, the sound, the points, what a detector wrote; of
    others the whole payload.

    `seq` is the number of the entry in its log. Raises NotFoundError where there is no such entry, SourceError where its
    file has gone.
    """
    log = find_log(store, name, run)
    place = {"run": log.run, "log": log.log_id}
    has_data = "data_offset" in columns(log.table)
    data = "data_offset, data_length" if has_data else "NULL, NULL"
    kept = "data" if log.kind == "detection" else "NULL"
    found = store.execute(
        f'SELECT source_id, "offset", length, {data}, {kept} FROM "{log.table}" '  # noqa: S608  our names
        "WHERE run = $run AND log_id = $log AND seq = $seq ORDER BY line LIMIT 1",
        {**place, "seq": int(seq)},
    )
    if not found:
        first, last = store.execute(
            f'SELECT min(seq), max(seq) FROM "{log.table}" WHERE run = $run AND log_id = $log',  # noqa: S608
            place,
        )[0]
        raise NotFoundError(f"log {log.log_id!r} has no entry {seq!r}: its entries are {first} to {last}")
    source_id, offset, length, data_offset, data_length, data = found[0]
    if data is not None:
        return bytes(data)
    packed = _packed(store, log, int(seq), source_id)
    if packed is not None and data_offset is not None:
        return packed[data_offset - offset :][:data_length]
    if data_offset is not None:
        return store.file_bytes(source_id, data_offset, data_length)
    whole = store.file_bytes(source_id, offset, length) if packed is None else packed
    # Data that is not one range of bytes has to be put together.
    return bytes(decode(log.kind, whole)[0]["data"]) if has_data and log.kind is not None else whole


PACKED = """
SELECT DISTINCT e.seq, e.ts_ns FROM "{table}" e JOIN sources s ON s.run = e.run AND s.source_id = e.source_id
WHERE e.run = $run AND e.log_id = $log AND starts_with(s.uri, $folder) AND e.ts_ns = (
    SELECT ts_ns FROM "{table}" WHERE run = $run AND log_id = $log AND seq = $seq AND source_id = $source LIMIT 1
) ORDER BY e.seq
"""


def _packed(store: Store, log: LogEntry, seq: int, source_id: int) -> bytes | None:
    """Return the payload of an entry that was loaded out of an MCAP file, None for others: they have a file of their own.

    It is the one of its log at its time; of several at one time, that of its turn. Raises SourceError where it has gone.
    """
    ((uri,),) = store.execute("SELECT uri FROM sources WHERE source_id = $id", {"id": source_id})
    name, mark, inside = str(uri).rpartition("#")
    if not mark or Path(uri).exists() or not inside.endswith(".seg"):
        return None
    from kit.auki.restore import payloads  # here, since it needs the extra `robotics`

    folder = str(PurePosixPath(inside).parent.parent)
    same = store.execute(
        PACKED.format(table=log.table),
        {
            "run": log.run,
            "log": log.log_id,
            "seq": seq,
            "source": source_id,
            "folder": f"{name}#{folder}/".replace("#./", "#"),
        },
    )
    turn = [number for number, _ in same].index(seq)
    found = payloads(Path(name), folder, same[0][1])
    if len(found) <= turn:
        raise SourceError(f"{name}: entry {seq} of {log.log_id!r} is not there any more; load the file again")
    return found[turn]


def instants(
    store: Store, at: ArrayLike | str, clock: ClockName | None, run: str | None
) -> tuple[ArrayLike, ClockName | None]:
    """Return instants and their clock: as given, or those of the entries of a log, by its name, on its own clock.

    Raises ArgumentError where a clock is given beside a log, and what `find_log` raises.
    """
    if not isinstance(at, str):
        return at, clock
    log = find_log(store, at, run)
    if clock is not None:
        raise ArgumentError(f"at={at!r} is a log, whose entries are on its own clock: leave clock={str(clock)!r} out")
    # An entry of several transforms has a row for each.
    return np.unique(entries(store, log, "ts_ns")["ts_ns"].to_numpy()), log.clock
