"""Functions of scenarios that go wrong, by the seed of the run."""

import os
import signal
import time
from typing import Any


def by_seed(namespace: Any) -> None:
    """Fail at a time of the run: seed 1 raises, 2 kills its process, 3 hangs, 4 prints; others do nothing."""

    def trouble() -> None:
        if namespace.seed == 1:
            raise RuntimeError("no more\nof this")
        if namespace.seed == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        if namespace.seed == 3:
            time.sleep(120)
        print("[[not an answer]]")

    namespace.synapse.kernel.call(1_000_000, trouble)


def slowly(namespace: Any) -> None:
    """Take real time in each virtual second."""

    def tick() -> None:
        time.sleep(0.05)
        if not namespace.over:
            namespace.synapse.kernel.call(1_000_000, tick)

    namespace.synapse.kernel.call(1_000_000, tick)
