"""Virtual time: a heap of what happens next, with callbacks, generators and coroutines on it.

    kernel = Kernel(seed=7, unit="us")

    def worker(jobs):
        while True:
            job = yield jobs.get()          # wait for an item
            yield 250                       # wait 250 units of virtual time

    jobs = kernel.queue()
    kernel.spawn(worker(jobs))
    kernel.call(1000, jobs.put, "first")    # a callback
    kernel.run(until=5000)

Time is a whole number of units. What happens is ordered by (time, sequence): of two things due at the same time
the one that was scheduled first goes first, so the same program and seed give the same run. A process is a
generator that yields, or a coroutine that awaits, a delay (`yield 250`, `await kernel.sleep(250)`), an `Event`,
another `Process`, `queue.get()`, `queue.put(x)` or `kernel.wait_any(...)`; where that has happened already it goes
on at once. The kernel belongs to one thread;
`post` is the entry for all others. No wall clock is read.

The run loop keeps the running item at the top of the heap and replaces it in place, which saves a pop and a push
per delay; and an item that is no longer wanted stays in the heap with its `Wake` switched off, which costs
living items nothing.
"""

from kit.kernel.event import Event, Process, Scheduled
from kit.kernel.loop import Kernel, Port
from kit.kernel.queue import Queue

__all__ = ["Event", "Kernel", "Port", "Process", "Queue", "Scheduled"]
