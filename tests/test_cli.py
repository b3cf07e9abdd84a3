"""The command line: every command, its exit codes, its JSON, and what it lets through to a terminal."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lines
import pytest
import typer.main
from typer.testing import CliRunner, Result

import kit
from kit.cli import app

ROOT = Path(__file__).resolve().parents[1]
CLI_PAGE = ROOT / "docs" / "cli.md"
NOTEBOOK = ROOT / "tests" / "notebooks" / "data" / "tiny.ipynb"
RETRIED = "trc_01M6DQSKN3HP9S5Z8296B1JR5N"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202e"
SHELL = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def call(*args: object, code: int = 0, stdin: bytes | None = None) -> Result:
    """Run a command in this process and return what it printed; its exit code must be `code`."""
    result = CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def shell(*args: object, stdin: bytes = b"") -> "subprocess.CompletedProcess[str]":
    """Run `python -m kit` as a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "kit", *map(str, args)]
    run = subprocess.run(command, input=stdin, capture_output=True, env=SHELL, cwd=ROOT, timeout=60, check=False)
    return subprocess.CompletedProcess(command, run.returncode, run.stdout.decode(), run.stderr.decode())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped capture in a store, as run `before`."""
    path = tmp_path_factory.mktemp("store") / "study.duckdb"
    call("load", ROOT / "datasets" / "cosmonapse-small.jsonl", "--store", path, "--run", "before")
    return path


@pytest.fixture
def broken(tmp_path: Path, small_capture: Path) -> Path:
    """The shipped capture with ten bad lines in it."""
    good = small_capture.read_bytes().splitlines()
    bad = [b"{", b"[1]", b"\xff", b"{}", b"{} {}", b'"x"', b"null", b"nonsense", b'{"id":', b'{"id": "x"}']
    for number, line in enumerate(bad):
        good.insert(100 * number, line)
    path = tmp_path / "broken.jsonl"
    path.write_bytes(b"\n".join(good) + b"\n")
    return path


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A capture, and its name, that try to steer the terminal."""
    path = tmp_path / "\x1b[31mred.jsonl"
    texts = [
        lines.line("TASK", 1, to=f"n{HOSTILE}", payload={"input": {"q": HOSTILE}}, meta={HOSTILE: HOSTILE}),
        lines.line("ERROR", 2, 1, to=f"n{HOSTILE}", payload={"message": HOSTILE}),
        lines.line(f"ODD{HOSTILE}", 3, 1),
        "not JSON " + HOSTILE,
    ]
    path.write_text("\n".join(texts) + "\n")
    return path


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
    assert json.loads(call("datasets", "--json").stdout) == [{"name": "cosmonapse-small", "path": str(small_capture)}]
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


# What holds for all


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its name as it is typed."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield from [(name, command)] if inner is None else [(f"{name} {n}", c) for n, c in inner.items()]


def test_every_command_and_option_is_documented() -> None:
    page = CLI_PAGE.read_text()
    pages = dict(re.findall(r"^## `kit ([a-z ]+?)(?: [A-Z.]+)?`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert sorted(pages) == sorted(name for name, _ in commands())
    for name, command in commands():
        options = [option for given in command.params for option in given.opts if option.startswith("-")]
        assert [option for option in options if f"`{option}" not in pages[name]] == []


def test_every_command_and_parameter_has_a_help_text() -> None:
    for name, command in commands():
        assert command.help, name
        assert [parameter.name for parameter in command.params if not parameter.help] == []
        assert "Usage:" in call(*name.split(), "--help").stdout


def test_every_command_can_print_json() -> None:
    assert [name for name, command in commands() if not any("--json" in given.opts for given in command.params)] == []


def test_the_version_is_told() -> None:
    assert call("--version").stdout == f"kit {kit.__version__}\n"


READING = {
    "report": [],
    "traces": [],
    "trace": [RETRIED],
    "check": [],
    "sql": ["FROM runs"],
    "export": ["--to", "csv", "-o", "x.csv"],
}


@pytest.mark.parametrize("command", READING)
def test_a_command_reads_captures_or_a_store(
    command: str, store: Path, small_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = READING[command]
    for sources in ((), (small_capture, "--store", store)):
        assert "SRC... or --store F" in call(command, *arguments, *sources, code=2).stderr
    assert "no such store" in call(command, *arguments, "--store", "no.duckdb", code=2).stderr
    assert "no such file" in call(command, *arguments, "no.jsonl", code=2).stderr
    assert list(tmp_path.iterdir()) == []
    call(command, *arguments, small_capture)
    (tmp_path / "x.csv").unlink(missing_ok=True)
    before = store.read_bytes()
    call(command, *arguments, "--store", store)
    assert store.read_bytes() == before


@pytest.mark.parametrize("command", READING)
def test_a_command_that_loads_bad_lines_says_so(
    command: str, broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(command, *READING[command], broken, "--json", code=1)
    assert "10 of 1,047 lines are in quarantine" in result.stderr
    for line in result.stdout.splitlines() if command == "traces" else [result.stdout]:
        json.loads(line)


def test_a_store_with_quarantine_is_a_finding_to_report_and_check_alone(broken: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.duckdb"
    call("load", broken, "--store", store, code=1)
    codes = {"report": 1, "check": 1, "traces": 0, "trace": 0, "sql": 0}
    for command, code in codes.items():
        call(command, *READING[command], "--store", store, code=code)


@pytest.mark.parametrize("json_too", [False, True])
def test_a_capture_cannot_steer_the_terminal(
    hostile: Path, tmp_path: Path, json_too: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for command, arguments in {
        **READING,
        "load": [],
        "trace": [lines.trace("1")],
        "sql": ['SELECT *, 1 AS "\x1b[5m" FROM signals'],
    }.items():
        result = call(command, *arguments, hostile, *(["--json"] if json_too else []), code=1)
        shown = result.stdout + result.stderr
        assert [char for char in shown if not char.isprintable() and char != "\n"] == [], command
        assert shown


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_csv_in_a_terminal_is_escaped_and_in_a_pipe_it_is_not(hostile: Path) -> None:
    import pty

    query = ["sql", "SELECT payload ->> '$.input.q' AS q FROM signals WHERE type = 'TASK'", str(hostile), "--csv"]
    assert HOSTILE in shell(*query).stdout
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "kit", *query], stdout=follower, stderr=subprocess.DEVNULL, env=SHELL, cwd=ROOT
    ) as process:
        os.close(follower)
        shown = b""
        while chunk := _read(leader):
            shown += chunk
        assert process.wait(30) == 1
    os.close(leader)
    assert b"\\x1b[2J" in shown
    assert b"\x1b" not in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:
        # The other side of the terminal is closed.
        return b""


def test_output_in_a_pipe_is_plain_text(small_capture: Path) -> None:
    run = shell("traces", small_capture, "--limit", 3)
    assert (run.returncode, run.stderr) == (0, "")
    assert "\x1b" not in run.stdout
    assert not re.search("[│╭─┃]", run.stdout)
    assert len([line for line in run.stdout.splitlines() if "failed" in line]) == 3


def test_an_encoding_that_lacks_a_character_is_no_error(small_capture: Path) -> None:
    command = [sys.executable, "-m", "kit", "trace", RETRIED, str(small_capture)]
    run = subprocess.run(
        command, capture_output=True, env={**SHELL, "PYTHONIOENCODING": "latin-1"}, cwd=ROOT, check=False
    )
    assert run.returncode == 0
    assert b"\\u251c" in run.stdout


def test_a_reader_that_goes_away_is_no_error(small_capture: Path) -> None:
    command = [sys.executable, "-m", "kit", "sql", "FROM signals", str(small_capture), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=SHELL, cwd=ROOT) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def test_a_locked_store_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    script = f"import kit, sys; study = kit.open({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=SHELL, cwd=ROOT
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == b"open\n"
        result = call("traces", "--store", path, code=2)
        assert str(holder.pid) in result.stderr
        assert "study.snapshot(path)" in result.stderr
        holder.stdin.close()
        assert holder.wait(30) == 0


def test_two_commands_can_read_a_store_at_once(store: Path) -> None:
    with kit.open(store, read_only=True):
        assert shell("traces", "--store", store).returncode == 0


def test_errors_have_no_traceback(tmp_path: Path) -> None:
    run = shell("load", tmp_path / "no.jsonl")
    assert run.returncode == 2
    assert run.stderr.startswith("kit: ")
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("new", [True, False])
def test_an_interrupted_load_leaves_the_store_as_it_was(tmp_path: Path, small_capture: Path, new: bool) -> None:
    store = tmp_path / "s.duckdb"
    if not new:
        call("load", small_capture, "--store", store, "--run", "before")
    command = [sys.executable, "-m", "kit", "load", "-", "--store", str(store), "--run", "after"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=SHELL, cwd=ROOT
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        # The store is there when the load has begun; then it waits for the rest of its input.
        process.stdin.write(small_capture.read_bytes()[:200_000])
        process.stdin.flush()
        deadline = time.monotonic() + 30
        while not store.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stdout.read() == b""
        assert b"interrupted" in process.stderr.read()
    if new:
        assert list(tmp_path.iterdir()) == []
        return
    with kit.open(store) as study:
        assert [row["run"] for row in study.runs()] == ["before"]
        assert study.sql("SELECT count(*) AS n FROM signals").rows() == [{"n": 1037}]


def test_the_command_line_imports_what_it_needs_when_it_needs_it() -> None:
    script = "import sys, kit.cli; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=SHELL, check=True)
    heavy = {"duckdb", "pyarrow", "pandas", "numpy", "matplotlib", "networkx", "pydantic"}
    assert heavy & set(run.stdout.split()) == set()
