"""Tables as Parquet and CSV."""

import csv as stdlib_csv
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import kit
from kit.errors import ArgumentError
from kit.export import csv, parquet, rows

SIGNALS = "FROM signals ORDER BY source_id, line"


def test_signals_survive_parquet_and_load(tmp_path: Path, small_capture: Path) -> None:
    with kit.load(small_capture) as study:
        parquet.write(study.sql(SIGNALS), tmp_path / "signals.parquet")
        with kit.load(tmp_path / "signals.parquet") as again:
            assert again.load_report.rows == 1037
            assert again.sql(SIGNALS).arrow().equals(study.sql(SIGNALS).arrow())


def test_a_store_answers_again_after_an_export(tmp_path: Path, small_capture: Path) -> None:
    with kit.load(small_capture) as study:
        for module in (csv, parquet):
            module.write(study.sql("FROM signals"), tmp_path / module.__name__)
            assert len(study.sql("FROM signals")) == 1037
            with pytest.raises(ArgumentError):
                module.write(study.sql("FROM signals"), tmp_path / module.__name__)
            assert len(study.sql("FROM signals")) == 1037


def test_anything_that_hands_out_arrow_is_written(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2], "b": ["x", None]})
    for number, source in enumerate([table, kit.Table(table), pd.DataFrame({"a": [1, 2], "b": ["x", None]})]):
        parquet.write(source, tmp_path / f"{number}.parquet")
        assert pq.read_table(tmp_path / f"{number}.parquet").to_pydict() == table.to_pydict()
    with pytest.raises(ArgumentError, match="cannot export list"):
        parquet.write([1], tmp_path / "no.parquet")  # type: ignore[arg-type]
    assert not (tmp_path / "no.parquet").exists()


def test_small_batches_become_large_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "BATCH_ROWS", 4)
    pieces = pa.table({"a": range(10)}).to_batches(max_chunksize=1)
    parquet.write(pa.Table.from_batches(pieces), tmp_path / "a.parquet")
    written = pq.ParquetFile(tmp_path / "a.parquet")
    assert [written.metadata.row_group(n).num_rows for n in range(written.num_row_groups)] == [4, 4, 2]
    assert written.read()["a"].to_pylist() == list(range(10))


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    empty = pa.schema([("a", pa.int64()), ("b", pa.list_(pa.string()))]).empty_table()
    assert pq.read_table(parquet.write(empty, tmp_path / "a.parquet")).schema == empty.schema
    assert read(csv.write(empty, tmp_path / "a.csv")) == [["a", "b"]]


def test_csv_has_times_in_iso_8601_and_structures_as_json(tmp_path: Path) -> None:
    with kit.open() as study:
        table = study.sql(
            """SELECT TIMESTAMPTZ '2026-11-02 09:00:00.000246+00' AS at, ['a', 'b'] AS list, {'k': 1} AS struct,
                      'x\\xFF'::BLOB AS bytes, sum(3)::HUGEINT AS big, '' AS empty, NULL::VARCHAR AS missing,
                      'a"b,c\n\u001b' AS text, DATE '2026-11-02' AS day, 0.1::DOUBLE AS float, true AS yes"""
        )
        csv.write(table, tmp_path / "a.csv")
    content = (tmp_path / "a.csv").read_text()
    assert '"",,' in content
    head, row = read(tmp_path / "a.csv")
    assert dict(zip(head, row, strict=True)) == {
        "at": "2026-11-02T09:00:00.000246Z",
        "list": '["a","b"]',
        "struct": '{"k":1}',
        "bytes": "x\\xFF",
        "big": "3",
        "empty": "",
        "missing": "",
        "text": 'a"b,c\n\x1b',
        "day": "2026-11-02",
        "float": "0.1",
        "yes": "true",
    }


def test_columns_of_one_name_are_all_written(tmp_path: Path) -> None:
    table = pa.table([pa.array([1]), pa.array([["x"]])], names=["a", "a"])
    assert read(csv.write(table, tmp_path / "a.csv")) == [["a", "a"], ["1", '["x"]']]


def test_csv_rows_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BATCH_ROWS", 100)
    with kit.open() as study:
        csv.write(study.sql("SELECT i, [i] AS l FROM range(30000) t(i) ORDER BY i"), tmp_path / "a.csv")
    assert read(tmp_path / "a.csv")[1:] == [[str(n), f"[{n}]"] for n in range(30000)]


def read(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(stdlib_csv.reader(file))
