"""A Pathway: the caller's hold on one trace (spec/cosmonapse.md 5.5)."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from kit.cosmonapse.types import SignalType
from kit.errors import ArgumentError, PathwayClosedError
from kit.kernel import Event
from kit.sim.duration import microseconds
from kit.sim.envelope import Envelope

if TYPE_CHECKING:
    from kit.sim.synapse import Synapse

TERMINAL = frozenset({"FINAL", "ERROR"})
SCOPES = {
    "all": frozenset({"AGENT_OUTPUT", "CLARIFICATION", "PERMISSION", "ERROR", "FINAL"}),
    "terminal": frozenset({"FINAL", "ERROR", "CLARIFICATION", "PERMISSION"}),
}
"""What `wait` waits for, by scope."""

Handler = Callable[[Envelope], Awaitable[Any] | Any]


class Pathway:
    """What happens on a trace, to wait for and to walk over; the first FINAL or ERROR closes it.

    With scope `terminal`, waiting and walking see only what ends the trace or asks back; `on(type)` sees all.
    """

    def __init__(
        self,
        synapse: "Synapse",
        trace_id: str,
        *,
        parent_id: str | None = None,
        role: str = "originator",
        scope: str = "all",
        on_close: Callable[[], None] | None = None,
    ) -> None:
        if scope not in SCOPES:
            raise ArgumentError(f"scope {scope!r} is neither 'all' nor 'terminal'")
        self.trace_id = trace_id
        self.parent_id = parent_id
        self.role = role
        self.scope = scope
        self.closed = False
        self._synapse = synapse
        self._on_close = on_close
        self._buffer: list[Envelope] = []
        self._waiters: list[tuple[frozenset[str], Event]] = []
        self._handlers: dict[str, list[Handler]] = {}
        self._walk: deque[Envelope] = deque()
        self._walker: Event | None = None

    def on(self, signal_type: SignalType | str) -> Callable[[Handler], Handler]:
        """Decorate a function that is called with each signal of a type on this trace."""

        def keep(handler: Handler) -> Handler:
            self._handlers.setdefault(SignalType(signal_type).value, []).append(handler)
            return handler

        return keep

    async def wait(self, timeout_s: float | None = None) -> Envelope:
        """Return the next reply of its scope, also one that came before.

        Raises TimeoutError when the time is over, PathwayClosedError when it is closed and holds none.
        """
        return await self._wait(SCOPES[self.scope], timeout_s)

    async def wait_for(self, signal_type: SignalType | str, timeout_s: float | None = None) -> Envelope:
        """Return the next signal of a type, also one that came before; raises as `wait` does."""
        return await self._wait(frozenset((SignalType(signal_type).value,)), timeout_s)

    async def _wait(self, kinds: frozenset[str], timeout_s: float | None) -> Envelope:
        for i, envelope in enumerate(self._buffer):
            if envelope.kind in kinds:
                return self._buffer.pop(i)
        if self.closed:
            raise self._closed()
        kernel = self._synapse.kernel
        waiter = (kinds, kernel.event("reply"))
        self._waiters.append(waiter)
        if timeout_s is None:
            found: Envelope = await waiter[1]
            return found
        late = kernel.timeout(microseconds(timeout_s))
        if await kernel.wait_any(waiter[1], late) is late:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            raise TimeoutError(f"no {' or '.join(sorted(kinds))} on {self.trace_id!r} within {timeout_s} s")
        answer: Envelope = waiter[1].value
        return answer

    def __aiter__(self) -> "Pathway":
        return self

    async def __anext__(self) -> Envelope:
        while not self._walk:
            if self.closed:
                raise StopAsyncIteration
            self._walker = self._synapse.kernel.event("next signal")
            await self._walker
        return self._walk.popleft()

    def see(self, envelope: Envelope) -> list[Handler]:
        """Take a signal of the trace; the handlers that are to be called with it are returned."""
        kind = envelope.kind
        if self.scope == "all" or kind in SCOPES["terminal"]:
            wanted = [waiter for waiter in self._waiters if kind in waiter[0]]
            if wanted:
                self._waiters = [waiter for waiter in self._waiters if kind not in waiter[0]]
                for _, event in wanted:
                    event.trigger(envelope)
            else:
                self._buffer.append(envelope)
            self._walk.append(envelope)
            self._wake()
        if kind in TERMINAL:
            self.close()
        return self._handlers.get(kind, [])

    def close(self) -> None:
        """Nothing more is waited for; whoever waits gets a PathwayClosedError."""
        if self.closed:
            return
        self.closed = True
        waiters, self._waiters = self._waiters, []
        for _, event in waiters:
            event.fail(self._closed())
        self._wake()
        if self._on_close is not None:
            self._on_close()

    def _wake(self) -> None:
        if self._walker is not None and not self._walker.done:
            self._walker.trigger()

    def _closed(self) -> PathwayClosedError:
        return PathwayClosedError(f"Pathway for trace {self.trace_id!r} is closed")

    def __repr__(self) -> str:
        return f"<Pathway {self.trace_id}, {self.scope}{', closed' if self.closed else ''}>"
