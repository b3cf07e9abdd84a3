"""Views that are made for a file: no page is told of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from comm import DummyComm

_off_page: ContextVar[bool] = ContextVar("off_page", default=False)


@contextmanager
def off_page() -> Iterator[None]:
    """Within, new views have no counterpart in a notebook's page.

    One that is closed before the page has made its model would leave an error there.
    """
    before = _off_page.set(True)
    try:
        yield
    finally:
        _off_page.reset(before)


def comms() -> dict[str, Any]:
    """Return the arguments by which a widget reaches the page: none, and within `off_page` a comm that leads nowhere."""
    return {"comm": DummyComm(target_name="jupyter.widget")} if _off_page.get() else {}
