"""The commands, one by one: what they print, as text and as JSON, and their exit codes."""

import csv
import io
import json
import re
from pathlib import Path

import lines
import pytest
from commands import RETRIED, ROOT, call, shell, with_ten_bad_lines

import kit

NOTEBOOK = ROOT / "tests" / "notebooks" / "data" / "tiny.ipynb"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped capture in a store, as run `before`."""
    path = tmp_path_factory.mktemp("store") / "study.duckdb"
    call("load", ROOT / "datasets" / "cosmonapse-small.jsonl", "--store", path, "--run", "before")
    return path


@pytest.fixture
def broken(tmp_path: Path, small_capture: Path) -> Path:
    """The shipped capture with ten bad lines in it."""
    return with_ten_bad_lines(small_capture, tmp_path / "broken.jsonl")


# load


def test_load_prints_the_report(small_capture: Path) -> None:
    out = call("load", small_capture).stdout
    assert "into run 'capture': 1,037 lines" in out
    assert "1,037 rows" in out


def test_load_as_json_begins_with_the_seven_keys(small_capture: Path) -> None:
    report = json.loads(call("load", small_capture, "--json").stdout)
    assert list(report)[:7] == ["lines", "rows", "duplicates", "quarantined", "skipped", "complete", "sources"]
    assert [report[key] for key in list(report)[:6]] == [1037, 1037, 0, 0, 0, True]
    assert [source["uri"] for source in report["sources"]] == [str(small_capture)]


def test_load_of_bad_lines_is_a_finding(broken: Path) -> None:
    report = json.loads(call("load", broken, "--json", code=1).stdout)
    assert (report["lines"], report["rows"], report["quarantined"]) == (1047, 1037, 10)
    assert sum(report["reasons"].values()) == 10


def test_load_of_a_cut_file_is_a_finding(tmp_path: Path, small_capture: Path) -> None:
    import gzip

    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(small_capture.read_bytes())[:20_000])
    assert json.loads(call("load", path, "--json", code=1).stdout)["complete"] is False
    traces = call("traces", path, "--json", code=1)
    assert "cut" in traces.stderr
    assert json.loads(traces.stdout.splitlines()[0])["trace_id"]


def test_load_fills_a_store(store: Path) -> None:
    with kit.open(store, read_only=True) as study:
        assert [(row["run"], row["kind"]) for row in study.runs()] == [("before", "capture")]


def test_load_reads_standard_input(small_capture: Path) -> None:
    assert "1,037 rows" in call("load", "-", stdin=small_capture.read_bytes()).stdout


def test_load_has_levels() -> None:
    signal_without_time = {key: value for key, value in json.loads(lines.line("TASK", 1)).items() if key != "ts"}
    line = json.dumps(signal_without_time).encode()
    assert json.loads(call("load", "-", "--json", stdin=line).stdout)["quarantined"] == 0
    assert json.loads(call("load", "-", "--json", "--level", "strict", stdin=line, code=1).stdout)["quarantined"] == 1
    assert "loose" in call("load", "-", "--level", "odd", code=2).stderr


def test_a_missing_file_makes_no_store(tmp_path: Path) -> None:
    result = call("load", tmp_path / "no.jsonl", "--store", tmp_path / "s.duckdb", code=2)
    assert "no such file" in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_failed_load_makes_no_store(tmp_path: Path, small_capture: Path) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 but no more")
    assert call("load", small_capture, tmp_path / "bad.parquet", "--store", tmp_path / "s.duckdb", code=2).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bad.parquet"]


def test_a_capture_is_not_taken_for_a_store(tmp_path: Path, small_capture: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(small_capture.read_bytes())
    for command in ("load", "report"):
        arguments = [small_capture] if command == "load" else []
        assert "not a store" in call(command, *arguments, "--store", copy, code=2).stderr
    assert copy.read_bytes() == small_capture.read_bytes()


# report


def test_report_names_the_ten_bad_lines_and_why(broken: Path) -> None:
    found = json.loads(call("report", broken, "--json", code=1).stdout)
    assert [row["line"] for row in found["quarantined_lines"]] == [1 + 100 * number for number in range(10)]
    assert sum(found["quarantine"].values()) == 10
    assert all(row["reason"] and row["detail"] for row in found["quarantined_lines"])
    text = call("report", broken, code=1).stdout
    assert "quarantine: 10 lines" in text
    assert "bad_json" in text
    assert "the first 3 of 10" in call("report", broken, "--limit", 3, code=1).stdout


def test_report_tells_runs_times_sources_and_places(store: Path, small_capture: Path) -> None:
    found = json.loads(call("report", "--store", store, "--json").stdout)
    assert [(run["run"], run["signals"], run["traces"]) for run in found["runs"]] == [("before", 1037, 291)]
    assert STAMP.fullmatch(found["runs"][0]["first"])
    assert found["sources"][0]["uri"] == str(small_capture)
    assert found["coverage"]["root"]["events"] == 275
    text = call("report", "--store", store).stdout
    assert "1,037" in text
    assert "quarantine: 0 lines" in text


# traces, trace


def test_traces_as_json_is_an_object_a_line(store: Path) -> None:
    rows = [json.loads(line) for line in call("traces", "--store", store, "--json").stdout.splitlines()]
    with kit.open(store, read_only=True) as study:
        table = study.traces()
        assert [tuple(row) for row in rows] == [table.columns] * len(table)
        assert [row["trace_id"] for row in rows] == table.arrow()["trace_id"].to_pylist()
    assert all(STAMP.fullmatch(row["start"]) and STAMP.fullmatch(row["end"]) for row in rows)


def test_traces_can_be_limited_and_extended(store: Path) -> None:
    assert len(call("traces", "--store", store, "--limit", 3, "--json").stdout.splitlines()) == 3
    assert len(call("traces", "--store", store, "--all", "--json").stdout.splitlines()) == 291
    text = call("traces", "--store", store, "--limit", 3).stdout.splitlines()
    assert text[-1] == "3 of 138 traces"
    assert "3,000.101" in text[1]
    assert len(call("traces", "--store", store).stdout.splitlines()) == 139


def test_trace_shows_tree_and_critical_path(store: Path) -> None:
    text = call("trace", RETRIED, "--store", store).stdout
    assert "├─ IMPRINT ctx" in text
    assert "critical path" in text
    assert "more" in call("trace", RETRIED, "--store", store, "--limit", 2).stdout


def test_trace_as_json_has_events_spans_and_path(store: Path) -> None:
    whole = json.loads(call("trace", "1JR5N", "--store", store, "--json").stdout)
    assert (whole["trace_id"], whole["run"], len(whole["events"])) == (RETRIED, "before", 6)
    assert sum(step["share"] for step in whole["critical_path"]) == pytest.approx(1)
    assert {span["kind"] for span in whole["spans"]} == {"task", "imprint"}


def test_trace_follows_delegation_unless_told(store: Path) -> None:
    with kit.open(store, read_only=True) as study:
        chosen = next(row["trace_id"] for row in study.traces() if row["children_traces"])
    both = [
        json.loads(call("trace", chosen, "--store", store, "--json", *more).stdout) for more in ((), ("--no-follow",))
    ]
    assert len(both[0]["events"]) > len(both[1]["events"])


def test_trace_draws(store: Path, tmp_path: Path) -> None:
    dag, waterfall = tmp_path / "dag.png", tmp_path / "waterfall.svg"
    call("trace", RETRIED, "--store", store, "--plot", dag, "--waterfall", waterfall)
    assert dag.read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in waterfall.read_bytes()


def test_a_picture_cannot_replace_a_capture(store: Path, broken: Path) -> None:
    before = broken.read_bytes()
    assert "ends in .png" in call("trace", RETRIED, "--store", store, "--plot", broken, code=2).stderr
    assert broken.read_bytes() == before


def test_an_unknown_trace_or_run_is_told(store: Path) -> None:
    assert "no trace 'trc_no'" in call("trace", "trc_no", "--store", store, code=2).stderr
    assert "no run 'after': there is 'before'" in call("traces", "--store", store, "--run", "after", code=2).stderr


# check


def test_check_of_a_clean_capture_is_an_empty_array(store: Path) -> None:
    assert json.loads(call("check", "--store", store, "--json").stdout) == []
    assert "0 findings" in call("check", "--store", store).stdout


def test_check_lists_what_breaks_a_rule(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines.line("RECALLED", 1) + "\n" + lines.line("FINAL", 2, "evt_nobody") + "\n")
    found = json.loads(call("check", path, "--json", code=1).stdout)
    assert found
    assert all(list(row) == ["rule", "severity", "trace_id", "events", "message"] for row in found)
    assert {row["severity"] for row in found} & {"error", "warning"}
    rule = found[0]["rule"]
    only = json.loads(call("check", path, "--json", "--rule", rule, code=1).stdout)
    assert {row["rule"] for row in only} == {rule}
    assert rule in call("check", path, code=1).stdout
    assert "no rule 'odd'" in call("check", path, "--rule", "odd", code=2).stderr


def test_findings_of_severity_info_leave_the_exit_code_clean(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa

    from kit.notebook.study import Study

    for severity, code in (("info", 0), ("warning", 1), ("error", 1)):
        row = {"rule": "r", "severity": severity, "trace_id": "t", "events": ["e"], "message": "m"}
        monkeypatch.setattr(Study, "check", lambda *_, row=row, **__: kit.Table(pa.Table.from_pylist([row])))
        assert json.loads(call("check", "--store", store, "--json", code=code).stdout) == [row]


# sql


def test_sql_answers_in_three_forms(store: Path) -> None:
    query = "SELECT type, count(*) AS n, min(ts) AS first FROM signals GROUP BY type ORDER BY n DESC, type LIMIT 2"
    text = call("sql", query, "--store", store).stdout.splitlines()
    assert text[0].split() == ["type", "n", "first"]
    rows = json.loads(call("sql", query, "--store", store, "--json").stdout)
    assert [list(row) for row in rows] == [["type", "n", "first"]] * 2
    assert STAMP.fullmatch(rows[0]["first"])
    head, *body = csv.reader(io.StringIO(call("sql", query, "--store", store, "--csv").stdout))
    assert (head, [row[0] for row in body]) == (["type", "n", "first"], [row["type"] for row in rows])


def test_sql_as_json_is_json_whatever_the_type(store: Path) -> None:
    query = (
        "SELECT sum(line) AS sum, 'x\\xFF'::BLOB AS b, 'NaN'::DOUBLE AS nan, [{'a': DATE '2026-11-02'}] AS l, 0.5 AS d"
    )
    (row,) = json.loads(call("sql", f"{query} FROM signals", "--store", store, "--json").stdout)
    assert row == {"sum": 538203, "b": "x\\xff", "nan": None, "l": [{"a": "2026-11-02"}], "d": 0.5}
    assert json.loads(call("sql", "FROM signals WHERE false", "--store", store, "--json").stdout) == []


def test_sql_as_text_says_when_there_is_more(store: Path) -> None:
    assert "the first 2 rows" in call("sql", "FROM signals", "--store", store, "--limit", 2).stdout
    assert "first" not in call("sql", "FROM range(2)", "--store", store, "--limit", 2).stdout
    assert "─" in call("sql", "EXPLAIN FROM signals", "--store", store).stdout


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM runs",
        "WITH a AS (INSERT INTO runs (run) VALUES ('x') RETURNING *) FROM a",
        "CREATE TABLE x (a INT)",
        "COPY runs TO 'runs.csv'",
        "ATTACH 'other.duckdb'",
        "FROM runs; DROP TABLE runs",
        "PRAGMA threads=1",
        "",
        "selec 1",
        "FROM nothing",
    ],
)
def test_sql_refuses_all_but_one_query(
    query: str, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = store.read_bytes()
    capture = tmp_path / "a.jsonl"
    capture.write_text(lines.line("TASK", 1) + "\n")
    for source in (["--store", str(store)], [str(capture)]):
        result = call("sql", query, *source, code=2)
        assert result.stdout == ""
        assert result.stderr.startswith("kit: ")
    assert store.read_bytes() == before
    assert list(tmp_path.iterdir()) == [capture]


# export


def test_export_as_jsonl_gives_the_capture_back(store: Path, tmp_path: Path, small_capture: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert "1,037 lines" in call("export", "--store", store, "--to", "jsonl", "-o", out).stdout
    assert out.read_bytes() == small_capture.read_bytes()
    assert "exists already" in call("export", "--store", store, "--to", "jsonl", "-o", out, code=2).stderr
    again = call("export", "--store", store, "--to", "jsonl", "-o", out, "--overwrite", "--json").stdout
    assert json.loads(again) == {"path": str(out), "format": "jsonl", "lines": 1037}


def test_export_of_a_damaged_capture_leaves_the_bad_lines_out_or_in(broken: Path, tmp_path: Path) -> None:
    call("export", broken, "--to", "jsonl", "-o", tmp_path / "good.jsonl", code=1)
    assert len((tmp_path / "good.jsonl").read_bytes().splitlines()) == 1037
    call("export", broken, "--to", "jsonl", "-o", tmp_path / "all.jsonl", "--duplicates", "--quarantined", code=1)
    assert (tmp_path / "all.jsonl").read_bytes() == broken.read_bytes()


def test_export_as_parquet_loads_again(store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    call("export", "--store", store, "--to", "parquet", "-o", out)
    assert "1,037 rows" in call("load", out).stdout


@pytest.mark.parametrize("table", ["signals", "sources", "edges", "neurons", "traces", "spans", "structure", "check"])
def test_export_as_csv_takes_any_table(store: Path, tmp_path: Path, table: str) -> None:
    out = tmp_path / "out.csv"
    told = call("export", "--store", store, "--to", "csv", "--table", table, "--run", "before", "-o", out, "--json")
    with out.open(newline="") as file:
        assert len(list(csv.reader(file))) == json.loads(told.stdout)["rows"] + 1


def test_export_refuses_what_cannot_be(store: Path, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "out")
    for arguments, message in {
        ("--to", "csv", "--table", "odd"): "no table 'odd': there are",
        ("--to", "jsonl", "--table", "traces"): "--to parquet or --to csv",
        ("--to", "csv", "--duplicates"): "belong to --to jsonl",
        ("--to", "xml"): "xml",
        ("--to", "csv", "--table", 'x" UNION FROM runs --'): "no table",
        (): "--to",
    }.items():
        assert message in call("export", "--store", store, *arguments, *out, code=2).stderr
    assert list(tmp_path.iterdir()) == []


# demo, datasets, notebook


def test_demo_needs_no_file(tmp_path: Path) -> None:
    text = call("demo", "--plot", tmp_path / "demo.png").stdout
    assert "1,037 rows" in text
    assert "kit traces " in text
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(call("demo", "--json").stdout)["report"]["rows"] == 1037


def test_datasets_are_listed(small_capture: Path) -> None:
    listed = json.loads(call("datasets", "--json").stdout)
    names = ["cosmonapse-small", "syncropel-small", "load-small", "auki-small", "mission"]
    assert [row["name"] for row in listed] == names
    assert listed[0]["path"] == str(small_capture)
    assert str(small_capture) in call("datasets").stdout


@pytest.mark.servers
def test_a_notebook_is_checked(tmp_path: Path) -> None:
    run = shell("notebook", "check", NOTEBOOK, "--json")
    assert json.loads(run.stdout) == [{"file": str(NOTEBOOK), "exit": 0, "clean": True}]
    assert "passed" in run.stderr
    changed = tmp_path / "changed.ipynb"
    content = json.loads(NOTEBOOK.read_text())
    content["cells"] = [{**cell, "outputs": []} if "outputs" in cell else cell for cell in content["cells"]]
    changed.write_text(json.dumps(content))
    assert shell("notebook", "check", changed).returncode == 1


def test_a_missing_notebook_is_told(tmp_path: Path) -> None:
    assert "no notebook" in call("notebook", "check", tmp_path / "no.ipynb", code=2).stderr
