"""The commands of the Makefile say clearly what they lack, and `make lab` opens the tour."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ("bench", "check", "clean", "lab", "lint", "notebooks", "pictures", "test", "test-long")


def make(*words: str) -> subprocess.CompletedProcess[str]:
    """Run make in the tree as a user would, not as a part of the make that may run these tests."""
    command = ["make", *words]
    return subprocess.run(command, cwd=ROOT, env=outside(), capture_output=True, text=True, timeout=60, check=False)


def outside() -> dict[str, str]:
    """Return the environment without what an outer make has put into it."""
    return {name: os.environ[name] for name in os.environ.keys() - {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}


def python(folder: Path, script: str) -> Path:
    """Return a stand-in for a Python interpreter."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("target", TARGETS)
def test_every_command_is_explained(target: str) -> None:
    assert f"make {target} " in make("help").stdout


def test_the_lab_opens_the_tour_with_the_arguments_given(tmp_path: Path) -> None:
    shown = make("--dry-run", "lab", f"VENV={tmp_path}", "LAB_ARGS=--no-browser --port=1").stdout
    assert "--no-browser --port=1 notebooks/01-tour.ipynb" in shown


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    run = make("lab", f"VENV={tmp_path / 'venv'}", "PYTHON=python-that-is-not-here")
    assert run.returncode != 0
    assert "There is no 'python-that-is-not-here'" in run.stderr
    assert "make lab PYTHON=python3.12" in run.stderr


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    old = python(tmp_path, 'case "$1" in --version) echo Python 3.9.1;; *) exit 1;; esac')
    run = make("test", f"VENV={tmp_path / 'venv'}", f"PYTHON={old}")
    assert run.returncode != 0
    assert "is Python 3.9.1, the kit needs Python 3.11 or newer" in run.stderr


def test_a_python_without_venv_is_told_how_to_get_it(tmp_path: Path) -> None:
    bare = python(tmp_path, 'case "$2" in *ensurepip*) exit 1;; esac')
    run = make("test", f"VENV={tmp_path / 'venv'}", f"PYTHON={bare}")
    assert run.returncode != 0
    assert "apt-get install python3-venv" in run.stderr


def test_an_environment_with_an_old_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    python(tmp_path / "bin", "exit 1")
    run = make("lab", f"VENV={tmp_path}")
    assert run.returncode != 0
    assert "holds no working Python 3.11 or newer. Remove the folder" in run.stderr


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab that `make lab` has started without a browser, from this environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = "--no-browser --ip=127.0.0.1 --ServerApp.port_retries=0 --IdentityProvider.token=a-token"
    stamp = Path(sys.prefix) / ".ok-lab"
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    settings = {name: str(tmp_path / name) for name in (*folders, "JUPYTERLAB_WORKSPACES_DIR")}
    command = ["make", "-o", str(stamp), "lab", f"VENV={sys.prefix}", f"LAB_ARGS={options} --port={port}"]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=ROOT, env=outside() | settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    try:
        while not answers(f"{address}/api/status?token=a-token"):
            assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        yield address
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def answers(url: str) -> bool:
    """Tell whether something is served at `url`."""
    try:
        with urlopen(url, timeout=5):
            return True
    except OSError:
        return False


@pytest.mark.servers
def test_the_lab_starts_and_serves_the_tour(lab: str) -> None:
    with urlopen(f"{lab}/api/contents/notebooks/01-tour.ipynb?content=0&token=a-token", timeout=5) as answer:
        assert json.load(answer)["type"] == "notebook"
