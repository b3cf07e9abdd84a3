"""`Namespace`: the simulated namespace as a notebook user holds it."""

from html import escape
from typing import TYPE_CHECKING, Any, Self, cast

from kit.sim.namespace import Namespace as SimulatedNamespace
from kit.sim.scenario import Scenario
from kit.sim.shipped import scenario as shipped

if TYPE_CHECKING:
    from kit.widgets.panel import Panel


class Namespace(SimulatedNamespace):
    """A simulated namespace; see `kit.sim.Namespace`. In a notebook it shows who is there, and has a panel."""

    _panel: "Panel | None" = None

    @classmethod
    def from_scenario(cls, scenario: Scenario | str, seed: int | str | None = None, **options: Any) -> Self:
        """Return a new namespace of a scenario, or of a shipped one by its name, such as `desk`."""
        wanted = shipped(scenario) if isinstance(scenario, str) else scenario
        made: Any = wanted.namespace(seed, make=cls, **options)
        return cast("Self", made)

    def panel(self) -> "Panel":
        """Return the control panel of this namespace, and start it; the same panel each time until it is closed."""
        from kit.widgets.panel import Panel

        if self._panel is None or self._panel.closed:
            self._panel = Panel(self)
        return self._panel

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
