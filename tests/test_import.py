"""`import kit` stays light: what a view or a codec needs is imported where it is used."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

HEAVY = {
    "IPython",
    "aiohttp",
    "anywidget",
    "asyncpg",
    "cbor2",
    "cosmonapse",
    "dask",
    "google",
    "httpx",
    "ipykernel",
    "ipywidgets",
    "jupyter_client",
    "jupyter_core",
    "jupyterlab",
    "matplotlib",
    "nats",
    "nbformat",
    "nbval",
    "networkx",
    "pandas",
    "polars",
    "pydantic",
    "pytest",
    "rfc8785",
    "rich",
    "rustworkx",
    "scipy",
    "syncropel",
    "traitlets",
    "typer",
    "ulid",
}


def loaded(statement: str) -> set[str]:
    """Return the top-level modules that `statement` leaves in a fresh interpreter."""
    script = f"import json, sys\n{statement}\nprint(json.dumps([n.partition('.')[0] for n in sys.modules]))"
    command = [sys.executable, "-W", "error", "-c", script]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(run.stdout))


@pytest.mark.servers
@pytest.mark.parametrize(
    "statement",
    [
        "import kit",
        "import kit; dir(kit); kit.__all__; kit.__version__",
        "import kit; kit.syncropel.Client; kit.syncropel.testing.MockKernel()",
    ],
)
def test_importing_the_kit_loads_nothing_heavy(statement: str) -> None:
    assert "kit" in loaded(statement)
    assert loaded(statement) & HEAVY == set()


@pytest.mark.servers
def test_the_check_sees_a_heavy_import() -> None:
    assert {"networkx", "kit"} <= loaded("import kit, networkx")
