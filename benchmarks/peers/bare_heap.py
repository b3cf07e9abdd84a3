"""The least that can run generators in virtual time: a heap of (time, sequence, send) and a loop. It can do nothing else."""

from collections.abc import Generator
from heapq import heapify, heapreplace

from benchmarks.kernel import DELAYS


def timeouts(processes: int, events: int) -> list[int]:
    """See `benchmarks.kernel.timeouts`."""
    woken = [0]

    def process(delay: int) -> Generator[int, None, None]:
        while True:
            yield delay
            woken[0] += delay

    heap = [(number, number, process(DELAYS[number % len(DELAYS)]).send) for number in range(processes)]
    heapify(heap)
    sequence, now = processes, 0
    for _ in range(events + processes):
        now, _, send = heap[0]
        sequence += 1
        heapreplace(heap, (now + send(None), sequence, send))
    return [woken[0], now]
