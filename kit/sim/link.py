"""Links between Dendrites: how long a delivery takes, and what becomes of it on the way."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from kit.sim.distribution import Distribution
from kit.sim.envelope import Envelope

if TYPE_CHECKING:
    from kit.sim.node import Node
    from kit.sim.synapse import Synapse

Fate = Callable[[Envelope, "Node"], "list[int] | None"]
"""What a fault makes of a delivery: the extra microseconds of each copy, none for a loss; None for no matter."""


class Links:
    """All links of a bus. A link keeps its order, unless a fault breaks it."""

    def __init__(self, synapse: "Synapse", latency: Distribution | None) -> None:
        self._synapse = synapse
        self._latency = latency
        self._draws: dict[tuple[str, str], Callable[[], float]] = {}
        self._last: dict[tuple[str, str], int] = {}
        self.fates: list[Fate] = []
        """Faults at work, each asked about every delivery."""

    @property
    def plain(self) -> bool:
        """Whether a signal reaches all its receivers at once and safely."""
        return self._latency is None and not self.fates

    def carry(self, envelope: Envelope, node: "Node") -> None:
        """Bring a signal to a receiver, late, several times or never."""
        key = (envelope.sender.dendrite_id, node.dendrite_id)
        kernel = self._synapse.kernel
        delay = self._delay(key)
        extra: list[int] = [0]
        for fate in self.fates:
            made = fate(envelope, node)
            if made is not None:
                extra = [one + more for one in extra for more in made]
        for more in extra:
            if more == 0:
                due = max(kernel.now + delay, self._last.get(key, 0))
                self._last[key] = due
                kernel.call(due - kernel.now, node.receive, envelope)
            else:
                kernel.call(delay + more, node.receive, envelope)

    def _delay(self, key: tuple[str, str]) -> int:
        """Return the microseconds of this delivery; a Dendrite reaches itself at once."""
        if self._latency is None or key[0] == key[1]:
            return 0
        draw = self._draws.get(key)
        if draw is None:
            rng = random.Random(f"{self._synapse.seed}/link/{key[0]}/{key[1]}")
            draw = self._draws[key] = self._latency.sampler(rng)
        return round(draw() * 1e6)
