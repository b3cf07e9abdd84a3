"""`Table`: what every table-valued call returns."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import kit
from kit.errors import ArgumentError
from kit.notebook.study import Study
from kit.table import MAX_WIDTH, Table


@pytest.fixture(scope="module")
def study(small_capture: Path) -> Iterator[Study]:
    with kit.load(small_capture) as opened:
        yield opened


def held(**columns: object) -> Table:
    return Table(pa.table(columns), name="held")


def test_a_frame_has_zoned_times_lists_and_missing_values(study: Study) -> None:
    frame = study.signals().df()
    assert len(frame) == 1037
    assert str(frame["ts"].dtype) == "datetime64[us, UTC]"
    assert frame["ts"].min() == pd.Timestamp("2026-11-02T09:00:00.000246Z")
    assert frame["directed_capabilities"].iloc[0] == ["substring", "tags", "merge_key"]
    assert isinstance(frame["flags"].iloc[0], list)
    assert frame["parent_id"].isna().iloc[0]
    assert (frame["ts"].diff().dropna() >= pd.Timedelta(-1, "h")).all()


def test_a_missing_time_is_not_a_time() -> None:
    with kit.load(['{"id":"evt_1","trace_id":"trc_1","type":"TASK"}']) as study:
        frame = study.signals().df()
        assert str(frame["ts"].dtype) == "datetime64[us, UTC]" and frame["ts"].isna().all()
        assert study.signals().rows()[0]["ts"] is None


def test_sums_are_integers(study: Study) -> None:
    table = study.sql("select sum(line) total, count(*) n, sum(line::hugeint) << 80 huge from signals")
    assert table.rows()[0]["total"] == 1037 * 1038 // 2
    assert str(table.df()["total"].dtype) == "int64"
    assert table.rows()[0]["huge"] == Decimal((1037 * 1038 // 2) << 80)


def test_json_spreads_into_columns() -> None:
    texts = ['{"a":1,"b":{"c":[1,2],"d":null}}', '{"a":2.5}', "{}", None, "[1]", f'{{"big":{2**60 + 1}}}']
    frame = held(id=list(range(6)), payload=texts).df(expand="payload")
    assert list(frame.columns) == ["id", "payload.a", "payload.b.c", "payload.b.d", "payload", "payload.big"]
    assert frame["payload.a"].tolist()[:2] == [1, 2.5]
    assert frame["payload.b.c"].iloc[0] == [1, 2]
    assert frame["payload.big"].iloc[5] == 2**60 + 1
    assert frame["payload"].iloc[4] == [1]
    assert frame["payload.a"].isna().tolist() == [False, False, True, True, True, True]


def test_several_columns_spread_and_nan_stays(study: Study) -> None:
    frame = held(a=['{"x":NaN}'], b=['{"y":"z"}']).df(expand=["a", "b"])
    assert frame["b.y"].tolist() == ["z"] and frame["a.x"].isna().all()
    assert "payload.capabilities" in study.signals(type="REGISTER").df(expand="payload").columns


@pytest.mark.parametrize(("name", "message"), [("gone", "the columns are a, n"), ("a", "is not JSON"), ("n", "lists")])
def test_what_cannot_spread_says_why(name: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        held(a=["x"], n=[[1]]).df(expand=name)


def test_a_table_is_rows_arrow_and_a_stream(study: Study) -> None:
    finals = study.signals(type="FINAL")
    assert finals.rows() == list(finals) == finals.arrow().to_pylist()
    assert pa.table(finals) == finals.arrow()
    assert finals.rows()[0]["ts"].tzinfo is not None
    with duckdb.connect() as other:
        assert other.sql("select count(*) n from finals").fetchall() == [(len(finals),)]


def test_sql_calls_the_table_self(study: Study) -> None:
    for table in (study.signals(), Table(study.signals().arrow())):
        counted = table.sql("select type, count(*) n from self group by all order by n desc, type limit 1")
        assert counted.columns == ("type", "n")
        assert table.sql("select max(ts) t from self").rows()[0]["t"].tzinfo is not None


def test_two_tables_keep_their_own_self(study: Study) -> None:
    one = study.sql("select 1 a").sql("select a from self")
    two = study.sql("select 2 a").sql("select a from self")
    assert (one.rows(), two.rows()) == ([{"a": 1}], [{"a": 2}])


def test_csv_has_iso_times_json_lists_and_whole_numbers(tmp_path: Path) -> None:
    table = held(
        text=["a,b", 'q"x', None, ""],
        n=[1, None, 2**60 + 1, 0],
        list=[["x", "é"], None, [], ["y"]],
        ts=pa.array(
            [datetime(2026, 1, 1, tzinfo=UTC), None, datetime(2026, 1, 1, 0, 0, 0, 5, UTC), None],
            pa.timestamp("us", "UTC"),
        ),
        raw=[b"a\xff", None, b"", b"c"],
        ok=[True, False, None, True],
    )
    assert table.to_csv(tmp_path / "a.csv") == tmp_path / "a.csv"
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == ["a,b", 'q"x', "", ""]
    assert [row["n"] for row in rows] == ["1", "", str(2**60 + 1), "0"]
    assert [row["list"] and json.loads(row["list"]) for row in rows] == [["x", "é"], "", [], ["y"]]
    assert [row["ts"] for row in rows] == ["2026-01-01T00:00:00.000000Z", "", "2026-01-01T00:00:00.000005Z", ""]
    assert [row["raw"] for row in rows] == ["a\\xff", "", "", "c"]


def test_csv_of_the_sample_comes_back(study: Study, tmp_path: Path) -> None:
    frame = pd.read_csv(study.signals().to_csv(tmp_path / "a.csv"), parse_dates=["ts"])
    assert len(frame) == 1037
    assert frame["raw"].tolist() == [row["raw"] for row in study.signals().rows()]
    assert frame["ts"].tolist() == study.signals().df()["ts"].tolist()


def test_parquet_comes_back(study: Study, tmp_path: Path) -> None:
    assert pq.read_table(study.signals().to_parquet(tmp_path / "a.parquet")) == study.signals().arrow()


def test_a_repr_shows_ten_rows_of_all() -> None:
    lines = repr(held(a=list(range(1200)), b=["x"] * 1200)).splitlines()
    assert lines[0] == "a  b" and lines[1] == "0  x"
    assert len(lines) == 12
    assert lines[-1] == "held: 10 of 1,200 rows"


@pytest.mark.parametrize("columns", [1, 2, 5, 9, 21, 200])
@pytest.mark.parametrize("width", [1, 12, 36, 90])
def test_a_repr_of_a_wide_table_fits_and_says_what_is_hidden(columns: int, width: int) -> None:
    table = held(**{f"c{i}": ["x" * width, None] for i in range(columns)})
    lines = repr(table).splitlines()
    assert max(map(len, lines)) <= MAX_WIDTH
    shown = lines[0].split()
    if "…" in shown:
        hidden = columns - (len(shown) - 1)
        assert hidden > 0
        assert lines[-1] == f"held: 2 of 2 rows, {hidden} of {columns} columns hidden"
        assert shown[0] == "c0" and shown[-1] in (f"c{columns - 1}", "…")
        assert lines[1].split()[shown.index("…")] == "…"
    else:
        assert len(shown) == columns and lines[-1] == "held: 2 of 2 rows"
    html = table._repr_html_()
    assert html.count("<th>") == len(shown)
    assert lines[-1] in html


def test_a_repr_of_signals_is_readable(study: Study) -> None:
    lines = repr(study.signals()).splitlines()
    assert max(map(len, lines)) <= MAX_WIDTH
    assert lines[-1].startswith("signals: 10 of 1,037 rows, ") and lines[-1].endswith("columns hidden")


def test_a_repr_of_nothing() -> None:
    assert repr(held(a=pa.array([], pa.int64()))) == "a\nheld: 0 of 0 rows"
    assert repr(Table(pa.table({}), name="none")).splitlines()[-1] == "none: 0 of 0 rows"
    assert Table(pa.table({}))._repr_html_()


def test_cells_are_escaped_and_stable() -> None:
    table = held(**{"<b>": ["<script>&", "a\x1b[31m\nb"], "f": [0.1 + 0.2, None], "b": [b"\xff", b"x"]})
    text, html = repr(table), table._repr_html_()
    assert "\x1b" not in text + html and "\\x1b[31m\\nb" in text
    assert "<script>" not in html and "<b>" not in html and "&lt;script&gt;&amp;" in html
    assert "0.3 " in text and "\\xff" in text


def test_columns_that_share_a_name_are_all_shown(study: Study) -> None:
    table = Table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))
    assert repr(table).splitlines()[:2] == ["a  a", "1  2"]
