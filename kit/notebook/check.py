"""The strict run of a notebook: each cell is executed again and its output compared with the stored one."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kit.errors import ArgumentError, MissingExtraError, SourceError, SourceNotFoundError

__all__ = ["SANITIZER", "check", "environment"]

SANITIZER = Path(__file__).with_name("nbval-sanitize.cfg")
"""Patterns of output that no notebook can keep stable; see the comments in the file."""

PYTEST = "import sys; sys.modules['rfc3987_syntax'] = None; import pytest; sys.exit(pytest.main(sys.argv[1:]))"
"""pytest without the grammar of addresses that jsonschema makes as it is imported: no notebook needs it, and it takes two seconds."""

CLEAN, FINDINGS, UNUSABLE = 0, 1, 2

# Settings of a user or of an outer test run that change what a kernel prints or what pytest collects.
_UNSET = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONWARNINGS", "MPLBACKEND", "COLUMNS", "JUPYTER_COLUMNS")


def check(path: str | Path, *, timeout_s: float = 120) -> int:
    """Run a notebook, or all of a folder, and return 0 (same outputs), 1 (differences) or 2 (unusable).

    pytest with nbval does the work in a process of its own and prints what differs. Kernels start in the
    folder of their notebook, in this Python environment; pytest settings and conftest files of the user have
    no effect. Pictures and tracebacks are not compared; `SANITIZER` lists what else is not. A code cell
    without an execution count has nothing to compare with and counts as a difference. A cell may take
    `timeout_s` seconds.

    Raises SourceNotFoundError where there is no notebook, SourceError where a file is none, ArgumentError for
    a timeout that is not positive, and MissingExtraError where nbval or pytest is not installed.
    """
    if not timeout_s > 0:
        raise ArgumentError(f"timeout_s={timeout_s!r} must be a positive number of seconds")
    _require("pytest", "nbval", "ipykernel")
    notebooks = _notebooks(Path(path))
    never_run = [line for notebook in notebooks for line in _never_run(notebook)]
    print(*never_run, sep="\n", end="\n" if never_run else "", flush=True)
    with tempfile.TemporaryDirectory(prefix="kit-notebook-") as folder:
        command = [
            # -P: a module beside the notebook must not shadow one that pytest needs.
            *(sys.executable, "-P", "-c", PYTEST, "-q", "-ra"),
            *("-p", "nbval.plugin", "-p", "no:cacheprovider", "--noconftest"),
            *("-c", os.devnull, f"--rootdir={notebooks[0].parent}"),
            *("--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(SANITIZER)),
            *("--nbval-cell-timeout", str(timeout_s), *map(str, notebooks)),
        ]
        run = subprocess.run(command, env=environment(folder), stdin=subprocess.DEVNULL, check=False)
    if run.returncode not in (CLEAN, FINDINGS):
        return UNUSABLE
    return FINDINGS if never_run else run.returncode


def environment(ipython_dir: str | Path) -> dict[str, str]:
    """Return the environment variables under which stored outputs are made and compared.

    Those of this process, with hashing and time zone fixed, no progress bars, and without what changes outputs;
    `ipython_dir` is an empty folder that stands in for the user's IPython profile and its start-up files.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    return kept | {
        "PYTHONHASHSEED": "0",
        "TZ": "UTC",
        "KIT_NO_PROGRESS": "1",
        "IPYTHONDIR": str(ipython_dir),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }


def _require(*modules: str) -> None:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise MissingExtraError(f"checking a notebook needs {' and '.join(missing)}: pip install 'namespace-kit[lab]'")


def _notebooks(path: Path) -> list[Path]:
    """Return the notebooks at `path`, absolute and sorted, without the checkpoints of Jupyter."""
    path = path.expanduser().absolute()
    found = sorted(path.rglob("*.ipynb")) if path.is_dir() else [path] if path.exists() else []
    found = [file for file in found if ".ipynb_checkpoints" not in file.parts]
    if not found:
        raise SourceNotFoundError(f"there is no notebook at {str(path)!r}")
    if wrong := [file for file in found if file.suffix != ".ipynb"]:
        raise SourceError(f"{str(wrong[0])!r} is no notebook: its name does not end in .ipynb")
    return found


def _never_run(notebook: Path) -> Iterator[str]:
    """Yield a line for each code cell with source and without execution count: nbval passes those unseen."""
    try:
        content: Any = json.loads(notebook.read_bytes())
        cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
        unrun = [n for n, cell in enumerate(cells) if cell["execution_count"] is None]
        waiting = [n for n in unrun if "".join(cells[n]["source"]).strip()]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise SourceError(f"{str(notebook)!r} is no notebook of format 4: {error!r}") from None
    for number in waiting:
        yield f"{notebook.name}: Cell {number} was never run, so there is no stored output to compare"
