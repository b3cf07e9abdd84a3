"""What a consumer reads from a stream can be appended to the tables that logs have."""

from pathlib import Path

import pytest

import kit
from kit.auki import ClusterManager, ReadFrom, StreamIdleError, StreamRequest, rows_from_logs, sim, stream_rows
from kit.auki.discovery import discover
from kit.errors import ArgumentError

DATA = Path(__file__).parent / "data" / "pb"


PLACES = {
    "run",
    "source_id",
    "line",
    "log_id",
    "offset",
    "length",
    "data_offset",
    "n_samples",
    "duration_ns",
    "n_points",
}


def test_a_stream_of_each_kind_gives_the_rows_of_its_log() -> None:
    sim.reset()
    producer = ClusterManager.create_cluster(bytes([1] * 32), "lab", "http://discovery")
    consumer = ClusterManager.join_cluster(bytes([2] * 32), "lab", "http://discovery")
    for log in discover(DATA).logs:
        sim.serve_log(producer, log)
    with kit.open(threads=1) as study:
        study.load(DATA / "galbot-control-plane", run="log")
        for row in rows_from_logs(DATA):
            if row.variant == "time_transform_log" or row.state == "sealed":
                continue
            request = StreamRequest(row.resource_id, "galbot", ReadFrom.from_start())
            stream = consumer.open_stream_with_request(producer.local_peer_id, request)
            entries = []
            with pytest.raises(StreamIdleError):
                for entry in stream.entries():
                    entries.append(entry)
            table, rows = stream_rows(stream.manifest, entries, peer="galbot")
            study.append(table, rows)
            names = [name for name in rows.column_names if name not in PLACES]
            query = f"SELECT {', '.join(names)} FROM {table} WHERE run = ? AND log_id LIKE ? ORDER BY seq"
            live = study.execute(query, ["live", f"%/{row.resource_id}"])
            assert live == study.execute(query, ["log", f"%/{row.resource_id}"])
            assert len(live) == row.available["entries"]


def test_entries_of_no_stream_are_refused() -> None:
    from kit.auki import StreamManifest

    with pytest.raises(ArgumentError, match="0 kinds of entries"):
        stream_rows(StreamManifest(), [])
