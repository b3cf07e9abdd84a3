"""Run notebooks in place and store their outputs: `python tests/notebooks/refresh.py notebooks/*.ipynb`.

The stored form is one that a second run repeats byte for byte, and one that opens without a live kernel:
widget views and widget state are dropped (their text and pictures stay), and nothing tells the machine or the
hour.
"""

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.preprocessors import ExecutePreprocessor
from nbformat import NotebookNode

from kit.notebook.check import SANITIZER, environment

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PATTERNS = re.findall(r"^regex: (.*)\nreplace: (.*)$", SANITIZER.read_text(), re.MULTILINE)
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
}


def refresh(path: Path, *, timeout_s: int = 300) -> bool:
    """Execute the notebook at `path` in its folder and write it back; True if its bytes have changed.

    Call it with the environment of `kit.notebook.check.environment` in force. A cell that raises without the
    tag `raises-exception` ends the run, and the file stays as it was.
    """
    before = path.read_bytes()
    old, new = read(before), read(before)
    for cell in new.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    runner = ExecutePreprocessor(
        timeout=timeout_s, kernel_name="python3", record_timing=False, store_widget_state=False
    )
    runner.preprocess(new, {"metadata": {"path": str(path.parent)}})
    after = stored_form(new, old)
    path.write_bytes(after)
    return after != before


def read(content: bytes) -> NotebookNode:
    """Return the notebook; a cell without id gets one by its place, where nbformat would draw one."""
    notebook = json.loads(content)
    notebook["nbformat_minor"] = 5
    for number, cell in enumerate(notebook["cells"], 1):
        cell.setdefault("id", f"cell-{number:02}")
    return nbformat.reads(json.dumps(notebook), as_version=4)


def stored_form(new: NotebookNode, old: NotebookNode) -> bytes:
    """Return the bytes to store for the executed notebook `new`, whose file held `old`."""
    new.metadata = nbformat.from_dict(KERNEL)
    for cell, was in zip(new.cells, old.cells, strict=True):
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = merged([plain(output) for output in cell.outputs])
            if sanitized(cell.outputs) == sanitized(was.outputs):
                cell.outputs = was.outputs
    nbformat.validate(new)
    return (nbformat.writes(new).rstrip("\n") + "\n").encode()


def plain(output: NotebookNode) -> NotebookNode:
    """Return `output` without its widget view, and of a traceback, which names paths, the last line."""
    if "data" in output:
        output.data.pop(WIDGET_VIEW, None)
    if output.output_type == "error":
        output.traceback = [f"{output.ename}: {output.evalue}"]
    return output


def merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Return `outputs` with the text of each stream in one piece: how it was cut depends on timing."""
    kept: list[NotebookNode] = []
    streams: dict[str, NotebookNode] = {}
    for output in outputs:
        if output.output_type == "stream" and output.name in streams:
            streams[output.name].text += output.text
            continue
        if output.output_type == "stream":
            streams[output.name] = output
        kept.append(output)
    return kept


def sanitized(value: Any) -> Any:
    """Return outputs, or a part of them, with what may change from run to run replaced as nbval does."""
    if isinstance(value, dict):
        return {key: sanitized(item) for key, item in value.items()}
    if isinstance(value, list):
        return [sanitized(item) for item in value]
    if isinstance(value, str):
        for regex, replace in PATTERNS:
            value = re.sub(regex, replace, value)
    return value


def main(paths: list[str]) -> None:
    """Refresh each of `paths` and say which files have changed."""
    if not paths:
        sys.exit("there are no notebooks to refresh")
    with tempfile.TemporaryDirectory(prefix="kit-notebook-") as folder:
        settings = environment(folder)
        os.environ.clear()
        os.environ.update(settings)
        for path in map(Path, paths):
            print(path, "changed" if refresh(path.absolute()) else "unchanged", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
