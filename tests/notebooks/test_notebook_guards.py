"""The tutorials compute again what they show, and the run that says so would notice if they did not."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from kit.errors import ArgumentError, MissingExtraError, SourceError, SourceNotFoundError
from kit.notebook.check import SANITIZER, check

ROOT = Path(__file__).resolve().parents[2]
TINY = Path(__file__).with_name("data") / "tiny.ipynb"
TUTORIALS = ("01-tour.ipynb", "02-signals.ipynb", "03-records.ipynb", "05-simulation.ipynb")
NAMES = sorted({*TUTORIALS, *(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))})

MAX_BYTES = 2_000_000
# How many cells, by notebook, go uncompared because they tell a speed. A new one is entered on purpose.
UNCOMPARED: dict[str, int] = {}
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(root|work|tmp|home|Users|mnt|var)/|\b[A-Z]:\\\\?Users")
NEEDS_FRONT_END = re.compile(r"\b(interact|interactive|interact_manual|Output|clear_output)\s*\(|display_id\s*=")

Notebook = dict[str, Any]

servers = pytest.mark.servers
each_notebook = pytest.mark.parametrize("name", NAMES)


def read(name: str) -> Notebook:
    path = ROOT / "notebooks" / name
    assert path.exists(), f"notebooks/{name} is missing"
    content: Notebook = json.loads(path.read_text())
    return content


def copied(name: str, folder: Path) -> Path:
    """Return the path of a copy of the notebook, with what a notebook may read relative to its own folder."""
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    (folder / "datasets").symlink_to(ROOT / "datasets", target_is_directory=True)
    return folder / "notebooks" / name


def code_cells(notebook: Notebook) -> list[dict[str, Any]]:
    """Return the code cells that hold any code; their position is the number that nbval gives them."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code" and source(cell).strip()]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def tags(cell: dict[str, Any]) -> list[str]:
    found: list[str] = cell["metadata"].get("tags", [])
    return found


def texts(cell: dict[str, Any]) -> Iterator[str]:
    """Yield what a reader sees of the outputs of a code cell, as text."""
    for output in cell["outputs"]:
        yield "".join(output.get("text", ""))
        data = output.get("data", {})
        yield from ("".join(data[kind]) for kind in data if kind.startswith("text/"))
        yield from output.get("traceback", [])


# The strict run


@servers
@each_notebook
def test_each_stored_output_is_computed_again(name: str) -> None:
    assert (ROOT / "notebooks" / name).exists(), f"notebooks/{name} is missing"
    assert check(ROOT / "notebooks" / name) == 0


@servers
@pytest.mark.parametrize(
    "name", [TUTORIALS[0], *(pytest.param(name, marks=pytest.mark.long) for name in TUTORIALS[1:])]
)
def test_a_changed_output_of_a_tutorial_fails(name: str, tmp_path: Path) -> None:
    """Up to the first cell with text, so that it stays quick."""
    notebook = read(name)
    alter(notebook, cut=True)
    altered = copied(name, tmp_path)
    altered.write_text(json.dumps(notebook))
    assert check(altered) == 1


def alter(notebook: Notebook, *, cut: bool = False) -> None:
    """Add a letter to the first compared text output; with `cut`, drop the cells after it."""
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] != "code" or "nbval-ignore-output" in tags(cell):
            continue
        for output in cell["outputs"]:
            holder, key = (output, "text") if "text" in output else (output.get("data", {}), "text/plain")
            if key in holder:
                holder[key] = "".join(holder[key]) + "x"
                del notebook["cells"][number if cut else len(notebook["cells"]) :]
                return
    pytest.fail("no cell has a text output that is compared")


@servers
def test_an_unchanged_notebook_passes_from_any_folder_whatever_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings, conftest files, plug-ins and shadowing modules of the user have no say."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "b.ipynb").write_bytes(TINY.read_bytes())
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (folder / "conftest.py").write_text("raise RuntimeError('a conftest of the user')\n")
    (tmp_path / "nbformat.py").write_text("raise RuntimeError('a module of the user')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert check("a folder/b.ipynb") == 0
    assert sorted(path.name for path in folder.iterdir()) == ["b.ipynb", "conftest.py"]


@servers
def test_a_changed_output_fails_and_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    notebook = json.loads(TINY.read_text())
    alter(notebook)
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    assert check(tmp_path) == 1
    assert "Cell outputs differ" in capfd.readouterr().out


@servers
def test_a_cell_that_was_never_run_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    notebook = json.loads(TINY.read_text())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"execution_count": None, "outputs": []}
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    assert check(tmp_path / "a.ipynb") == 1
    assert "a.ipynb: Cell 0 was never run" in capfd.readouterr().out


@servers
def test_a_cell_that_takes_too_long_fails(tmp_path: Path) -> None:
    notebook = json.loads(TINY.read_text())
    notebook["cells"][1]["source"] = "import time\ntime.sleep(60)"
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    assert check(tmp_path / "a.ipynb", timeout_s=1) == 1


def test_bad_input_is_refused_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("{}")
    (tmp_path / "a.py").write_text("")
    with pytest.raises(SourceNotFoundError, match=r"no notebook at '.*missing\.ipynb'"):
        check(tmp_path / "missing.ipynb")
    with pytest.raises(SourceNotFoundError):
        check(TINY.parent / "nowhere")
    with pytest.raises(SourceError, match=r"a\.py' is no notebook"):
        check(tmp_path / "a.py")
    with pytest.raises(SourceError, match=r"a\.ipynb' is no notebook of format 4: KeyError\('cells'\)"):
        check(tmp_path)
    with pytest.raises(ArgumentError, match="timeout_s=0"):
        check(TINY, timeout_s=0)


def test_a_missing_nbval_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("kit.notebook.check")
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "nbval" else object())
    with pytest.raises(MissingExtraError, match=r"needs nbval: pip install 'namespace-kit\[lab\]'"):
        check(TINY)


# What the sanitizer hides


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("<Thing object at 0x7f3a1c2b4d50>", "<Thing object at ADDRESS>"),
        ("/tmp/ipykernel_4711/123.py:3: UserWarning: x", "KERNEL_PATH:3: UserWarning: x"),
        ("<Figure size 1200x400 with 2 Axes>", "<Figure with 2 Axes>"),
        (" 45%|████▌     | 45/100 [00:01<00:01, 33.3it/s]", "TQDM"),
        ("45it [00:01, 33.0it/s]", "TQDM"),
        ("evt_01ARZ3NDEKTSV4RRFFQ69G5FAV", ""),
        ("2026-11-02T09:00:00.123456+00:00", ""),
        ("digest 0xdeadbeef00", ""),
        ("kept 1,037 of 1,040 lines (99.7%)", ""),
        ("| 45% | a | [1, 2] |", ""),
    ],
)
def test_the_sanitizer_hides_only_what_no_notebook_controls(line: str, shown: str) -> None:
    from notebooks.refresh import sanitized

    assert sanitized(f"before\n{line}\nafter") == f"before\n{shown or line}\nafter"


def test_the_sanitizer_is_read_by_nbval_as_written() -> None:
    from nbval.plugin import get_sanitize_patterns
    from notebooks.refresh import PATTERNS

    text = SANITIZER.read_text()
    assert get_sanitize_patterns(text) == PATTERNS
    assert len(PATTERNS) == text.count("regex: ") == text.count("replace: ")


# What is stored


@each_notebook
def test_cells_were_run_in_order(name: str) -> None:
    counts = [cell["execution_count"] for cell in code_cells(read(name))]
    assert counts == list(range(1, len(counts) + 1))
    assert counts


@each_notebook
def test_nothing_tells_the_machine(name: str) -> None:
    notebook = read(name)
    shown = [source(cell) for cell in notebook["cells"]]
    shown += [text for cell in code_cells(notebook) for text in texts(cell)]
    assert [match[0] for text in shown if (match := MACHINE_PATH.search(text))] == []
    assert notebook["metadata"].keys() <= {"kernelspec", "language_info"}
    assert "version" not in notebook["metadata"]["language_info"]


@each_notebook
def test_no_live_widget_is_stored(name: str) -> None:
    notebook = read(name)
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert "widgets" not in notebook["metadata"]
    assert [kind for kind in kinds if "widget" in kind] == []


@each_notebook
def test_no_cell_needs_a_front_end(name: str) -> None:
    assert [source(cell) for cell in code_cells(read(name)) if NEEDS_FRONT_END.search(source(cell))] == []


@each_notebook
def test_it_is_small_enough_to_be_shown(name: str) -> None:
    assert (ROOT / "notebooks" / name).stat().st_size <= MAX_BYTES


@each_notebook
def test_only_speed_lines_go_uncompared(name: str) -> None:
    cells = code_cells(read(name))
    ignored = [cell for cell in cells if "nbval-ignore-output" in tags(cell)]
    assert len(ignored) == UNCOMPARED.get(name, 0)
    assert [source(cell) for cell in ignored if "timing" not in source(cell)] == []
    assert [source(cell) for cell in cells if "nbval-skip" in tags(cell) or "NBVAL_" in source(cell)] == []


@each_notebook
def test_only_errors_on_purpose_and_no_warnings_are_shown(name: str) -> None:
    for cell in code_cells(read(name)):
        kinds = {output["output_type"] for output in cell["outputs"]}
        assert ("error" in kinds) == bool({"raises-exception", "nbval-raises-exception"} & set(tags(cell)))
        assert "stderr" not in {output.get("name") for output in cell["outputs"]}


@each_notebook
def test_each_figure_is_followed_by_an_assertion_on_what_was_drawn(name: str) -> None:
    """nbval compares no pictures, so a wrong one would pass."""
    cells = code_cells(read(name))
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        if any("image/png" in output.get("data", {}) for output in cell["outputs"]):
            near = source(cell) + "\n" + (source(following) if following else "")
            assert re.search(r"^\s*assert ", near, re.MULTILINE), source(cell)


# The refresh


@servers
def test_a_refresh_drops_the_live_widget_and_the_machine(tmp_path: Path) -> None:
    metadata = {"widgets": {"x": 1}, "language_info": {"name": "x"}}
    notebook: Notebook = {"nbformat": 4, "nbformat_minor": 4, "metadata": metadata}
    cell = {"cell_type": "code", "metadata": {"execution": {"a": 1}}, "outputs": [], "execution_count": 9}
    sources = [
        "import ipywidgets\nipywidgets.IntSlider(value=3)",
        "print('a'); print(object())",
        "import json\njson.loads('{')",
        "",
    ]
    notebook["cells"] = [cell | {"source": text} for text in sources]
    notebook["cells"][2] |= {"metadata": {"tags": ["raises-exception"]}}
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(notebook))
    first = refreshed(path)
    stored = json.loads(first)
    slider, text, error, empty = stored["cells"]
    assert [cell["execution_count"] for cell in stored["cells"]] == [1, 2, 3, None]
    assert slider["outputs"][0]["data"] == {"text/plain": ["IntSlider(value=3)"]}
    assert [output["name"] for output in text["outputs"]] == ["stdout"]
    assert error["outputs"][0]["traceback"] == [
        "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    ]
    assert empty["outputs"] == []
    assert stored["metadata"].keys() == {"kernelspec", "language_info"}
    assert refreshed(path) == first
    assert check(path) == 0


@servers
def test_a_refresh_repeats_the_tiny_notebook(tmp_path: Path) -> None:
    path = tmp_path / "tiny.ipynb"
    path.write_bytes(TINY.read_bytes())
    assert refreshed(path) == TINY.read_bytes()


@servers
@pytest.mark.long
@each_notebook
def test_a_refresh_repeats_each_notebook_byte_for_byte(name: str, tmp_path: Path) -> None:
    copy = copied(name, tmp_path)
    assert refreshed(copy) == (ROOT / "notebooks" / name).read_bytes()


def refreshed(path: Path) -> bytes:
    """Return the notebook at `path` after a refresh by the script that `make notebooks` runs."""
    command = [sys.executable, str(Path(__file__).with_name("refresh.py")), str(path)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return path.read_bytes()
