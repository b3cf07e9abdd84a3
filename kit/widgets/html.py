"""Views as one HTML file: the same front ends, with the data in the file.

The file opens from disk and asks nothing of any network: a Content-Security-Policy forbids every request, and every script
but ours, which it names by its hash. Columns stand in it as base64 of deflated bytes, the rest as JSON in which no character
has a meaning to HTML; the front ends set texts as text. So what a capture holds can be shown, and cannot run.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Collection, Iterable, Sequence
from html import escape
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa

from kit.widgets.columns import pack
from kit.widgets.compose import script, source
from kit.widgets.view import LOOKS, View, embed_state

EMBEDDED_ROWS = 20_000
FRONTS = {"DAG": "dag", "Timeline": "timeline", "Listing": "listing", "Detail": "detail", "TableExplorer": "table"}
ALIGNED = 8


class Page:
    """A page in the making: views, and for each key that a listing offers what the views show then."""

    def __init__(
        self, title: str, views: Sequence[View], rows: int = EMBEDDED_ROWS, hidden: Collection[Any] = ()
    ) -> None:
        self.title = title
        self._views = list(views)
        self._notes: list[str] = []
        self._blob = bytearray()
        self._held: dict[str, int] = {}
        self._tables: list[Any] = []
        self._parts = [{**self._part(view, rows), "hidden": view in hidden} for view in self._views]
        self._groups: dict[str, dict[str, Any]] = {}

    def note(self, text: str) -> None:
        """Say something at the end of the page: what is left out."""
        if text and text not in self._notes:
            self._notes.append(text)

    def group(self, key: str, views: Iterable[View], rows: int, hidden: Collection[Any] = ()) -> None:
        """Keep what these views show now under `key`, a value that a listing offers to choose."""
        made = {}
        for view in views:
            made[str(self._views.index(view))] = {**self._part(view, rows), "hidden": view in hidden}
        self._groups[key] = made

    def write(self, path: str | Path) -> Path:
        """Write the file and return its path."""
        target = Path(path)
        target.write_text(self.text(), encoding="utf-8")
        return target

    def text(self) -> str:
        """Return the page."""
        state = {
            "looks": LOOKS,
            "views": self._parts,
            "groups": self._groups,
            "tables": self._tables,
            "notes": self._notes,
            "title": self.title,
        }
        code = script("page.js")
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:"
        data = base64.b64encode(zlib.compress(bytes(self._blob), 6)).decode()
        return PAGE.format(
            title=escape(self.title),
            policy=escape(policy),
            style=source("view.css") + source("page.css"),
            state=inert(state),
            data=data,
            code=code,
            version=escape(metadata.version("namespace-kit")),
        )

    def _part(self, view: View, rows: int) -> dict[str, Any]:
        tables, left_out = view.embedded(rows)
        self.note(left_out)
        traits = embed_state(view)
        del traits["looks"]
        return {
            "front": FRONTS[type(view).__name__],
            "traits": traits,
            "tables": {name: self._table(table) for name, table in tables.items()},
        }

    def _table(self, table: pa.Table) -> int:
        header, buffers = pack(table)
        places = []
        for buffer in buffers:
            self._blob.extend(b"\0" * (-len(self._blob) % ALIGNED))
            places.append([len(self._blob), len(buffer)])
            self._blob.extend(buffer)
        self._tables.append({"header": header, "places": places})
        return len(self._tables) - 1


def inert(value: Any) -> str:
    """Return JSON in which no character can end a script element or a line: all of `<>&`, U+2028 and U+2029 are escaped.

    >>> inert({"a": "</script>"})
    '{"a":"\\\\u003c/script\\\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="namespace-kit {version}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main id="kit-page"><h1>{title}</h1><p id="kit-wait">The views need JavaScript. All data is in this file.</p></main>
<script type="application/json" id="kit-state">{state}</script>
<script type="text/plain" id="kit-data">{data}</script>
<script>{code}</script>
</body>
</html>
"""
