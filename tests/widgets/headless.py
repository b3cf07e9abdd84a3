"""A front end without a browser and without a kernel: comms that record what is sent, and messages as one would send them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import comm
from comm.base_comm import BaseComm


class Recorded(BaseComm):
    """A comm that keeps what is sent: `sent` holds (data, buffers)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[tuple[Any, list[bytes]]] = []
        super().__init__(*args, **kwargs)

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        self.sent.append((data, list(buffers or [])))


@contextmanager
def recorded() -> Iterator[None]:
    """Give every widget that is made in the block a comm that records."""
    before = comm.create_comm
    comm.create_comm = lambda *args, **kwargs: Recorded(*args, **kwargs)
    try:
        yield
    finally:
        comm.create_comm = before


def update(widget: Any, **state: Any) -> None:
    """Set traits as the front end does."""
    data = {"method": "update", "state": state, "buffer_paths": []}
    widget._handle_msg({"content": {"data": data}, "buffers": []})


def custom(widget: Any, content: Any) -> None:
    """Send a custom message as the front end does."""
    widget._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})


def asked(widget: Any, name: str, **params: Any) -> tuple[dict[str, Any], list[bytes]]:
    """Ask as a front end does and return the content of the answer, with its buffers."""
    custom(widget, {"ask": "k1", "name": name, "params": params})
    assert widget.settle(), "no answer in time"
    data, buffers = next(pair for pair in reversed(widget.comm.sent) if pair[0].get("method") == "custom")
    assert data["content"]["answer"] == "k1"
    return data["content"], buffers
