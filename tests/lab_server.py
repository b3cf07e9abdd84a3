"""A JupyterLab or Notebook 7 for tests: its own folder of notebooks, its own settings, nothing of the user's."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

STARTS_WITHIN_S = 90
SUBSHELLS = ("perCommTarget", "disabled")
"""How messages of widgets reach the kernel: on a subshell, beside a busy cell, or after it."""
NO_NEWS = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
APPS = {"lab": ("jupyterlab", "LabApp", "doc/tree"), "notebook": ("notebook", "JupyterNotebookApp", "notebooks")}
"""Module, name in the configuration, and path of an open notebook."""


class LabServer:
    """A running server; `url(notebook)` is where a notebook of its folder opens."""

    def __init__(self, app: str, folder: Path, port: int, token: str) -> None:
        self.app = app
        self.folder = folder / "notebooks"
        self._settings = folder / "settings"
        self._port = port
        self._token = token

    def url(self, name: str) -> str:
        """Return the address at which a notebook opens alone, in a workspace that remembers nothing."""
        return f"http://127.0.0.1:{self._port}/{APPS[self.app][2]}/{name}?token={self._token}&reset"

    def write(self, name: str, cells: Sequence[str]) -> Path:
        """Write a notebook of code cells without outputs."""
        made = [
            {
                "cell_type": "code",
                "id": f"cell-{n}",
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": cell,
            }
            for n, cell in enumerate(cells)
        ]
        kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
        path = self.folder / name
        path.write_text(json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
        return path

    def set(self, extension: str, plugin: str, values: dict[str, object]) -> None:
        """Set what a user would in the settings; it holds for pages that are opened from here on."""
        path = self._settings / "@jupyterlab" / extension / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))

    def use_subshells(self, mode: str) -> None:
        """Choose one of `SUBSHELLS`."""
        self.set("apputils-extension", "kernels-settings", {"commsOverSubshells": mode})

    def use_theme(self, name: str) -> None:
        """Choose a theme, such as `JupyterLab Dark`."""
        self.set("apputils-extension", "themes", {"theme": name})


@contextmanager
def running(app: str = "lab") -> Iterator[LabServer]:
    """A server of `lab` or `notebook`, stopped in the end together with its kernels."""
    folder = Path(tempfile.mkdtemp(prefix="kit-lab-"))
    token, port = secrets.token_hex(8), free_port()
    server = LabServer(app, folder, port, token)
    server.folder.mkdir()
    server.set("apputils-extension", "notification", NO_NEWS)
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        command(app, server.folder, port, token), env=environment(folder), cwd=server.folder, stdout=log, stderr=log
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", process, folder / "log")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def command(app: str, folder: Path, port: int, token: str) -> list[str]:
    """Return the command line of a server."""
    module, config, _ = APPS[app]
    return [
        *(sys.executable, "-m", module, "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"),
        *("--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"),
        *(f"--{config}.expose_app_in_browser=True", "--ServerApp.log_level=WARN"),
    ]


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which a server reads and writes nothing of the user's."""
    own = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTER_DATA_DIR": "data",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "MPLCONFIGDIR": "matplotlib",
    }
    return {**os.environ, **{name: str(folder / place) for name, place in own.items()}, "MPLBACKEND": "agg"}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers; RuntimeError with the end of its log where it does not."""
    until = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"the server does not answer:\n{log.read_text()[-2000:]}")
