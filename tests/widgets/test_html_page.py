import base64
import hashlib
import json
import re
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import comm
import networkx as nx
import pyarrow as pa
import pytest
from comm import DummyComm
from hypothesis import given
from hypothesis import strategies as st
from widgets.headless import recorded

import kit
from kit.widgets import DAG, Browser, Content, Listing, Page
from kit.widgets.columns import unpack
from kit.widgets.html import inert

HOSTILE = [
    "</script><script>window.hurt = 1</script>",
    "<img src=x onerror='window.hurt = 1'>",
    "<!--<script>",
    "]]>\u2028window.hurt = 1\u2029//",
    "{{title}}{0}%s",
    '" onmouseover="window.hurt=1',
    "\x00\ud7ff\uffff",
]


@pytest.fixture(autouse=True)
def _front_end() -> Iterator[None]:
    with recorded():
        yield


class Parsed(HTMLParser):
    """Elements of a page in order, and the texts of its scripts by id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: dict[str | None, str] = {}
        self._in: str | None = "none"
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self._in = dict(attrs).get("id") if tag == "script" else "none"

    def handle_endtag(self, tag: str) -> None:
        self._in = "none"

    def handle_data(self, data: str) -> None:
        if self._in != "none":
            self.scripts[self._in] = self.scripts.get(self._in, "") + data


def tables(text: str, view: int = 0) -> dict[str, dict[str, list[Any]]]:
    """Return the tables of a view as the page will read them."""
    scripts = Parsed(text).scripts
    state, blob = json.loads(scripts["kit-state"]), zlib.decompress(base64.b64decode(scripts["kit-data"]))
    found = {}
    for name, number in state["views"][view]["tables"].items():
        held = state["tables"][number]
        assert all(place % 8 == 0 for place, _ in held["places"])
        found[name] = unpack(held["header"], [blob[place : place + length] for place, length in held["places"]])
    return found


def test_a_page_holds_the_tables_of_its_views_and_is_one_file(tmp_path: Path) -> None:
    trace = kit.load(kit.datasets.path("cosmonapse-small")).trace("JSXK6")
    path = trace.to_html(tmp_path / "trace.html")
    text = path.read_text("utf-8")
    assert tables(text, 1)["nodes"]["id"] == list(trace.graph)
    assert sorted(tables(text, 2)["detail"]["id"]) == sorted(
        row["id"] for row in trace.table() if row["label"] != "phantom"
    )
    page = Parsed(text)
    assert {tag for tag in page.tags if tag in ("link", "img", "iframe", "object", "base", "form")} == set()
    assert [
        value for name, value in page.attributes if name in ("src", "href", "srcdoc", "style") or name.startswith("on")
    ] == []
    assert "@import" not in text and "url(" not in text


def test_the_policy_names_our_script_and_allows_no_request() -> None:
    text = Page("x", [Listing(pa.table({"id": ["a"]}), key="id")]).text()
    policy = re.search(r'content="(default-src[^"]*)"', text)
    assert policy is not None
    code = Parsed(text).scripts[None]
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert policy[1].replace("&#x27;", "'").startswith(f"default-src 'none'; script-src 'sha256-{digest}';")
    assert "unsafe-eval" not in policy[1] and "http" not in policy[1]


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_a_capture_change_nothing_of_the_page(text: str) -> None:
    plain = Parsed(_page("plain"))
    hostile = _page(text)
    assert Parsed(hostile).tags == plain.tags
    assert Parsed(hostile).scripts.keys() == plain.scripts.keys()
    assert tables(hostile)["nodes"]["id"] == [text, "b"]
    assert tables(hostile)["nodes"]["neuron"] == [text, None]


def _page(text: str) -> str:
    graph = nx.DiGraph()
    graph.add_node(text, type=text, neuron=text, label=text)
    graph.add_edge(text, "b", why=text)
    view = DAG(Content(graph, critical=[text], findings={text: text}), title=text)
    made = Page(text, [view])
    made.note(text)
    return made.text()


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_inert_json_is_the_same_json_without_a_character_of_html(value: Any) -> None:
    text = inert(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&\u2028\u2029")


def test_a_page_embeds_so_many_rows_and_says_what_it_left_out() -> None:
    graph = nx.DiGraph((f"n{i}", f"n{i + 1}") for i in range(9))
    text = Page("x", [DAG(graph)], rows=4).text()
    assert tables(text)["nodes"]["id"] == ["n0", "n1", "n2", "n3"]
    assert len(tables(text)["edges"]["source"]) == 3
    assert "6 of 10 signals are left out of the DAG." in json.loads(Parsed(text).scripts["kit-state"])["notes"]


def test_a_page_in_a_notebook_is_told_nothing_of_views_that_are_made_for_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def create_comm(*, data: dict[str, Any], **options: Any) -> DummyComm:
        opened.append(data["state"]["_model_name"])
        return DummyComm(**options)

    monkeypatch.setattr(comm, "create_comm", create_comm)
    study = kit.load(kit.datasets.path("cosmonapse-small"))
    study.trace("JSXK6").to_html(tmp_path / "trace.html")
    study.report(tmp_path / "all.html", rows=30)
    assert set(opened) <= {"LayoutModel"}
    study.browse().close()
    assert opened.count("AnyModel") > 4


def test_a_study_is_written_with_each_trace_that_fits(tmp_path: Path) -> None:
    study = kit.load(kit.datasets.path("mission"))
    state = json.loads(Parsed(study.report(tmp_path / "all.html", rows=120).read_text("utf-8")).scripts["kit-state"])
    keys = study.traces().arrow()["trace_id"].to_pylist()
    assert keys[0] in state["groups"]
    assert set(state["groups"]) < {
        *keys,
        *study.threads().arrow()["thread"].to_pylist(),
        "mast_rgb_clock",
        "session/sdk_clock",
    }
    assert any("can be read in the list but not opened" in note for note in state["notes"])
    assert state["title"] == "18 traces, 3 threads, 2 clocks"


def test_what_has_no_room_in_a_file_is_not_made_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    show = Browser.show

    def counted(self: Browser, name: str) -> None:
        shown.append(name)
        show(self, name)

    monkeypatch.setattr(Browser, "show", counted)
    study = kit.load(kit.datasets.path("cosmonapse-small"))
    state = json.loads(Parsed(study.report(tmp_path / "all.html", rows=40).read_text("utf-8")).scripts["kit-state"])
    assert len(study.traces()) == 138
    assert 1 <= len(state["groups"]) < len(shown) < 40


def test_a_file_of_too_many_rows_is_no_surprise(tmp_path: Path) -> None:
    trace = kit.load(kit.datasets.path("cosmonapse-small")).trace("JSXK6")
    text = trace.to_html(tmp_path / "t.html", rows=3).read_text("utf-8")
    notes = json.loads(Parsed(text).scripts["kit-state"])["notes"]
    assert "6 of 9 signals are left out of the DAG." in notes
    assert len(tables(text, 2)["detail"]["id"]) == 3
