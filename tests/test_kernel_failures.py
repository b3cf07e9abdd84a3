"""Interrupts, crashes and errors in virtual time."""

from collections.abc import Generator
from typing import Any

import pytest

from kit.errors import ArgumentError, CrashError, InterruptError, KernelError
from kit.kernel import Kernel, Process

Body = Generator[Any, Any, Any]


def test_an_interrupt_is_raised_where_the_process_waits() -> None:
    kernel, log = Kernel(), []

    def sleeper() -> Body:
        try:
            yield 100
        except InterruptError as error:
            log.append((kernel.now, error.cause))
        yield 50
        log.append(kernel.now)

    process = kernel.spawn(sleeper())
    kernel.call(30, process.interrupt, "wake up")
    kernel.run()
    assert log == [(30, "wake up"), 80]
    assert kernel.now == 80
    process.interrupt("too late")
    assert kernel.run() == 0


def test_an_interrupted_getter_loses_no_item() -> None:
    kernel, log = Kernel(), []
    queue = kernel.queue()

    def getter(name: str) -> Body:
        try:
            log.append((name, (yield queue.get())))
        except InterruptError:
            log.append((name, "interrupted"))

    first = kernel.spawn(getter("first"))
    kernel.run()
    queue.put("item")  # set aside for the first, which has not seen it yet
    first.interrupt()
    kernel.spawn(getter("second"))
    kernel.run()
    assert log == [("first", "interrupted"), ("second", "item")]


def test_an_interrupted_getter_is_not_served_later() -> None:
    kernel = Kernel()
    queue = kernel.queue()

    def getter() -> Body:
        yield queue.get()

    process = kernel.spawn(getter())
    kernel.run()
    process.crash()
    queue.put("item")
    kernel.run()
    assert len(queue) == 1
    assert isinstance(process.error, CrashError)


def test_a_crash_ends_a_process_and_tells_who_waits_for_it() -> None:
    kernel, log = Kernel(), []

    def victim() -> Body:
        try:
            yield 100
        finally:
            log.append(kernel.now)

    def watcher(process: Process) -> Body:
        try:
            yield process
        except CrashError as error:
            log.append(str(error))

    process = kernel.spawn(victim(), "victim")
    kernel.spawn(watcher(process))
    kernel.call(40, process.crash, "lost power")
    kernel.run()
    assert log == [40, "process 'victim' lost power at 40 us"]


def test_a_process_may_crash_itself_but_not_interrupt_itself() -> None:
    kernel = Kernel()
    processes: list[Process] = []

    def body() -> Body:
        yield 1
        with pytest.raises(ArgumentError, match="cannot interrupt itself"):
            processes[0].interrupt()
        processes[0].crash()

    processes.append(kernel.spawn(body(), "lemming"))
    with pytest.raises(CrashError, match="'lemming' crashed at 1 us"):
        kernel.run()


def test_an_error_that_nobody_waits_for_comes_out_with_its_place_and_the_run_can_go_on() -> None:
    kernel, log = Kernel(unit="ns"), []

    def faulty() -> Body:
        yield 7
        raise ZeroDivisionError("by hand")

    kernel.spawn(faulty(), "mixer")
    kernel.call(9, log.append, 9)
    with pytest.raises(ZeroDivisionError, match="by hand") as caught:
        kernel.run(until=20)
    assert caught.value.__notes__ == ["in process 'mixer' at 7 ns of virtual time"]
    kernel.run(until=20)
    assert (log, kernel.now, len(kernel)) == ([9], 20, 0)


def test_an_error_in_a_callback_names_the_callback() -> None:
    kernel = Kernel()

    def explode() -> None:
        raise OSError("boom")

    kernel.call(3, explode)
    with pytest.raises(OSError, match="boom") as caught:
        kernel.run()
    assert "callback" in caught.value.__notes__[0] and "explode at 3 us" in caught.value.__notes__[0]


def test_an_error_goes_to_the_process_that_waits_for_the_faulty_one() -> None:
    kernel = Kernel()

    def faulty() -> Body:
        yield 1
        raise ValueError("bad")

    async def parent() -> str:
        try:
            await kernel.spawn(faulty())
        except ValueError as error:
            return f"caught {error}"
        return "missed"

    assert kernel.run_until(kernel.spawn(parent())) == "caught bad"


def test_a_failed_event_raises_in_everyone_who_waits_then_or_later() -> None:
    kernel, log = Kernel(), []
    event = kernel.event("answer")

    def waiter(delay: int) -> Body:
        yield delay
        try:
            yield event
        except OSError as error:
            log.append((kernel.now, str(error)))

    kernel.spawn(waiter(0))
    kernel.spawn(waiter(9))
    kernel.call(5, event.fail, OSError("down"))
    kernel.run()
    assert log == [(5, "down"), (9, "down")]
    with pytest.raises(OSError, match="down"):
        _ = event.value
    with pytest.raises(KernelError, match="has happened before"):
        event.trigger()
