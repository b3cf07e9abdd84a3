"""Parquet and Arrow tables of signals."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import kit
from kit.errors import SourceError

COLUMNS = "* EXCLUDE (run, source_id, line, raw, text)"


def as_parquet(table: pa.Table, path: Path) -> None:
    pq.write_table(table, path)


def as_file(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)


def as_stream(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)


@pytest.mark.parametrize("write", [as_parquet, as_file, as_stream])
def test_a_table_written_by_the_kit_loads_as_it_was(
    write: Callable[[pa.Table, Path], None], small_capture: Path, tmp_path: Path
) -> None:
    path = tmp_path / "signals.bin"
    with kit.load(small_capture) as study:
        write(study.signals().arrow(), path)
        wanted = study.sql(f"select {COLUMNS}, raw from signals order by id").rows()
    with kit.load(path) as again:
        assert again.load_report.rows == 1037
        assert again.sql(f"select {COLUMNS}, raw from signals order by id").rows() == wanted
        source = again.sources().rows()[0]
        assert (source["lines"], source["bytes"]) == (1037, path.stat().st_size)
        assert again.load(path).sources[0].new_lines == 0


def test_columns_without_raw_make_the_same_signals(small_capture: Path) -> None:
    with kit.load(small_capture) as study:
        table = study.sql("select * exclude (raw, text) from signals").arrow()
        wanted = study.sql(f"select {COLUMNS} from signals order by id").rows()
    with kit.load(table) as again:
        assert again.sql(f"select {COLUMNS} from signals order by id").rows() == wanted


def test_extra_keys_of_the_envelope_and_of_directed_come_back() -> None:
    line = {"id": "evt_1", "trace_id": "trc_1", "type": "TASK", "shard": 1, "directed": {"id": "a", "zone": 2}}
    with kit.load([json.dumps(line)]) as study:
        table = study.sql("select * exclude (raw, text) from signals").arrow()
    with kit.load(table) as again:
        row = again.signals().rows()[0]
        assert (row["directed_id"], json.loads(row["extra"])) == ("a", {"shard": 1, "directed": {"zone": 2}})
        assert row["flags"] == ["extra_keys", "no_ts"]


def test_few_columns_are_enough_and_null_is_missing() -> None:
    table = pa.table({"id": ["evt_1", None, "x"], "trace_id": ["trc_1", "trc_1", "trc_1"], "type": ["TASK"] * 3})
    with kit.load(table) as study:
        assert study.load_report.rows == 1
        assert {code: reason.line for code, reason in study.load_report.reasons.items()} == {
            "missing_id": 2,
            "bad_id": 3,
        }


def test_rows_that_make_no_line_are_quarantined_and_counted() -> None:
    table = pa.table(
        {
            "raw": pa.array(
                [b'{"id":"evt_1","trace_id":"trc_1","type":"TASK"}', b"\xff{}", None, b"{", b""], pa.binary()
            ),
            "id": ["evt_1", "evt_2", "evt_3", "evt_4", "evt_5"],
            "trace_id": ["trc_1"] * 5,
            "type": ["TASK"] * 5,
            "payload": ["{}", "{}", "{broken", "{}", "{}"],
        }
    )
    with kit.load(table) as study:
        report = study.load_report
        assert (report.lines, report.rows, report.quarantined) == (5, 2, 3)
        assert {code: reason.count for code, reason in report.reasons.items()} == {"bad_json": 2, "bad_utf8": 1}


def test_structs_and_lists_are_taken_as_json() -> None:
    table = pa.table(
        {
            "id": ["evt_1"],
            "trace_id": ["trc_1"],
            "type": ["TASK"],
            "payload": [{"input": {"q": [1, None]}}],
            "directed_capabilities": [["x"]],
        }
    )
    with kit.load(table) as study:
        row = study.signals().rows()[0]
        assert (json.loads(row["payload"]), row["directed_capabilities"]) == ({"input": {"q": [1, None]}}, ["x"])


def test_a_table_that_holds_no_signals_says_what_it_needs() -> None:
    with kit.open() as study:
        with pytest.raises(SourceError, match="needs the column raw, or id, trace_id, type; it has a, b"):
            study.load(pa.table({"a": [1], "b": [2]}))
        assert len(study.sources()) == 0


def test_a_broken_parquet_file_is_a_source_error(tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(SourceError, match="cannot be read as parquet"):
        kit.load(path)


def test_an_empty_table_is_an_empty_source() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"raw": pa.array([], pa.string())}), sink)
    with kit.open() as study:
        assert study.load(io.BytesIO(sink.getvalue())).lines == 0
