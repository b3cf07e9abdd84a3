"""`Namespace`: the simulated namespace as a notebook user holds it."""

from html import escape
from typing import Any

from kit.sim.namespace import Namespace as SimulatedNamespace


class Namespace(SimulatedNamespace):
    """A simulated namespace; see `kit.sim.Namespace`. In a notebook it shows who is there."""

    def _members(self) -> list[tuple[str, str, str]]:
        """Return name, role and capabilities or kind of everybody."""
        found: list[tuple[str, str, str]] = []
        for node in self.dendrites.values():
            found += [(name, "neuron", ", ".join(axon.capabilities)) for name, axon in node.axons.items()]
            found += [(name, "engram", engram.engram_kind) for name, engram in node.engrams.items()]
            found += [(name, "effector", effector.effector_kind) for name, effector in node.effectors.items()]
        return found

    def _repr_html_(self) -> str:
        cells: Any = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in self._members()
        )
        head = "<tr><th>name</th><th>role</th><th>capabilities or kind</th></tr>"
        return f"<p><b>{escape(repr(self)[1:-1])}</b></p><table>{head}{cells}</table>"
