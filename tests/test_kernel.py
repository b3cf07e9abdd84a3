"""Virtual time: order, waiting, letting go, errors, and equal runs from equal seeds."""

import random
import threading
from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import ArgumentError, CrashError, InterruptError, KernelError
from kit.kernel import Event, Kernel, Process, Queue

Body = Generator[Any, Any, Any]


def test_things_happen_by_time_and_then_by_the_order_of_scheduling() -> None:
    kernel, log = Kernel(), []
    for delay, name in [(5, "b"), (5, "c"), (0, "a"), (9, "d"), (5, "e")]:
        kernel.call(delay, log.append, name)
    assert kernel.run() == 5
    assert log == ["a", "b", "c", "e", "d"]
    assert kernel.now == 9


def test_a_run_until_a_time_includes_what_is_due_then_and_sets_the_clock() -> None:
    kernel, log = Kernel(start=100), []
    kernel.call(10, log.append, 110)
    kernel.call(11, log.append, 111)
    assert kernel.run(until=110) == 1
    assert (log, kernel.now, kernel.peek(), len(kernel)) == ([110], 110, 111, 1)
    assert kernel.run(until=500) == 1
    assert (kernel.now, kernel.peek(), len(kernel)) == (500, None, 0)
    assert kernel.run(until=500) == 0


def test_a_run_can_be_cut_after_so_many_events_and_goes_on_where_it_was() -> None:
    kernel, log = Kernel(), []
    for delay in range(10):
        kernel.call(delay, log.append, delay)
    assert kernel.run(events=3) == 3
    assert kernel.run(until=4, events=1) == 1
    assert (log, kernel.now) == ([0, 1, 2, 3], 3)
    assert kernel.step()
    assert kernel.run() == 5
    assert not kernel.step()
    assert log == list(range(10))


def test_events_are_counted_exactly_when_processes_end_among_them() -> None:
    kernel = Kernel()

    def once() -> Body:
        yield 1

    for _ in range(10):
        kernel.spawn(once())
    assert kernel.run(events=13) == 13
    assert kernel.run(events=100) == 7


def test_generators_and_coroutines_wait_for_the_same_things() -> None:
    kernel, log = Kernel(), []
    gate = kernel.event("gate")

    def generator() -> Body:
        yield 3
        log.append(("generator", kernel.now))
        log.append((yield gate))
        return "g"

    async def coroutine() -> str:
        await kernel.sleep(4)
        log.append(("coroutine", kernel.now))
        log.append(await gate)
        return "c"

    both = [kernel.spawn(generator()), kernel.spawn(coroutine())]
    kernel.call(10, gate.trigger, "open")
    assert kernel.run_until(kernel.wait_all(*both)) == ["g", "c"]
    assert log == [("generator", 3), ("coroutine", 4), "open", "open"]
    assert both[0].value == "g"


def test_a_bare_yield_lets_others_of_the_same_time_go_first() -> None:
    kernel, log = Kernel(), []

    def polite() -> Body:
        yield None
        log.append("polite")

    kernel.spawn(polite())
    kernel.call(0, log.append, "other")
    kernel.run()
    assert (log, kernel.now) == (["other", "polite"], 0)


def test_waiting_for_a_process_gives_its_result_also_when_it_is_over() -> None:
    kernel = Kernel()

    def child() -> Body:
        yield 5
        return 42

    def parent(process: Process) -> Body:
        first = yield process
        yield 10
        return first, (yield process)

    assert kernel.run_until(kernel.spawn(parent(kernel.spawn(child())))) == (42, 42)


def test_a_queue_hands_items_over_first_in_first_out_and_serves_getters_in_order() -> None:
    kernel, log = Kernel(), []
    queue = kernel.queue()

    def getter(name: str) -> Body:
        while True:
            log.append((name, (yield queue.get())))
            yield 1

    kernel.spawn(getter("a"))
    kernel.spawn(getter("b"))
    kernel.run()
    for item in range(4):
        queue.put(item)
    kernel.run()
    assert log == [("a", 0), ("b", 1), ("a", 2), ("b", 3)]


def test_what_has_happened_already_is_not_waited_for() -> None:
    kernel, log = Kernel(), []
    queue = kernel.queue()

    def getter(name: str) -> Body:
        while True:
            log.append((name, (yield queue.get())))

    for item in range(3):
        queue.put(item)
    kernel.spawn(getter("a"))
    kernel.spawn(getter("b"))
    assert kernel.run(events=2) == 2  # each item is an event, so that a run can be cut between them
    assert log == [("a", 0)]
    kernel.run()
    assert log == [("a", 0), ("a", 1), ("a", 2)]


def test_a_bounded_queue_holds_its_producer_back() -> None:
    kernel, made = Kernel(), []
    queue = kernel.queue(capacity=2)

    def producer() -> Body:
        for item in range(6):
            made.append(item)
            yield queue.put(item)

    kernel.spawn(producer())
    kernel.run()
    assert (made, len(queue)) == ([0, 1, 2], 2)
    assert queue.get_nowait() == 0
    kernel.run()
    assert (made, len(queue)) == ([0, 1, 2, 3], 2)
    assert [queue.get_nowait() for _ in range(3)] == [1, 2, 3]
    with pytest.raises(IndexError):
        queue.get_nowait()


def test_the_first_of_several_wins_and_the_others_are_let_go() -> None:
    kernel = Kernel()
    queue, other = kernel.queue(), kernel.queue()
    seen: list[Any] = []

    def patient() -> Body:
        get = queue.get()
        first = yield kernel.wait_any(get, kernel.timeout(10))
        seen.append((kernel.now, first is get))
        first = yield kernel.wait_any(other.get(), kernel.timeout(1000))
        seen.append((kernel.now, first.value))

    kernel.spawn(patient())
    kernel.call(20, queue.put, "late")
    kernel.call(30, other.put, "x")
    kernel.run()
    assert seen == [(10, False), (30, "x")]
    assert queue.get_nowait() == "late"
    assert (kernel.now, len(kernel)) == (30, 0)  # the long timeout was cancelled


def test_an_item_that_lost_in_the_same_instant_goes_back_to_its_queue() -> None:
    kernel = Kernel()
    left, right = kernel.queue(), kernel.queue()

    def both() -> Body:
        first = yield kernel.wait_any(left.get(), right.get())
        return first.value

    process = kernel.spawn(both())
    kernel.run()
    right.put("r")
    left.put("l")
    assert kernel.run_until(process) == "r"
    assert left.get_nowait() == "l"
    assert len(right) == 0


def test_cancelled_callbacks_do_not_happen_and_leave_the_heap() -> None:
    kernel, log = Kernel(), []
    kept = kernel.call(5, log.append, "kept")
    cancelled = [kernel.call(1000 + n, log.append, n) for n in range(10_000)]
    assert all(scheduled.cancel() for scheduled in cancelled)
    assert not cancelled[0].cancel()
    assert len(kernel._heap) < 1000
    assert (len(kernel), kernel.peek(), kept.pending) == (1, 5, True)
    assert kernel.run() == 1
    assert (log, kernel.now, kept.pending, kept.cancel()) == (["kept"], 5, False, False)


def test_many_cancelled_inside_a_run_do_not_disturb_it() -> None:
    kernel, log = Kernel(), []
    cancelled = [kernel.call(1000 + n, log.append, n) for n in range(1000)]

    def sweep() -> Body:
        yield 1
        for scheduled in cancelled:
            scheduled.cancel()
        yield 1
        log.append(kernel.now)

    kernel.spawn(sweep())
    kernel.call(7, log.append, 7)
    assert kernel.run() == 4
    assert log == [2, 7]


@pytest.mark.parametrize("wrong", [-1, 1.5, True, "soon", object()])
def test_what_a_process_may_not_yield_is_raised_in_it(wrong: object) -> None:
    kernel = Kernel()

    def body() -> Body:
        with pytest.raises(KernelError, match="yielded"):
            yield wrong
        yield 1

    kernel.run_until(kernel.spawn(body()))
    assert kernel.now == 1


def test_calls_that_cannot_mean_anything_are_refused() -> None:
    kernel = Kernel(start=10)
    for call in (
        lambda: kernel.call(-1, print),
        lambda: kernel.call(0.5, print),  # type: ignore[arg-type]
        lambda: kernel.call_at(9, print),
        lambda: kernel.run(until=9),
        lambda: kernel.run(events=-1),
        lambda: kernel.spawn(test_calls_that_cannot_mean_anything_are_refused),  # type: ignore[arg-type]
        lambda: kernel.wait_any(),
        lambda: kernel.queue(0),
        lambda: Kernel(unit="s"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ArgumentError):
            call()


def test_waiting_for_what_can_never_happen_is_an_error() -> None:
    kernel = Kernel()
    with pytest.raises(KernelError, match="nothing is left to happen"):
        kernel.run_until(kernel.event("never"))
    with pytest.raises(KernelError, match="no value yet"):
        _ = kernel.event("never").value


def test_the_kernel_does_not_run_inside_itself() -> None:
    kernel = Kernel()
    kernel.call(0, kernel.run)
    with pytest.raises(KernelError, match="running already"):
        kernel.run()


def test_other_threads_post() -> None:
    kernel = Kernel()
    seen: list[tuple[int, str, int]] = []
    owner = threading.get_ident()

    def note(name: str, number: int) -> None:
        assert threading.get_ident() == owner
        seen.append((kernel.now, name, number))

    def poster(name: str) -> None:
        for number in range(200):
            kernel.post(note, name, number)

    threads = [threading.Thread(target=poster, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kernel) == 600
    assert kernel.run(until=5) == 600
    for name in "abc":
        assert [number for _, who, number in seen if who == name] == list(range(200))


def test_a_post_reaches_a_run_that_is_under_way() -> None:
    kernel = Kernel()

    def forever() -> Body:
        while True:
            yield 1

    def stop() -> None:
        raise StopAsyncIteration

    process = kernel.spawn(forever())
    kernel.call(10, threading.Thread(target=kernel.post, args=(process.crash,)).start)
    kernel.run(until=200_000)
    assert isinstance(process.error, CrashError)


def test_a_stream_of_random_numbers_belongs_to_its_purpose() -> None:
    one, other = Kernel(seed=7), Kernel(seed=7)
    one.random("faults").random()
    assert one.random("latency").random() == other.random("latency").random()
    assert one.random("latency") is one.random("latency")
    assert other.random("x").random() == random.Random("7/x").random()
    assert Kernel(seed=8).random("x").random() != Kernel(seed=7).random("x").random()


def test_seconds_are_turned_into_whole_units() -> None:
    assert Kernel(unit="us").units(1.5) == 1_500_000
    assert Kernel(unit="ns").units(0.25) == 250_000_000


def test_a_peek_can_leave_the_callbacks_of_one_function_out() -> None:
    kernel, log = Kernel(), []
    kernel.call(3, log.append, "chore")
    assert (kernel.peek(), kernel.peek(but=log.append)) == (3, None)
    kernel.call(8, print)
    assert (kernel.peek(), kernel.peek(but=log.append)) == (3, 8)
    kernel.post(print)
    assert kernel.peek(but=log.append) == 0


def test_reprs_tell_the_state() -> None:
    kernel = Kernel(unit="ns")
    queue: Queue = kernel.queue()
    queue.put(1)
    event: Event = kernel.event("gate")
    assert repr(kernel) == "<Kernel at 0 ns, 0 scheduled>"
    assert repr(queue) == "<Queue, 1 items, 0 getters, 0 putters>"
    assert repr(event) == "<Event 'gate', pending>"
    event.trigger()
    assert repr(event) == "<Event 'gate', done>"
    assert repr(kernel.call(5, print)) == "<Scheduled at 5>"


def test_an_async_generator_can_sleep_in_virtual_time() -> None:
    kernel = Kernel()

    async def ticks() -> AsyncIterator[int]:
        for _ in range(3):
            await kernel.sleep(10)
            yield kernel.now

    async def collect() -> list[int]:
        return [tick async for tick in ticks()]

    assert kernel.run_until(kernel.spawn(collect())) == [10, 20, 30]


def trace_of(seed: int, actors: int, capacity: int | None) -> list[tuple[int, int, object]]:
    """A model of producers, consumers, an interrupter and timeouts, as what happened when."""
    kernel, log = Kernel(seed=seed), []
    queue = kernel.queue(capacity)

    def producer(number: int) -> Body:
        chance = kernel.random(f"producer/{number}")
        for item in range(20):
            yield chance.randrange(5)
            yield queue.put((number, item))

    def consumer(number: int) -> Body:
        chance = kernel.random(f"consumer/{number}")
        while True:
            try:
                get = queue.get()
                first = yield kernel.wait_any(get, kernel.timeout(chance.randrange(1, 9)))
                log.append((kernel.now, number, first.value if first is get else "timeout"))
                yield chance.randrange(3)
            except InterruptError:
                log.append((kernel.now, number, "interrupted"))

    for number in range(actors):
        kernel.spawn(producer(number))
    consumers = [kernel.spawn(consumer(number)) for number in range(actors)]

    def interrupter() -> Body:
        chance = kernel.random("interrupter")
        while True:
            yield chance.randrange(1, 6)
            chance.choice(consumers).interrupt()

    kernel.spawn(interrupter())
    kernel.run(until=400)
    return log


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 5), st.sampled_from([None, 1, 3]))
def test_equal_seeds_give_equal_traces_and_no_item_is_lost(seed: int, actors: int, capacity: int | None) -> None:
    trace = trace_of(seed, actors, capacity)
    assert trace == trace_of(seed, actors, capacity)
    items = [what for _, _, what in trace if isinstance(what, tuple)]
    assert sorted(items) == [(number, item) for number in range(actors) for item in range(20)]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=60))
def test_what_happens_is_the_sorted_list_of_what_was_scheduled(plan: list[tuple[int, bool]]) -> None:
    kernel, log = Kernel(), []
    handles = [kernel.call(delay, lambda n=n: log.append((kernel.now, n))) for n, (delay, _) in enumerate(plan)]
    for handle, (_, cancelled) in zip(handles, plan, strict=True):
        if cancelled:
            handle.cancel()
    assert kernel.run() == len(log)
    assert log == sorted((delay, n) for n, (delay, cancelled) in enumerate(plan) if not cancelled)


def test_a_port_takes_values_at_their_times_and_goes_on_after_an_error() -> None:
    kernel, log = Kernel(), []

    def take(value: int) -> None:
        if value < 0:
            raise ValueError(value)
        log.append((kernel.now, value))

    port = kernel.port(take)
    for delay, value in ((20, 1), (10, 2), (10, -1), (10, 3)):
        port.send(delay, value)
    with pytest.raises(ValueError, match="-1"):
        kernel.run()
    kernel.run()
    assert log == [(10, 2), (10, 3), (20, 1)]


def test_the_kernel_names_the_process_that_runs() -> None:
    kernel, seen = Kernel(), []

    def body() -> Any:
        seen.append(kernel.process)
        yield 1

    process = kernel.spawn(body())
    kernel.call(1, lambda: seen.append(kernel.process))
    kernel.run()
    assert seen == [process, None]
    assert kernel.process is None


def test_what_comes_last_waits_for_all_else_of_its_time_and_time_waits_for_it() -> None:
    kernel = Kernel()
    log: list[tuple[str, int]] = []

    def note(name: str) -> None:
        log.append((name, kernel.now))

    def last() -> None:
        note("last")
        kernel.call(0, note, "after last")
        if len(log) < 3:
            kernel.call_last(last)

    def first() -> None:
        kernel.call_last(last)
        kernel.call(0, note, "first")

    kernel.call(3, first)
    kernel.call(4, note, "later")
    taken_back = kernel.call_last(note, "never")
    assert taken_back.cancel()
    kernel.run(until=9)
    assert log == [("first", 3), ("last", 3), ("after last", 3), ("last", 3), ("after last", 3), ("later", 4)]
