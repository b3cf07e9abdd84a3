"""Registry stores as a simulation uses them: each call is over before anything else happens, and time stands still."""

import asyncio
import inspect
import random
from collections.abc import Callable, Coroutine
from typing import Any

from kit import ids
from kit.cosmonapse.registry import MemoryRegistryStore, RegistryStore
from kit.errors import KernelError
from kit.sim.outside import aside


class Shelf:
    """Runs the coroutines of registry stores, those of files and servers on a hidden asyncio loop.

    A store is connected at its first use. What a store asks the clock for is the time of the simulation, without moving
    anything of it, so that all stores give the same run.
    """

    def __init__(self, clock_us: Callable[[], int], rng: random.Random) -> None:
        self._ids = (clock_us, rng.getrandbits)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connected: dict[int, RegistryStore] = {}

    def take(self, store: RegistryStore, call: Coroutine[Any, Any, Any]) -> Any:
        """Return what a call of a store gives; what it raises comes out here."""
        with ids.driven(*self._ids):
            if isinstance(store, MemoryRegistryStore):
                return _at_once(call)
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            if id(store) not in self._connected:
                try:
                    aside(self._loop, store.connect())
                except BaseException:
                    call.close()
                    raise
                self._connected[id(store)] = store
            return aside(self._loop, call)

    def close(self) -> None:
        """Close the stores that were connected here, and the loop; the next use connects them again."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            while self._connected:
                aside(loop, self._connected.popitem()[1].close())
        finally:
            loop.close()


def _at_once(call: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine gives that waits for nothing."""
    try:
        call.send(None)
    except StopIteration as returned:
        return returned.value
    finally:
        if inspect.getcoroutinestate(call) != inspect.CORO_CLOSED:
            call.close()
    raise KernelError("a MemoryRegistryStore waited for something; derive stores that wait from RegistryStore")
