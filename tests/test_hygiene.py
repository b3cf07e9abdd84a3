"""What must not get into the tree."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("sources")  # what is parsed once serves all
ROOT = Path(__file__).resolve().parents[1]
IGNORED = re.compile(r"(^|/)(\.git|\.venv[^/]*|[^/]*_cache|__pycache__|\.hypothesis|\.ipynb_checkpoints)/|^dist/")
LOCK_FILES = {
    *("Cargo.lock", "Pipfile.lock", "conda-lock.yml", "package-lock.json", "pdm.lock", "pixi.lock"),
    *("pnpm-lock.yaml", "poetry.lock", "pylock.toml", "uv.lock", "yarn.lock"),
}
# Put together here, so that this file does not hold what it looks for.
REGISTRIES = re.compile(
    r"\b(pypi|pythonhosted|npmjs|debian|anaconda)\.(org|com)\b|\b(pypi|npm|apt)\.[\w.-]+\.(internal|local)\b"
)
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(root|work|tmp|home|Users|mnt|var/folders)/\w")
UNFINISHED = re.compile("\\b(TO" + "DO|FIX" + "ME|XX" + "X)\\b")
# Captured data is kept as it came; the licence is not ours to edit.
FOREIGN = ("LICENSE", "datasets/", "tests/fixtures/")
# Made-up paths: inputs that a test feeds to the code.
MAY_NAME_PATHS = {"tests/test_hygiene.py", "tests/notebooks/test_notebook_guards.py"}
NOT_IN_KIT = {"Output", "Play", "interact", "interact_manual", "interactive", "interactive_output"}
OWN_CLOCK = {"now", "utcnow", "today", "uuid1", "uuid4"}
MAX_LINES = 500


@cache
def tracked() -> list[str]:
    """Return the paths that git tracks or would add; in an unpacked sdist, all but caches."""
    listing = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if (ROOT / ".git").exists():
        run = subprocess.run(listing, capture_output=True, text=True, check=True)
        paths = run.stdout.split("\0")
    else:
        paths = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*")]
        paths = [path for path in paths if not IGNORED.search(f"{path}/")]
    return sorted({path for path in paths if (ROOT / path).is_file()})


@cache
def text(path: str) -> str:
    """Return the text of a tracked file; of a binary one, what can be read of it."""
    return (ROOT / path).read_bytes().decode("utf-8", "replace")


def lines_with(pattern: re.Pattern[str], *, allowed: set[str] | None = None) -> list[str]:
    """Return `path:line: match` for every match in files of ours, but for the letters of pictures in notebooks."""
    ours = [p for p in tracked() if not p.startswith(FOREIGN) and p not in (allowed or set())]
    ours = [p for p in ours if "\0" not in text(p)]
    return [
        f"{path}:{number}: {match[0]}"
        for path in ours
        for number, line in enumerate(text(path).splitlines(), 1)
        for match in [pattern.search(line)]
        if match and not line.lstrip().startswith('"image/png": "')
    ]


@cache
def kit_nodes() -> list[tuple[str, ast.AST]]:
    """Return every syntax node of `kit/` with the path of its module."""
    modules = [path for path in tracked() if path.startswith("kit/") and path.endswith(".py")]
    return [(path, node) for path in modules for node in ast.walk(ast.parse(text(path)))]


def test_no_file_names_a_package_registry() -> None:
    assert lines_with(REGISTRIES, allowed={"tests/test_hygiene.py"}) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATH, allowed=MAY_NAME_PATHS) == []


@pytest.mark.parametrize("path", ["see /root/x", "'/tmp/a'", "(/home/me/a", "file:/Users/me/a", "=/work/main"])
def test_a_path_of_one_machine_is_seen(path: str) -> None:
    assert MACHINE_PATH.search(path)


@pytest.mark.parametrize("path", ["https://host/work/x", "./tmp/a", "tests/tmp/b", "/tmp", "a/root/b"])
def test_other_paths_are_not_taken_for_one(path: str) -> None:
    assert not MACHINE_PATH.search(path)


def test_nothing_is_marked_unfinished() -> None:
    assert lines_with(UNFINISHED) == []


def test_there_are_no_lock_files() -> None:
    assert [path for path in tracked() if Path(path).name in LOCK_FILES] == []


def test_no_module_is_longer_than_500_lines() -> None:
    long = {path: len(text(path).splitlines()) for path in tracked() if path.endswith(".py")}
    assert {path: count for path, count in long.items() if count > MAX_LINES} == {}


def test_no_module_of_the_kit_is_empty_but_for_package_marks() -> None:
    modules = [path for path in tracked() if path.startswith("kit/") and path.endswith((".py", ".sql"))]
    empty = [path for path in modules if not text(path).strip()]
    assert [path for path in empty if not path.endswith("/__init__.py")] == []


def test_what_make_check_leaves_out_is_there() -> None:
    names = [line.split("::") for line in text("tests/slow.txt").split()]
    assert names == sorted(names)
    assert [name for name in names if f"def {name[-1]}(" not in text(name[0]) and name[0].startswith("tests/")] == []


def test_test_folders_are_no_packages() -> None:
    """`tests` is on sys.path: as a package, `tests/cosmonapse` would hide the library of that name."""
    assert [path for path in tracked() if path.startswith("tests/") and path.endswith("__init__.py")] == []


def test_the_kit_uses_no_pyplot() -> None:
    assert [
        f"{path}:{node.lineno}"
        for path, node in kit_nodes()
        if (isinstance(node, ast.Import) and any(alias.name.endswith("pyplot") for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and any(alias.name == "pyplot" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").endswith(".pyplot"))
        or (isinstance(node, ast.Attribute) and node.attr == "pyplot")
    ] == []


def test_the_kit_uses_no_widget_that_only_works_with_a_front_end() -> None:
    assert [
        f"{path}:{node.lineno}"
        for path, node in kit_nodes()
        if (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").startswith("ipywidgets")
            and NOT_IN_KIT & {alias.name for alias in node.names}
        )
        or (
            isinstance(node, ast.Attribute)
            and node.attr in NOT_IN_KIT
            and ast.unparse(node.value) in ("ipywidgets", "widgets", "w")
        )
    ] == []


def test_the_kit_reads_the_clock_and_draws_ids_in_one_module() -> None:
    assert [
        f"{path}:{node.lineno}: {ast.unparse(node)}"
        for path, node in kit_nodes()
        if path != "kit/ids.py"
        and isinstance(node, ast.Attribute)
        and node.attr in OWN_CLOCK
        and ast.unparse(node.value) in ("datetime", "date", "datetime.datetime", "uuid", "pd.Timestamp")
    ] == []
