"""The table explorer without a browser: pages, orders, filters, summaries, and the state given back as code."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from widgets.headless import asked, custom, recorded, update

from kit import datasets
from kit.errors import ArgumentError
from kit.notebook.study import Study
from kit.table import Table
from kit.widgets import TableExplorer, link
from kit.widgets.columns import unpack
from kit.widgets.pages import OPERATORS
from kit.widgets.view import embed_state

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _front_end() -> Iterator[None]:
    with recorded():
        yield


@pytest.fixture(scope="module")
def study() -> Iterator[Study]:
    with Study() as made:
        made.load(datasets.path("cosmonapse-small"), progress=False)
        yield made


@pytest.fixture
def explorer(study: Study) -> Iterator[TableExplorer]:
    made = study.explore("signals")
    yield made
    made.close()


def answer(view: TableExplorer, name: str, **params: Any) -> dict[str, list[Any]]:
    """Ask as the front end does, and read the columns of the answer."""
    content, buffers = asked(view, name, **params)
    assert "error" not in content, content
    return unpack(content["header"], buffers)


def ids(view: TableExplorer, first: int = 0, count: int = 2000) -> list[str | None]:
    return [row["id"] for row in view.rows(first, count)]


# Pages


def test_the_front_end_is_told_columns_shape_and_pages(explorer: TableExplorer, study: Study) -> None:
    columns = answer(explorer, "columns")
    assert columns["name"][:4] == ["run", "source_id", "line", "id"]
    assert dict(zip(columns["name"], columns["kind"], strict=True)) | {
        "line": "number", "ts": "time", "payload": "json", "directed_capabilities": "json", "canonical": "bool",
    } == dict(zip(columns["name"], columns["kind"], strict=True))  # fmt: skip
    assert answer(explorer, "shape") == {"shown": [1037.0], "total": [1037.0]}
    page = answer(explorer, "page", first=1030, count=40)
    assert page["place"] == list(range(1030, 1037))
    expected = [id_ for (id_,) in study.execute("SELECT id FROM signals ORDER BY rowid LIMIT 7 OFFSET 1030")]
    assert page["c3"] == page["k"] == expected


@pytest.mark.parametrize(("first", "count"), [(0, 5), (1, 3), (1000, 100), (1037, 5), (9999, 5)])
@pytest.mark.parametrize("sort", [[], [["directed_id", "asc"]], [["ts", "desc"]], [["type", "asc"], ["ts", "desc"]]])
@pytest.mark.parametrize("filters", [[], [["type", "!=", "HEARTBEAT"]]])
def test_a_page_is_that_part_of_the_query(
    explorer: TableExplorer, study: Study, first: int, count: int, sort: Any, filters: Any
) -> None:
    explorer.sort, explorer.filters = sort, filters
    order = "rowid" if not sort else explorer.sql.partition("ORDER BY ")[2] + ", rowid"
    where = explorer.sql.partition("WHERE ")[2].partition("\n")[0] or "true"
    query = f"SELECT id FROM signals WHERE {where} ORDER BY {order} LIMIT {count} OFFSET {first}"
    assert ids(explorer, first, count) == [id_ for (id_,) in study.execute(query)]


def test_rows_that_were_deleted_leave_no_gap() -> None:
    with Study() as made:
        made.execute("CREATE TABLE t AS SELECT i AS n FROM range(100) r(i)")
        made.execute("DELETE FROM t WHERE n < 50 AND n % 2 = 0")
        view = made.explore("t")
        assert len(view) == 75
        assert [row["n"] for row in view.rows(20, 8)] == ["41", "43", "45", "47", "49", "50", "51", "52"]
        view.close()


def test_scattered_rows_come_in_their_order() -> None:
    view = TableExplorer(pa.table({"n": range(100_000), "x": [(n * 7919) % 100_003 for n in range(100_000)]}))
    view.sort = [["x", "desc"]]
    whole = [int(row["x"] or 0) for row in view.rows(0, 100_000)]
    assert whole == sorted(whole, reverse=True)
    assert [int(row["x"] or 0) for row in view.rows(77_777, 40)] == whole[77_777:77_817]
    view.close()


@given(
    values=st.lists(st.tuples(st.none() | st.integers(-5, 5), st.none() | st.text("ab'\"é", max_size=2)), max_size=30),
    sort=st.lists(
        st.tuples(st.sampled_from("nt"), st.sampled_from(["asc", "desc"])), max_size=2, unique_by=lambda s: s[0]
    ),
    filters=st.lists(
        st.tuples(st.just("n"), st.sampled_from(["=", "!=", "<", ">="]), st.integers(-5, 5).map(str))
        | st.tuples(st.just("t"), st.sampled_from([*OPERATORS]), st.text("ab'\"é", max_size=2)),
        max_size=2,
    ),
)
def test_what_is_shown_is_the_answer_of_the_sql(values: Any, sort: Any, filters: Any) -> None:
    table = pa.table(
        {"n": pa.array([n for n, _ in values], pa.int64()), "t": pa.array([t for _, t in values], pa.string())}
    )
    with recorded():
        view = TableExplorer(Table(table), sort=[list(item) for item in sort], filters=[list(item) for item in filters])
        shown = [(row["n"], row["t"]) for row in view.rows(0, 100)]
        relation = [(None if n is None else str(n), t) for n, t in view.relation().fetchall()]
        assert sorted(map(repr, shown)) == sorted(map(repr, relation)) and len(view) == len(relation)
        assert sorted(map(repr, relation)) == sorted(
            repr((None if row["n"] is None else str(row["n"]), row["t"])) for row in Table(table).sql(view.sql).rows()
        )
        places = ["nt".index(name) for name, _ in sort]
        assert [[row[n] for n in places] for row in shown] == [[row[n] for n in places] for row in relation]
        view.close()


# Types


def test_cells_lose_nothing() -> None:
    with Study() as made:
        made.execute(
            """CREATE TABLE odd AS SELECT * FROM (VALUES
               (1763715662000000123::BIGINT, 170141183460469231731687303715884105727::HUGEINT, '2026-11-02 09:00:00.123456+02'::TIMESTAMPTZ,
                [1, NULL, 3], {'a': 'x', 'b': [true]}, '{"n":12345678901234567890.10}'::JSON, '\\xDE\\xAD'::BLOB, 1e-7::DOUBLE, 'NULL'),
               (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '')) t(i, h, z, l, s, j, b, d, t)"""
        )
        view = made.explore("odd")
        first, second = view.rows()
        assert first == {
            "i": "1763715662000000123", "h": "170141183460469231731687303715884105727", "z": "2026-11-02 07:00:00.123456+00",
            "l": "[1,null,3]", "s": '{"a":"x","b":[true]}', "j": '{"n":12345678901234567890.10}', "b": "xdead", "d": "1e-07",
            "t": "NULL",
        }  # fmt: skip
        assert second == dict.fromkeys("ihzlsjbd") | {"t": ""}
        view.filters = [["i", "=", "1763715662000000123"]]
        assert len(view) == 1
        view.filters = [["i", "=", "1763715662000000122"]]
        assert len(view) == 0
        view.close()


def test_a_long_cell_is_cut_in_a_page_and_whole_when_asked_for() -> None:
    view = TableExplorer(pa.table({"x": ["a" * 5000, None]}))
    page = answer(view, "page", first=0, count=2)
    assert page["c0"] == ["a" * 240 + "…", None]
    assert answer(view, "cell", row=0, column="x")["text"] == ["a" * 5000]
    assert answer(view, "cell", row=1, column="x")["text"] == [None]
    view.close()


def test_names_and_values_that_look_like_sql_are_names_and_values() -> None:
    name = 'a"; DROP TABLE x; --'
    view = TableExplorer(pa.table({name: ["'; DROP TABLE self; --", HOSTILE, None]}))
    view.filters = [[name, "=", "'; DROP TABLE self; --"]]
    view.sort = [[name, "desc"]]
    assert [row[name] for row in view.rows()] == ["'; DROP TABLE self; --"]
    assert len(view.relation().fetchall()) == 1
    view.filters = []
    assert len(view) == 3 and HOSTILE not in view.twin()["text/html"]
    view.close()


# Sources


def test_views_and_queries_are_written_to_a_table_of_the_owner_s_once(study: Study) -> None:
    for what in ("events", "SELECT type, count(*) AS n FROM signals GROUP BY type;"):
        view = study.explore(what, key=None)
        assert len(view) == len(study.sql(what if " " in what else f"FROM {what}").rows())
        assert len(view.relation().fetchall()) == len(view)
        view.close()
    assert "kit_explored" not in {name for (name,) in study.execute("SELECT table_name FROM duckdb_tables()")}


def test_tables_frames_and_relations_are_sources(study: Study) -> None:
    found = study.traces()
    view = found.explore()
    assert (len(view), view.key, view.title) == (len(found), "trace_id", "traces")
    assert view.relation().columns == list(found.columns)
    view.close()
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    for source in (frame, pa.table(frame), duckdb.connect().sql("SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, NULL")):
        made = TableExplorer(source)
        assert sorted(row["a"] or "" for row in made.rows()) == ["1", "2"]
        made.close()


def test_a_read_only_store_can_be_explored(study: Study, tmp_path: Any) -> None:
    study.snapshot(tmp_path / "a.duckdb")
    with Study(tmp_path / "a.duckdb", read_only=True) as kept:
        for what in ("signals", "SELECT * FROM signals"):
            view = kept.explore(what)
            view.sort = [["id", "desc"]]
            assert len(ids(view)) == 1037
            view.close()


@pytest.mark.parametrize(
    ("source", "options", "told"),
    [
        (7, {}, "cannot explore int"),
        (pa.table({"a": [1]}), {"key": "b"}, "key='b': the columns are a"),
    ],
)
def test_what_cannot_be_explored_is_told(source: Any, options: Any, told: str) -> None:
    with pytest.raises(ArgumentError, match=told):
        TableExplorer(source, **options)


def test_a_store_needs_the_name_of_a_table(study: Study) -> None:
    with pytest.raises(ArgumentError, match="which table"):
        TableExplorer(study)


# The state


def test_the_state_is_given_back_as_sql(explorer: TableExplorer, study: Study) -> None:
    update(explorer, filters=[["type", "=", "ERROR"]], sort=[["ts", "desc"]])
    assert explorer.sql == 'SELECT * FROM "signals"\nWHERE "type" = \'ERROR\'\nORDER BY "ts" DESC NULLS LAST'
    assert [row["id"] for row in study.sql(explorer.sql).rows()] == ids(explorer)
    assert explorer.relation().aggregate("count(*)").fetchall() == [(len(explorer),)]


def test_the_selection_is_rows(explorer: TableExplorer) -> None:
    some = ids(explorer)[3:5]
    update(explorer, selected=some)
    assert sorted(row["id"] for row in explorer.selection.rows()) == sorted(filter(None, some))
    explorer.filters = [["type", "=", "nothing"]]
    assert len(explorer.selection) == 2, "a chosen row stays chosen when it is filtered out"
    explorer.select()
    assert len(explorer.selection) == 0


def test_rows_without_a_key_are_chosen_by_number() -> None:
    view = TableExplorer(pa.table({"a": [5, 6, 7]}))
    assert view.key == ""
    view.select(*answer(view, "page", first=2, count=1)["k"])
    assert view.selection.rows() == [{"a": 7}]
    view.close()


def test_rows_of_a_query_without_a_key_are_chosen_by_number(study: Study) -> None:
    view = study.explore("SELECT type, count(*)::BIGINT AS n FROM signals GROUP BY type")
    view.sort = [["n", "desc"]]
    first = answer(view, "page", first=0, count=1)
    view.select(*first["k"])
    assert [row["type"] for row in view.selection.rows()] == first["c0"]
    view.close()


def test_a_key_is_found_in_any_order(explorer: TableExplorer) -> None:
    for sort, filters in (([], []), ([["id", "desc"]], []), ([["type", "asc"]], [["type", "!=", "HEARTBEAT"]])):
        explorer.sort, explorer.filters = sort, filters
        shown = ids(explorer)
        assert explorer.find(str(shown[77])) == 77
        assert answer(explorer, "place", key=shown[77]) == {"place": [77.0]}
    explorer.filters = [["type", "=", "TASK"]]
    assert explorer.find("evt_nobody") == -1


def test_a_brushed_time_filters(explorer: TableExplorer, study: Study) -> None:
    other = study.explore("signals")
    linked = link(explorer, other)
    first, last = (
        row[0]
        for row in study.execute(
            "SELECT unnest([quantile_disc(epoch_us(ts), 0.2), quantile_disc(epoch_us(ts), 0.4)]) FROM signals"
        )
    )
    update(other, window_us=[float(first), float(last)])
    told = study.execute(f"SELECT count(*) FROM signals WHERE epoch_us(ts) >= {first} AND epoch_us(ts) < {last}")[0][0]
    assert len(explorer) == len(other) == told > 0
    update(other, selected=[ids(other)[0]])
    assert explorer.selected == other.selected
    linked.unlink()
    other.close()


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({"filters": [["nobody", "=", "x"]]}, "no column 'nobody'"),
        ({"filters": [["type", "like", "x"]]}, "the operators are"),
        ({"filters": [["line", "=", "x"]]}, "'x' is no BIGINT"),
        ({"filters": ["type"]}, "give [column, operator, value]"),
        ({"sort": [["type", "up"]]}, "the direction is 'asc' or 'desc'"),
        ({"where": "nonsense = "}, "Parser Error"),
        ({"where": "nobody = 1"}, "nobody"),
    ],
)
def test_a_state_that_means_nothing_is_told_in_the_view_and_harms_nothing(
    explorer: TableExplorer, state: Any, told: str
) -> None:
    update(explorer, **state)
    content, _ = asked(explorer, "shape")
    assert told in content["error"]
    update(explorer, filters=[], sort=[], where="")
    assert answer(explorer, "shape")["shown"] == [1037.0]


def test_a_condition_in_sql_is_put_in_brackets(explorer: TableExplorer, study: Study) -> None:
    explorer.filters = [["type", "=", "TASK"]]
    explorer.where = "directed_id = 'coder' OR true -- all"
    assert len(explorer) == len(study.signals(type="TASK"))


# Threads


def test_code_and_front_end_ask_at_the_same_time(study: Study) -> None:
    view = study.explore("signals", sort=[["id", "asc"]])
    failures: list[BaseException] = []

    def ask(way: str) -> None:
        try:
            for n in range(20):
                update(view, sort=[["id" if n % 2 else "ts", way]])
                assert len(view.rows(n * 40, 40)) == 40
                view.relation().limit(1).fetchall()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(way,)) for way in ("asc", "desc")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [error for error in failures if not isinstance(error, duckdb.InterruptException)] == []
    view.sort = []
    assert len(view) == 1037
    view.close()


# Summaries


def test_a_page_can_be_of_the_columns_in_sight(explorer: TableExplorer) -> None:
    for sort in ([], [["ts", "desc"]]):
        explorer.sort = sort
        whole, part = (
            answer(explorer, "page", first=3, count=4),
            answer(explorer, "page", first=3, count=4, columns=[2, 5]),
        )
        assert [name for name in part if name[1:].isdigit()] == ["c2", "c3", "c4"]
        assert part == {name: whole[name] for name in part}
        assert list(answer(explorer, "page", first=3, count=4, columns=[4, 4])) == ["place", "r", "k", "us"]


def test_a_page_that_is_read_ahead_is_broken_off_for_one_that_somebody_waits_for(
    explorer: TableExplorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages, begun, page = explorer._pages, threading.Event(), explorer._pages.page

    def endless(*_: Any) -> pa.Table:
        found = pages._cursor().sql("SELECT sum(a.i * b.i) FROM range(10_000_000) a(i), range(1_000_000) b(i)")
        begun.set()
        return found.to_arrow_table()

    monkeypatch.setattr(pages, "page", endless)
    ahead = explorer.post(lambda: explorer.answer("page", {"first": 40, "count": 20, "ahead": True}))
    assert begun.wait(30)
    monkeypatch.setattr(pages, "page", page)
    custom(explorer, {"ask": "later", "name": "page", "params": {"first": 60, "count": 5, "ahead": True}})
    assert not ahead.done()  # what is read ahead does not overtake
    while not ahead.done():  # one that comes before DuckDB has begun does nothing
        custom(explorer, {"ask": "now", "name": "page", "params": {"first": 5, "count": 3}})
        time.sleep(0.02)
    with pytest.raises(ArgumentError, match="broken off by what is wanted now"):
        ahead.result()
    assert answer(explorer, "page", first=5, count=3)["place"] == [5, 6, 7]
    assert answer(explorer, "page", first=40, count=2, ahead=True)["place"] == [40, 41]


def test_summaries_tell_missing_different_and_distribution(explorer: TableExplorer, study: Study) -> None:
    kinds = answer(explorer, "summary", column="type")
    told = study.execute("SELECT type, count(*) FROM signals GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5")
    assert list(zip(kinds["label"], kinds["count"], strict=True)) == told
    assert kinds["form"][0] == "values" and kinds["rows"][0] == 1037 and kinds["nulls"][0] == 0
    times = answer(explorer, "summary", column="ts")
    assert times["form"][0] == "bins" and sum(times["count"]) == 1037 and len(times["count"]) == 24
    parents = answer(explorer, "summary", column="parent_id")
    assert parents["nulls"][0] == study.execute("SELECT count(*) FROM signals WHERE parent_id IS NULL")[0][0] > 0
    assert answer(explorer, "summary", column="id")["form"] == ["none"]
    assert answer(explorer, "summary", column="extra")["nulls"][0] == 1037.0
    explorer.filters = [["type", "=", "TASK"]]
    assert answer(explorer, "summary", column="type")["label"] == ["TASK"]


@pytest.mark.parametrize("values", [[1.5], [float("nan"), float("inf"), 1.0], [None], [], [2**62, -(2**62)]])
def test_odd_numbers_have_a_summary(values: Any) -> None:
    view = TableExplorer(
        pa.table({"x": pa.array(values, pa.int64() if values and abs(values[0] or 0) > 2**60 else pa.float64())})
    )
    found = answer(view, "summary", column="x")
    finite = [value for value in values if value is not None and abs(value) < float("inf")]
    assert sum(found["count"]) == len(finite)
    view.close()


def test_a_large_table_is_summed_up_from_a_part_of_it(study: Study) -> None:
    view = study.explore("SELECT i AS n, i % 3 AS k FROM range(3_000_000) t(i)")
    found = answer(view, "summary", column="n")
    assert 500_000 < found["rows"][0] < 1_500_000 and sum(found["count"]) == found["rows"][0]
    view.close()


# Twin


def test_the_twin_is_a_table_and_the_state_is_plain(explorer: TableExplorer) -> None:
    bundle, _ = explorer._repr_mimebundle_()
    assert "<table" in bundle["text/html"] and bundle["text/plain"] == "<TableExplorer 'signals'>"
    explorer.where = "nonsense ="
    assert "Parser Error" in explorer.twin()["text/html"]
    json.dumps(embed_state(explorer))


def test_a_page_of_html_gets_the_first_rows(explorer: TableExplorer) -> None:
    tables, left = explorer.embedded(100)
    assert tables["page"].num_rows == 100 and left == "The first 100 of 1,037 rows of signals."
    assert tables["shape"].to_pylist() == [{"shown": 100.0, "total": 1037.0}]
