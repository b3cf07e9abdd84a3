"""The command line called from tests, in this process and in one of its own, and captures for it to read."""

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from kit.cli import app

ROOT = Path(__file__).resolve().parents[1]
RETRIED = "trc_01M6DQSKN3HP9S5Z8296B1JR5N"
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


def with_ten_bad_lines(capture: Path, path: Path) -> Path:
    """Write a capture to `path` with a bad line at every hundredth place, from the first on."""
    good = capture.read_bytes().splitlines()
    bad = [b"{", b"[1]", b"\xff", b"{}", b"{} {}", b'"x"', b"null", b"nonsense", b'{"id":', b'{"id": "x"}']
    for number, line in enumerate(bad):
        good.insert(100 * number, line)
    path.write_bytes(b"\n".join(good) + b"\n")
    return path
