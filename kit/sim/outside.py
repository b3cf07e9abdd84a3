"""The real world, as a simulation awaits it: time stands still meanwhile, and what comes is recorded or was recorded.

A hidden asyncio loop does the real work and never runs but while virtual time stands still. What comes is told to the
simulation one by one, when nothing else is left to happen at its time, and entered in the recording; with a recording that
was given there is no hidden loop, and its entries are told at the same places.
"""

import asyncio
import queue
import threading
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kit.kernel import Kernel
from kit.sim.channel import Channel, told
from kit.sim.recording import Answers, Entry, Recording

PATIENCE_S = 30.0
"""Real seconds that time stands still for an answer; then it goes on, a virtual second for each real one."""
SECOND_US = 1_000_000
Begin = Callable[["Live", int], Awaitable[Any]]
Failed = Callable[[BaseException], object]


class Outside:
    """Who is waited for outside, and when time may go on."""

    def __init__(self, kernel: Kernel, recording: Recording | None = None, *, patience_s: float = PATIENCE_S) -> None:
        self.failed: Failed = lambda error: None
        self.recording = Recording() if recording is None else recording
        self.answers = None if recording is None else Answers(recording)
        """What a recording that was given holds; None where the real world is asked."""
        self._kernel = kernel
        self.patience_s = patience_s
        self._channels: dict[int, Channel] = {}
        self._count = 0
        self._looks = self._silent = False
        self._mute_until = 0
        self._threads: Threads | None = None
        self._made: Live | None = None
        self._held: dict[Any, None] = {}
        weakref.finalize(self, _shut, self._held)

    @property
    def _live(self) -> "Live":
        if self._made is None:
            self._made = Live()
            self.holds(self._made)
        return self._made

    # Who waits

    def numbered(self) -> int:
        """Return a new number for something that is recorded."""
        self._count += 1
        return self._count

    def entered(self, channel: Channel) -> int:
        """Take a channel in, and return its number."""
        number = self.numbered()
        self._channels[number] = channel
        return number

    def left(self, channel: Channel) -> None:
        """A channel is over."""
        if self._channels.pop(channel.number, None) is not None and self._made is not None:
            self._made.close(channel.number)

    def begin(self, channel: Channel, begin: Begin) -> None:
        """Begin the real work of a channel, unless a recording answers."""
        if self.answers is None:
            self._live.begin(channel.number, begin)

    def write(self, channel: Channel, data: bytes | None) -> None:
        """Write to a connection, None to close its writing end."""
        if self.answers is None:
            self._live.write(channel.number, data)
        self.waits()

    def pause(self, channel: Channel, paused: bool) -> None:
        """A connection reads no more, or again."""
        if self.answers is None:
            self._live.pause(channel.number, paused)
        self.waits()

    def thread(self, function: Callable[[], Any], executor: Any, future: "asyncio.Future[Any]") -> None:
        """Run a function in a real thread; time stands still until it has returned."""
        self.threads.begin(function, executor, future)
        self.waits()

    @property
    def threads(self) -> "Threads":
        """The real threads of this simulation."""
        if self._threads is None:
            self._threads = Threads()
            self.holds(self._threads)
        return self._threads

    def holds(self, resource: Any) -> None:
        """Close a resource when the simulation ends."""
        self._held[resource] = None

    def close(self, path: Recording | str | Path | None = None) -> None:
        """Let all connections and threads go, and write a new recording to a path."""
        _shut(self._held)
        self._made = self._threads = None
        if self.answers is None and isinstance(path, str | Path):
            self.recording.save(path)

    # When time may go on

    def waits(self) -> None:
        """Somebody may wait for the outside: look, before time goes on."""
        if not self._looks and (self._channels or self._threads) and self._kernel.now >= self._mute_until:
            self._looks = True
            self._kernel.call_last(self._look)

    def _look(self) -> None:
        """Where somebody waits, tell what comes next, and look again."""
        self._looks = False
        if self._threads is not None and self._threads.busy:
            self._threads.finish()
        else:
            asking = [channel for channel in self._channels.values() if channel.expects()]
            if not asking:
                return
            if not (self._heard() if self.answers is None else self._told(self.answers, asking)):
                self._go_on()
                return
            self._silent = False
        self.waits()

    def _go_on(self) -> None:
        """Nothing came for a long time: a second of virtual time goes by."""
        self._silent = True
        self._mute_until = self._kernel.now + SECOND_US
        self._kernel.call(SECOND_US, self.waits)

    def _heard(self) -> bool:
        """Wait in real time for something to come, record and tell it; False where nothing came for too long."""
        while True:
            came = self._live.next(1.0 if self._silent else self.patience_s, self._channels)
            if came is None:
                self.recording.entries.append(Entry(0, "", "silence"))
                return False
            number, kind, value = came
            channel = self._channels[number]
            self.recording.entries.append(Entry(number, channel.to, kind, value, channel.written()))
            channel.hear(kind, value)
            return True

    def _told(self, answers: Answers, asking: list[Channel]) -> bool:
        """Tell what the recording has next for one of the channels; RecordingError where it has nothing."""
        found: list[tuple[int, Channel]] = []
        for channel in self._channels.values():
            number = answers.seek(channel.number, channel.to, channel.written())
            if number is not None and channel.takes(self.recording.entries[number].kind):
                found.append((number, channel))
        first = min(found, key=lambda item: item[0], default=None)
        if answers.silence(None if first is None else first[0]):
            return False
        if first is None:
            raise answers.missing((channel.to, channel.written()) for channel in asking)
        number, channel = first
        entry = answers.take(channel.number, number)
        channel.hear(entry.kind, entry.value)
        return True


def _shut(held: dict[Any, None]) -> None:
    while held:
        held.popitem()[0].close()


def aside(loop: asyncio.AbstractEventLoop, until: Any) -> Any:
    """Run a hidden loop until something is done, and return it; meanwhile no other loop runs in this thread."""
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return loop.run_until_complete(until)
    finally:
        asyncio._set_running_loop(before)


class Live:
    """A hidden asyncio loop with the real connections, and what has come over them."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.transports: dict[int, asyncio.Transport] = {}
        self._came: deque[tuple[int, str, Any]] = deque()
        self._arrived: asyncio.Future[None] | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def begin(self, number: int, begin: Begin) -> None:
        """Begin the work of a channel; it goes on in `next`."""
        self._tasks[number] = self.loop.create_task(self._begun(number, begin))

    async def _begun(self, number: int, begin: Begin) -> None:
        try:
            answer = await begin(self, number)
        except Exception as error:
            self.push(number, "failed", told(error))
        else:
            if not isinstance(answer, Ear):
                self.push(number, "answer", answer)
        finally:
            self._tasks.pop(number, None)

    def push(self, number: int, kind: str, value: Any) -> None:
        """Something came."""
        self._came.append((number, kind, value))
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    def next(self, patience_s: float, channels: dict[int, Channel]) -> tuple[int, str, Any] | None:
        """Return the first thing that came and that a channel takes; wait for it, but not for longer than that."""
        end = self.loop.time() + patience_s
        while True:
            for place, (number, kind, _) in enumerate(self._came):
                if number in channels and channels[number].takes(kind):
                    found = self._came[place]
                    del self._came[place]
                    return found
            left = end - self.loop.time()
            if left <= 0:
                return None
            self._arrived = self.loop.create_future()
            enough = self.loop.call_later(left, self.push, 0, "enough", None)
            aside(self.loop, self._arrived)
            enough.cancel()
            self._came = deque(item for item in self._came if item[0] in channels)

    def write(self, number: int, data: bytes | None) -> None:
        """Write to a connection."""
        transport = self.transports.get(number)
        if transport is None or transport.is_closing():
            return
        if data is None:
            transport.write_eof()
        else:
            transport.write(data)

    def pause(self, number: int, paused: bool) -> None:
        """Stop or go on reading."""
        transport = self.transports.get(number)
        if transport is not None and not transport.is_closing() and transport.is_reading() == paused:
            (transport.pause_reading if paused else transport.resume_reading)()

    def close(self, number: int | None = None) -> None:
        """Close a connection once what was written is out, or all of them and the loop."""
        if number is not None:
            task, transport = self._tasks.get(number), self.transports.pop(number, None)
            if task is not None:
                task.cancel()
            if transport is not None:
                transport.close()
            return
        aside(self.loop, self._ended())
        self.loop.close()

    async def _ended(self) -> None:
        for transport in self.transports.values():
            transport.close()
        await asyncio.sleep(0.01)
        for task in asyncio.all_tasks(self.loop) - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)


class Ear(asyncio.Protocol):
    """The protocol of a real connection: it notes what comes."""

    def __init__(self, live: Live, number: int) -> None:
        self._live = live
        self._number = number
        self._secured = False

    def connection_made(self, transport: Any) -> None:
        """Note that the connection is there, and what is known of it."""
        self._live.transports[self._number] = transport
        sock = transport.get_extra_info("socket")
        facts: dict[str, Any] = {
            "sockname": _plain(transport.get_extra_info("sockname")),
            "peername": _plain(transport.get_extra_info("peername")),
            "family": int(sock.family),
        }
        secured = transport.get_extra_info("ssl_object")
        if secured is not None:
            self._secured = True
            facts["tls"] = {
                "alpn": secured.selected_alpn_protocol(),
                "version": secured.version(),
                "cipher": _plain(secured.cipher()),
                "peercert": _plain(transport.get_extra_info("peercert")),
            }
        self._live.push(self._number, "connected", facts)

    def data_received(self, data: bytes) -> None:
        """Note some bytes."""
        self._live.push(self._number, "data", bytes(data))

    def eof_received(self) -> bool:
        """Note that the other side writes no more."""
        self._live.push(self._number, "eof", None)
        return not self._secured

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is over."""
        self._live.push(self._number, "lost", None if exc is None else told(exc))


def _plain(value: Any) -> Any:
    """Return a value with lists for tuples, as JSON gives it back."""
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


class Threads:
    """Functions in real threads: they run side by side, and are done in the order in which they were begun."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._jobs: deque[tuple[ThreadFuture[Any], asyncio.Future[Any]]] = deque()
        self._came: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self.owner = threading.get_ident()

    @property
    def busy(self) -> bool:
        """Whether a function is under way, or a thread has something to tell."""
        return bool(self._jobs) or not self._came.empty()

    def begin(self, function: Callable[[], Any], executor: Any, future: "asyncio.Future[Any]") -> None:
        """Run a function in a thread, or in the executor that is given."""
        if executor is None:
            executor = self._pool = self._pool or ThreadPoolExecutor(thread_name_prefix="kit-sim")
        job = executor.submit(function)
        self._jobs.append((job, future))
        job.add_done_callback(lambda _: self._came.put(None))

    def post(self, callback: Callable[[], object]) -> None:
        """Call a function in the thread of the simulation, while time stands still."""
        self._came.put(callback)

    def finish(self) -> None:
        """Wait for the function that was begun first, or for what a thread has to tell, and tell it."""
        while not self._jobs or not self._jobs[0][0].done():
            callback = self._came.get()
            if callback is not None:
                callback()
                return
            if not self._jobs:
                return
        job, future = self._jobs.popleft()
        if future.done():
            return
        error = job.exception()
        if error is None:
            future.set_result(job.result())
        else:
            future.set_exception(error)

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
