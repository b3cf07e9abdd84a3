import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pytest
import traitlets
from hypothesis import given
from hypothesis import strategies as st
from widgets.headless import asked, custom, recorded, update

from kit.errors import ArgumentError, ViewClosedError
from kit.widgets import View, compose, link
from kit.widgets.columns import pack, unpack
from kit.widgets.view import WIDGET_VIEW, embed_state


class Words(View):
    """A view that answers one question."""

    _esm = "export default { render() {} }"

    def answer(self, name: str, params: Mapping[str, Any]) -> pa.Table:
        if name != "words":
            return super().answer(name, params)
        return pa.table({"word": ["a", params["word"]], "thread": [threading.current_thread().name] * 2})


@pytest.fixture(autouse=True)
def _front_end() -> Iterator[None]:
    with recorded():
        yield


def test_an_answer_travels_as_columns_and_is_made_on_the_owner_thread() -> None:
    view = Words()
    content, buffers = asked(view, "words", word="</script>")
    assert unpack(content["header"], buffers) == {"word": ["a", "</script>"], "thread": ["kit Words"] * 2}
    assert "</script>" not in json.dumps(content)
    view.close()


def test_an_unknown_question_is_answered_with_an_error() -> None:
    view = Words()
    content, buffers = asked(view, "nonsense")
    assert content["error"] == "Words has no data called 'nonsense'"
    assert buffers == []
    view.close()


@pytest.mark.parametrize("content", ["text", None, 7, {"ask": 3}, {"name": "words"}, {"ask": "k", "params": [1]}])
def test_a_message_of_another_form_does_no_harm(content: Any) -> None:
    view = Words()
    custom(view, content)
    assert view.settle()
    assert asked(view, "words", word="x")[0].get("error") is None
    view.close()


def test_a_bug_in_an_answer_shows_in_the_view() -> None:
    view = Words()
    assert asked(view, "words")[0]["error"] == "'word'"  # KeyError: params without a word
    assert view.notice == "'word'"
    view.close()


def test_the_front_end_and_python_set_the_same_traits() -> None:
    view = Words(title="words")
    seen: list[Any] = []
    view.observe(lambda change: seen.append(change["new"]), "selected")
    update(view, selected=["evt_1"])
    view.select("evt_2", "evt_1")
    assert seen == [["evt_1"], ["evt_2", "evt_1"]]
    update(view, window_us=[5.0, 2.0])
    assert view.window_us == [2.0, 5.0]
    with pytest.raises(traitlets.TraitError, match=r"window_us=\[1.0\]"):
        view.window_us = [1.0]
    view.close()


def test_a_closed_view_ends_its_thread_and_answers_nothing() -> None:
    view = Words()
    asked(view, "words", word="x")
    assert any(thread.name == "kit Words" for thread in threading.enumerate())
    view.close()
    view.close()
    assert not any(thread.name == "kit Words" for thread in threading.enumerate())
    with pytest.raises(ViewClosedError, match="Words is closed"):
        view.post(lambda: None)
    assert view._repr_mimebundle_ is None, "a closed view would still be drawn"


def test_the_bundle_has_a_stable_text_and_the_view() -> None:
    view = Words(title="words")
    data, _ = view._repr_mimebundle_()
    assert data["text/plain"] == "<Words 'words'>"
    assert data[WIDGET_VIEW]["model_id"] == view.model_id
    view.close()


def test_the_state_for_a_page_is_plain_and_holds_no_machinery() -> None:
    view = Words(title="words", selected=["a"])
    state = embed_state(view)
    assert state["selected"] == ["a"]
    assert not [name for name in state if name.startswith("_") or name == "layout"]
    json.dumps(state)
    view.close()


def test_linked_views_follow_each_other_until_they_are_unlinked() -> None:
    a, b, c = Words(selected=["x"]), Words(), Words()
    linked = link(a, b, c)
    assert (b.selected, c.selected) == (["x"], ["x"])
    update(b, cursor_us=7.5)
    c.window_us = [1.0, 2.0]
    assert (a.cursor_us, c.cursor_us) == (7.5, 7.5)
    assert (a.window_us, b.window_us) == ([1.0, 2.0], [1.0, 2.0])
    assert repr(linked) == "<link of Words, Words, Words>"
    linked.unlink()
    linked.unlink()
    b.select("y")
    assert a.selected == ["x"]
    for view in (a, b, c):
        view.close()


def test_a_link_needs_two_views_with_something_to_share() -> None:
    view = Words()
    with pytest.raises(ArgumentError, match="at least two"):
        link(view)
    with pytest.raises(ArgumentError, match="none of the traits"):
        link(view, object())
    view.close()


values = st.one_of(
    st.tuples(st.just(pa.string()), st.lists(st.none() | st.text(), max_size=9)),
    st.tuples(st.just(pa.float64()), st.lists(st.none() | st.floats(allow_nan=False), max_size=9)),
    st.tuples(st.just(pa.int64()), st.lists(st.none() | st.integers(-(2**53), 2**53), max_size=9)),
    st.tuples(st.just(pa.uint8()), st.lists(st.integers(0, 255), max_size=9)),
    st.tuples(st.just(pa.bool_()), st.lists(st.none() | st.booleans(), max_size=9)),
)


@given(values, st.integers(0, 3))
def test_columns_come_out_as_they_went_in(drawn: tuple[pa.DataType, list[Any]], cut: int) -> None:
    kind, cells = drawn
    table = pa.table({"a": pa.array(cells, kind), "b": pa.array(cells, kind)}).slice(min(cut, len(cells)))
    expected = table["a"].to_pylist()
    header, buffers = pack(table)
    assert json.loads(json.dumps(header))["rows"] == len(expected)
    assert unpack(header, buffers) == {"a": expected, "b": expected}


def test_words_of_a_dictionary_travel_once() -> None:
    column = pa.array(["x", None, "x", "y"]).dictionary_encode()
    chunks = pa.chunked_array([column, pa.array(["z", "x"]).dictionary_encode()])
    header, buffers = pack(pa.table({"c": chunks, "n": pa.array([1, 2, 3, 4, 5, 6])}))
    assert unpack(header, buffers) == {"c": ["x", None, "x", "y", "z", "x"], "n": [1, 2, 3, 4, 5, 6]}
    assert [len(buffer) for buffer in buffers[:4]] == [6, 12, 16, 3]


def test_other_kinds_travel_as_json_text() -> None:
    header, buffers = pack(pa.table({"list": [["a"], None], "odd": [{"k": 1}, {"k": 2}]}))
    assert unpack(header, buffers) == {"list": ['["a"]', None], "odd": ['{"k": 1}', '{"k": 2}']}


@pytest.mark.parametrize(
    "line",
    [
        'import x from "./y.js";',
        'import * as y from "./y.js";',
        "export { a, b };",
        '  const y = await import("./y.js");',
        'export * from "./y.js";',
        "const u = import.meta.url;",
    ],
)
def test_the_composer_refuses_what_it_cannot_put_together(line: str) -> None:
    with pytest.raises(ArgumentError, match=r"static/x.js, line 2"):
        compose.wrapped("x.js", f"const a = 1;\n{line}\n")


def test_a_module_becomes_a_constant_with_its_exports() -> None:
    text = 'import { a as b, c } from "./y.js";\nexport function f() { return b + c; }\nexport default { f };\n'
    made = compose.wrapped("x-1.js", text)
    assert "const { a: b, c } = module_y;" in made
    assert made.startswith("const module_x_1 = (() => {")
    assert "return { f, default: default_export };" in made


def test_no_module_outside_the_folder_is_read() -> None:
    with pytest.raises(ArgumentError, match="no module"):
        compose.source("../view.py")
