"""`static/form.js`: what somebody has just chosen stays chosen when the kernel, which does not know yet, sends other choices."""

from collections.abc import Iterator
from typing import Any

import pytest
from javascript import Module

pytestmark = pytest.mark.servers

BEFORE = [["choices", ["a", "b", "c"]], ["choose", 0]]


@pytest.fixture(scope="module")
def form() -> Iterator[Module]:
    with Module("form.js") as module:
        yield module


def told(form: Module, *steps: list[Any]) -> tuple[str | None, list[int]]:
    """Return the label that stands in the field in the end, and the places that the page sent by itself."""
    found = form.ask("held", [*BEFORE, *steps])
    assert found["left"] == 0
    return found["label"], found["saved"]


def test_a_choice_keeps_its_label_when_it_gets_another_place(form: Module) -> None:
    assert told(form, ["pick", 2]) == ("c", [])
    assert told(form, ["pick", 2], ["choices", ["new", "a", "b", "c"]]) == ("c", [3])
    assert told(form, ["pick", 1], ["choices", ["b, over", "new"]]) == ("b, over", [0])


def test_a_choice_that_is_gone_is_not_taken_for_what_stands_in_its_place(form: Module) -> None:
    assert told(form, ["pick", 1], ["choices", ["a", "new", "c"]]) == ("b", [])


def test_later_and_where_nobody_chose_the_kernel_decides(form: Module) -> None:
    assert told(form, ["choices", ["new", "a"]]) == ("new", [])
    assert told(form, ["pick", 2], ["later", 3100], ["choices", ["new", "a", "b", "c"]]) == ("b", [])
