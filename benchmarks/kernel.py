"""Models for the kernel beside its peers (`peers/bare_heap.py`, `peers/simpy_models.py`): timeouts, and messages.

Every model takes the same numbers and returns what happened, so that the peers can be held to the same answer.
"""

from collections.abc import Generator
from typing import Any

from kit.kernel import Kernel, Queue

DELAYS = (7, 11, 13, 17, 19, 23)

Body = Generator[Any, Any, None]


def timeouts(processes: int, events: int) -> list[int]:
    """Processes that only wait, each for a delay of its own, until that many delays are over; the sum of wakes and the time."""
    kernel = Kernel()
    woken = [0]

    def process(delay: int) -> Body:
        while True:
            yield delay
            woken[0] += delay

    for number in range(processes):
        kernel.spawn(process(DELAYS[number % len(DELAYS)]), "process", delay=number)
    kernel.run(events=events + processes)
    return [woken[0], kernel.now]


def messages(pairs: int, each: int) -> list[int]:
    """Producers and consumers over queues, a delay and a message in turn; how many came, their sum, and the time."""
    kernel = Kernel()
    seen = [0, 0]

    def producer(queue: Queue, delay: int) -> Body:
        for number in range(each):
            yield delay
            yield queue.put(number)

    def consumer(queue: Queue) -> Body:
        while True:
            number = yield queue.get()
            seen[0] += 1
            seen[1] += number

    for number in range(pairs):
        queue = kernel.queue()
        kernel.spawn(producer(queue, DELAYS[number % len(DELAYS)]), "producer")
        kernel.spawn(consumer(queue), "consumer")
    kernel.run()
    return [*seen, kernel.now]


def bursts(pairs: int, each: int) -> list[int]:
    """As `messages`, but ten messages after each delay: the store itself, not the clock, is what counts."""
    kernel = Kernel()
    seen = [0, 0]

    def producer(queue: Queue, delay: int) -> Body:
        for number in range(0, each, 10):
            yield delay
            for step in range(10):
                yield queue.put(number + step)

    def consumer(queue: Queue) -> Body:
        while True:
            number = yield queue.get()
            seen[0] += 1
            seen[1] += number

    for number in range(pairs):
        queue = kernel.queue()
        kernel.spawn(producer(queue, DELAYS[number % len(DELAYS)]), "producer")
        kernel.spawn(consumer(queue), "consumer")
    kernel.run()
    return [*seen, kernel.now]
