"""A bus with Dendrites on it, for tests of the simulator."""

from collections.abc import Coroutine
from typing import Any

from kit.sim import Axon, Dendrite, Envelope, Synapse


async def echo(input: Any, context: Any) -> Any:
    return {"echo": input}


class Stage:
    """A bus with a worker, an orchestrator and what they sent."""

    def __init__(self, **options: Any) -> None:
        self.bus = Synapse(seed=7, **options)
        self.o = self.node("o", role="orchestrator")

    def node(self, name: str, *axons: Axon, role: str = "worker", **options: Any) -> Dendrite:
        made = Dendrite(synapse=self.bus, dendrite_id=name, role=role, **options)
        for axon in axons:
            made.attach_axon(axon)
        return made

    def run(self, body: Coroutine[Any, Any, Any], *nodes: Dendrite) -> Any:
        for node in (*nodes, self.o):
            node.begin()
        return self.bus.run(body)

    def sent(self, *kinds: str) -> list[Envelope]:
        return [row for row in self.bus.tape.rows if row.kind in kinds]


def axon(name: str, capabilities: str = "", fn: Any = echo, **options: Any) -> Axon:
    return Axon(neuron_id=name, neuron_fn=fn, capabilities=list(capabilities), **options)
