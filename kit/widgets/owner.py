"""The owner of a live object: one thread that carries out commands in order, and the work in between.

Callbacks of widgets come on two threads (the first message of a comm on the main one, later ones on that of a
subshell), cells run on the main one, and a simulation must go on while a cell is busy. So nobody but the owner
touches the object: all others `post` commands, small frozen dataclasses, and may wait for what becomes of them.

    @dataclass(frozen=True)
    class Jump:
        to: int

    owner = Owner(player.apply, turn=player.turn, name="player")
    owner.post(Jump(3))             # from any thread: returns at once, with a Future
    owner.call(Jump(4))             # waits, and returns or raises what `apply` does
    owner.close()
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from time import monotonic
from typing import Any, Generic, TypeVar

from kit.errors import ViewClosedError

Command = TypeVar("Command")
KEPT_ERRORS = 20


class Owner(Generic[Command]):
    """Carries out commands one after another, on a thread of its own.

    `handle(command)` does one command; its result or error goes into the Future of `post`. `turn()` does a piece of
    what goes on by itself (a slice of a simulation) and says in how many seconds it wants to be called again: 0.0 is
    at once, None is not before another command came. It must be short: commands wait for it. Both are only called
    by the owner, never two at a time. What they raise is kept in `errors` and told to `failed(command, error)`
    (command None for a turn); an error of `turn` ends what goes on until the next command.

    The thread starts with the first command and sleeps when there is nothing to do. With `thread=False` there is
    none: then `wait` and `call` do the work on the thread that calls them.
    """

    def __init__(
        self,
        handle: Callable[[Command], Any],
        *,
        turn: Callable[[], float | None] | None = None,
        failed: Callable[[Command | None, BaseException], object] | None = None,
        name: str = "owner",
        thread: bool = True,
    ) -> None:
        self.name = name
        self.errors: deque[tuple[Command | None, BaseException]] = deque(maxlen=KEPT_ERRORS)
        """What went wrong, the latest ones: the command (None for a turn) and what was raised."""
        self._handle = handle
        self._turn = turn
        self._failed = failed
        self._threaded = thread
        self._thread: threading.Thread | None = None
        self._owned_by: int | None = None
        self._exclusive = threading.Lock()
        self._changed = threading.Condition()
        self._queue: deque[tuple[Command, Future[Any]]] = deque()
        self._due: float | None = None
        """When, by the monotonic clock, the next turn is due; None for never."""
        self._did_command = False
        self._idle = True
        self._closed = False

    # For everybody

    def post(self, command: Command) -> "Future[Any]":
        """Put a command at the end of the queue and return the Future of its result; ViewClosedError after `close`."""
        made: Future[Any] = Future()
        with self._changed:
            self._check_open(command)
            self._queue.append((command, made))
            self._idle = False
            if self._threaded and self._thread is None:
                self._thread = threading.Thread(target=self._serve, name=f"kit {self.name}", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return made

    def call(self, command: Command) -> Any:
        """Post a command, wait for it, and return its result or raise its error; on the owner's thread do it at once."""
        if self.mine:
            with self._changed:
                self._check_open(command)
            return self._handle(command)
        made = self.post(command)
        while not self._threaded and not made.done() and self._once():
            pass
        return made.result()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all commands are done and nothing goes on by itself; False where that is not so in time.

        On the owner's thread, where it would wait for itself, it returns False at once.
        """
        if self.mine:
            return False
        until = None if timeout_s is None else monotonic() + timeout_s
        if not self._threaded:
            while self._once():
                if until is not None and monotonic() >= until:
                    return self.idle
            return True
        with self._changed:
            return self._changed.wait_for(lambda: self._idle or self._closed, timeout_s)

    @property
    def mine(self) -> bool:
        """Whether the calling thread is the owner's, in `handle` or `turn`."""
        return self._owned_by == threading.get_ident()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        with self._changed:
            return self._idle

    @property
    def closed(self) -> bool:
        """Whether it takes no more commands."""
        return self._closed

    def close(self) -> None:
        """End: what runs comes to its end, what waits is cancelled, and the thread is gone. A second time does nothing.

        On the owner's own thread it returns before the thread is gone.
        """
        with self._changed:
            self._closed, self._idle, self._due = True, True, None
            left, self._queue = self._queue, deque()
            self._changed.notify_all()
        for _, made in left:
            made.cancel()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        # Nothing holds on to the live object any more.
        self._handle, self._turn, self._failed = _gone, None, None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "idle" if self._idle else "busy"
        return f"<{type(self).__name__} {self.name!r}, {state}>"

    # For the owner

    def _serve(self) -> None:
        while self._once():
            pass

    def _once(self) -> bool:
        """Do the next thing, sleeping until there is one; False when closed, and without a thread when idle."""
        with self._exclusive:
            return self._done_next()

    def _done_next(self) -> bool:
        with self._changed:
            while not (self._closed or self._queue):
                if self._due is None:
                    self._idle = True
                    self._changed.notify_all()
                    if not self._threaded:
                        return False
                    self._changed.wait()
                else:
                    left = self._due - monotonic()
                    if left <= 0:
                        break
                    self._changed.wait(left)
            if self._closed:
                return False
            # Turns and commands take turns: many commands do not keep from going on what goes on by itself.
            turn_due = self._due is not None and self._due <= monotonic()
            turns = not self._queue or (turn_due and self._did_command)
            item = None if turns else self._queue.popleft()
            self._did_command = not turns
        self._owned_by = threading.get_ident()
        try:
            if item is not None:
                self._carry_out(*item)
                # A command can begin something: the next turn is due.
                self._plan(0.0)
            else:
                self._plan(self._turned())
        finally:
            self._owned_by = None
        return True

    def _plan(self, delay_s: float | None) -> None:
        with self._changed:
            self._due = None if delay_s is None or self._turn is None or self._closed else monotonic() + delay_s

    def _carry_out(self, command: Command, made: "Future[Any]") -> None:
        if not made.set_running_or_notify_cancel():
            return
        try:
            result = self._handle(command)
        except BaseException as error:
            self._note(command, error)
            made.set_exception(error)
            self._pass_on(error)
        else:
            made.set_result(result)

    def _turned(self) -> float | None:
        turn = self._turn
        try:
            return None if turn is None else turn()
        except BaseException as error:
            self._note(None, error)
            self._pass_on(error)
            return None

    def _note(self, command: Command | None, error: BaseException) -> None:
        self.errors.append((command, error))
        failed = self._failed
        if failed is not None:
            try:
                failed(command, error)
            except Exception as second:
                self.errors.append((command, second))

    def _pass_on(self, error: BaseException) -> None:
        """Let Ctrl-C and the like through where there is no thread of our own: they are meant for the caller."""
        if not self._threaded and not isinstance(error, Exception):
            raise error

    def _check_open(self, command: Command) -> None:
        if self._closed:
            raise ViewClosedError(f"{self.name} is closed and takes no {command!r}; make a new one")


def _gone(command: object) -> None:
    """Stand for what is closed."""
