"""The built wheel works without the repo and without extras.

Nothing is downloaded: the wheel is built with the hatchling that is installed, and its core dependencies are
linked from this environment into a new one, which has nothing else.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("wheel")]

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("cosmonapse", "hypothesis", "jupyterlab", "nbval", "polars", "pytest", "rustworkx")
TRY = """
import json, sys
from importlib.util import find_spec
import kit

study = kit.load(kit.datasets.path("cosmonapse-small"))
query = "select trace_id from signals group by all order by count(*) desc, 1 limit 1"
trace_id = study.sql(query).rows()[0]["trace_id"]
figure = study.trace(trace_id).plot()
figure.savefig("trace.png")
study.close()
logs = {name: len(kit.load(kit.datasets.path(name)).logs()) for name in ("auki-small", "mission")}
print(json.dumps({
    "kit": kit.__file__,
    "logs": logs,
    "path": sys.path,
    "extras": [name for name in sys.argv[1:] if find_spec(name)],
}))
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment that holds the wheel and its core dependencies."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    site = next(folder.glob("[Ll]ib/**/site-packages"))
    options = ["--no-deps", "--no-index", "--disable-pip-version-check", "--quiet"]
    run(sys.executable, "-m", "pip", "install", *options, "--target", str(site), str(wheel))
    for name in needed("namespace-kit"):
        link(name, site)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def test_the_wheel_holds_the_package_and_the_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"kit/__init__.py", "kit/py.typed", "kit/notebook/nbval-sanitize.cfg"} <= names
    assert {"kit/_datasets/cosmonapse-small.jsonl", "kit/cosmonapse/views.sql"} <= names
    assert {"kit/_datasets/auki-small/catalog.json", "kit/_datasets/mission/signals.jsonl"} <= names
    strange = {name for name in names if not re.match(r"kit/|namespace_kit-[\d.]+\.dist-info/", name)}
    assert strange == set()


def test_the_wheel_has_exactly_the_modules_of_the_tree(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    built = {name for name in names if name.startswith("kit/") and name.endswith(".py")}
    assert built == {str(path.relative_to(ROOT)) for path in (ROOT / "kit").rglob("*.py")}


def test_the_sdist_can_build_the_wheel_and_carries_no_generated_data(tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path))
    (built,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "Makefile", "tests/conftest.py"} <= names
    assert {"kit/py.typed", "datasets/cosmonapse-small.jsonl", "notebooks/01-tour.ipynb"} <= names
    assert [name for name in names if name.startswith(("benchmarks/data/", ".venv", ".git/"))] == []


def test_without_repo_and_extras_it_loads_a_data_set_and_plots_it(python: Path, tmp_path: Path) -> None:
    report = json.loads(run(str(python), "-I", "-W", "error", "-c", TRY, *EXTRAS, cwd=tmp_path))
    assert Path(report["kit"]).is_relative_to(python.parents[1])
    assert [entry for entry in report["path"] if Path(entry).is_relative_to(ROOT / "kit")] == []
    assert str(ROOT) not in report["path"]
    assert report["extras"] == []
    assert report["logs"] == {"auki-small": 9, "mission": 8}
    picture = (tmp_path / "trace.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n")
    assert len(picture) > 10_000


def test_without_extras_a_notebook_check_names_the_extra(python: Path, tmp_path: Path) -> None:
    script = "from kit.notebook.check import check\ntry: check('x')\nexcept ImportError as e: print(e)"
    assert "namespace-kit[lab]" in run(str(python), "-I", "-c", script, cwd=tmp_path)


def needed(root: str) -> set[str]:
    """Return the names of the distributions that `root` needs when it is installed without extras."""
    found: set[str] = set()
    waiting = [(root, "")]
    while waiting:
        name, extra = waiting.pop()
        for text in core_requirements() if name == root else distribution(name).requires or []:
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            key = canonicalize_name(requirement.name)
            if key not in found:
                found.add(key)
                waiting += [(key, one) for one in ["", *requirement.extras]]
    return found


def core_requirements() -> list[str]:
    """Return what pyproject.toml asks for now; installed metadata may be older."""
    requirements: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    return requirements


def link(name: str, site: Path) -> None:
    """Put a link to each file or folder of the installed distribution `name` into `site`."""
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        pytest.fail(f"the core dependency {name} is not installed: run make test, or pip install -e '.[test]'")
    for top in {Path(file).parts[0] for file in installed.files or []} - {"..", "__pycache__"}:
        source = Path(str(installed.locate_file(top)))
        if source.exists() and not (site / top).exists():
            (site / top).symlink_to(source, target_is_directory=source.is_dir())


def run(*command: str, cwd: Path = ROOT) -> str:
    """Return what `command` prints; a failure shows its errors."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command[:4]} failed with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
