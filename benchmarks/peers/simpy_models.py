"""The models of `benchmarks.kernel` in SimPy, as its documentation writes such models."""

from collections.abc import Generator
from typing import Any

import simpy

from benchmarks.kernel import DELAYS

Body = Generator[Any, Any, None]


def timeouts(processes: int, events: int) -> list[int]:
    """See `benchmarks.kernel.timeouts`."""
    env = simpy.Environment()
    woken = [0, 0]

    def process(start: int, delay: int) -> Body:
        yield env.timeout(start)
        while True:
            yield env.timeout(delay)
            woken[0] += delay
            woken[1] += 1
            if woken[1] == events:
                done.succeed([woken[0], int(env.now)])

    done = env.event()
    for number in range(processes):
        env.process(process(number, DELAYS[number % len(DELAYS)]))
    answer: list[int] = env.run(until=done)
    return answer


def messages(pairs: int, each: int) -> list[int]:
    """See `benchmarks.kernel.messages`."""
    return _stores(pairs, each, 1)


def bursts(pairs: int, each: int) -> list[int]:
    """See `benchmarks.kernel.bursts`."""
    return _stores(pairs, each, 10)


def _stores(pairs: int, each: int, burst: int) -> list[int]:
    env = simpy.Environment()
    seen = [0, 0]

    def producer(store: simpy.Store, delay: int) -> Body:
        for number in range(0, each, burst):
            yield env.timeout(delay)
            for step in range(burst):
                yield store.put(number + step)

    def consumer(store: simpy.Store) -> Body:
        while True:
            number = yield store.get()
            seen[0] += 1
            seen[1] += number

    for number in range(pairs):
        store = simpy.Store(env)
        env.process(producer(store, DELAYS[number % len(DELAYS)]))
        env.process(consumer(store))
    env.run()
    return [*seen, int(env.now)]
