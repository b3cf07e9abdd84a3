"""What holds for all commands: help, exit codes, sources, and what reaches a terminal."""

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
from commands import RETRIED, ROOT, SHELL, call, shell, with_ten_bad_lines

import kit
from kit.cli import app

CLI_PAGE = ROOT / "docs" / "cli.md"
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u009b31m\u202e"


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


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its name as it is typed."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield from [(name, command)] if inner is None else [(f"{name} {n}", c) for n, c in inner.items()]


def test_every_command_and_option_is_documented() -> None:
    page = CLI_PAGE.read_text()
    pages = dict(re.findall(r"^## `kit ([a-z -]+?)(?: [A-Z.]+)?`\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
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


@pytest.mark.servers
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


@pytest.mark.servers
def test_output_in_a_pipe_is_plain_text(small_capture: Path) -> None:
    run = shell("traces", small_capture, "--limit", 3)
    assert (run.returncode, run.stderr) == (0, "")
    assert "\x1b" not in run.stdout
    assert not re.search("[│╭─┃]", run.stdout)
    assert len([line for line in run.stdout.splitlines() if "failed" in line]) == 3


@pytest.mark.servers
def test_an_encoding_that_lacks_a_character_is_no_error(small_capture: Path) -> None:
    command = [sys.executable, "-m", "kit", "trace", RETRIED, str(small_capture)]
    run = subprocess.run(
        command, capture_output=True, env={**SHELL, "PYTHONIOENCODING": "latin-1"}, cwd=ROOT, check=False
    )
    assert run.returncode == 0
    assert b"\\u251c" in run.stdout


@pytest.mark.servers
def test_a_reader_that_goes_away_is_no_error(small_capture: Path) -> None:
    command = [sys.executable, "-m", "kit", "sql", "FROM signals", str(small_capture), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=SHELL, cwd=ROOT) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


@pytest.mark.servers
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


@pytest.mark.servers
def test_two_commands_can_read_a_store_at_once(store: Path) -> None:
    with kit.open(store, read_only=True):
        assert shell("traces", "--store", store).returncode == 0


@pytest.mark.servers
def test_errors_have_no_traceback(tmp_path: Path) -> None:
    run = shell("load", tmp_path / "no.jsonl")
    assert run.returncode == 2
    assert run.stderr.startswith("kit: ")
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


@pytest.mark.servers
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


@pytest.mark.servers
def test_the_command_line_imports_what_it_needs_when_it_needs_it() -> None:
    script = "import sys, kit.cli; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=SHELL, check=True)
    heavy = {"duckdb", "pyarrow", "pandas", "numpy", "matplotlib", "networkx", "pydantic"}
    assert heavy & set(run.stdout.split()) == set()
