"""Items handed from process to process."""

import sys
from collections import deque
from heapq import heappush
from typing import TYPE_CHECKING, Any

from kit.errors import ArgumentError
from kit.kernel.event import Event, Wake

if TYPE_CHECKING:
    from kit.kernel.loop import Kernel


class Get(Event):
    """An item of a queue, when there is one."""

    name = "get"

    def __init__(self, queue: "Queue") -> None:
        self._kernel = queue._kernel
        self._queue = queue

    def _abandon(self, wake: Wake) -> None:
        if self.done:
            self._queue._give_back(self._value)
            return
        if self in self._queue._getters:
            self._queue._getters.remove(self)
        super()._abandon(wake)


class Put(Event):
    """Room in a queue for one item."""

    def __init__(self, queue: "Queue", item: Any) -> None:
        super().__init__(queue._kernel, "put")
        self._queue = queue
        self._item = item

    def _abandon(self, wake: Wake) -> None:
        if not self.done and self in self._queue._putters:
            self._queue._putters.remove(self)
        super()._abandon(wake)


class Queue:
    """Items handed from process to process, first in first out; getters are served in the order of asking.

    `capacity` None means that `put` never waits. `len(queue)` is the number of items that nobody has asked for.
    """

    __slots__ = ("_capacity", "_getters", "_items", "_kernel", "_putters", "_stored")

    def __init__(self, kernel: "Kernel", capacity: int | None = None) -> None:
        if capacity is not None and capacity < 1:
            raise ArgumentError(f"capacity {capacity!r} holds nothing; use 1 or more, or None for no limit")
        self._kernel = kernel
        self._capacity = sys.maxsize if capacity is None else capacity
        self._items: deque[Any] = deque()
        self._getters: deque[Get] = deque()
        self._putters: deque[Put] = deque()
        self._stored = Event(kernel, "put")
        self._stored.trigger()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Any) -> Event:
        """Adds `item`; the event happens when there is room for it. Without a limit it need not be waited for."""
        if self._getters:
            get = self._getters.popleft()
            waiters = get._waiters
            if waiters is None:
                get.trigger(item)
            else:  # what trigger does, in place for the one waiter of a get
                kernel = self._kernel
                get.done, get._value, get._waiters = True, item, None
                get._sent = sent = (kernel.now, kernel._tick(), waiters[0], item)
                heappush(kernel._heap, sent)
        elif len(self._items) < self._capacity:
            self._items.append(item)
        else:
            put = Put(self, item)
            self._putters.append(put)
            return put
        return self._stored

    def get(self) -> Event:
        """The next item, as an event to be yielded or awaited."""
        get = Get(self)
        if self._items:
            get.done = True
            get._value = self._items.popleft()
            if self._putters:
                self._move_up()
        else:
            self._getters.append(get)
        return get

    def get_nowait(self) -> Any:
        """The next item at once; `IndexError` when there is none."""
        item = self._items.popleft()
        self._move_up()
        return item

    def _move_up(self) -> None:
        """Lets those in who wait for room."""
        while self._putters and len(self._items) < self._capacity:
            put = self._putters.popleft()
            self._items.append(put._item)
            put.trigger()

    def _give_back(self, item: Any) -> None:
        """An item that its getter did not come to see is the next one again."""
        if self._getters:
            self._getters.popleft().trigger(item)
        else:
            self._items.appendleft(item)

    def __repr__(self) -> str:
        return f"<Queue, {len(self._items)} items, {len(self._getters)} getters, {len(self._putters)} putters>"
