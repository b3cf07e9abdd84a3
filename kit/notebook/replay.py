"""`Player` and `Replay` as a notebook user holds them, and what a `Study` has of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import replay as replaying
from kit.replay.counterfactual import Miss, Neurons
from kit.store.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kit.sim import Axon
    from kit.widgets.player import Playing


class Player(replaying.Player):
    """Plays captured events into a sink; see `kit.replay.Player`. In a notebook it shows its timeline."""

    def plot(self, **options: Any) -> "Figure":
        """Return the density of events over time, and where the player stands; options as for `kit.plot.timeline`."""
        from kit import plot

        chosen = [known.positions for known in self.breakpoints if known.positions is not None]
        breaks = self.timeline.due[np.unique(np.concatenate(chosen))] if chosen else ()
        given = {"end_ns": self.end_ns, "now_ns": self.now_ns, "breaks_ns": breaks, **options}
        return plot.timeline(self.density(), **given)

    def panel(self) -> "Playing":
        """Return controls for a notebook: a seek bar over the density of events, play, pause, step, rate, loop."""
        from kit.widgets.player import Playing

        return Playing(self, picture=lambda: self.plot()._repr_png_())


class Replay(replaying.Replay):
    """What new neurons made of captured tasks; see `kit.replay.Replay`."""

    def plot(self, trace: str | None = None, *, every: bool = False, **options: Any) -> "Figure":
        """Return where a trace parts first, captured beside replayed; of the first that parts, without an id.

        `every` draws all tasks of the trace; other options as for `kit.plot.divergence`.
        """
        from kit import plot

        return plot.divergence(self.steps(trace, every=every), **options)


class ReplayVerbs(Store):
    """The verbs that do a capture again."""

    def player(self, source: Any = None, **options: Any) -> Player:
        """Return a Player of all that is here, or of `source`: SQL, a table, a trace, a thread, a log, or a list of them.

        Options as for `kit.replay.Player`: sink, rate, run, loop, clock, utc.
        """
        return Player(self if source is None else source, store=self, **options)

    def replay(
        self,
        neurons: "Neurons | Callable[..., Any] | Axon",
        *,
        run: str | None = None,
        traces: Sequence[str] | None = None,
        miss: Miss = "stop",
        live: Mapping[str, Any] | None = None,
        context: Callable[[str], Any] | None = None,
        ignore: Sequence[str] = (),
        seed: int | str = 0,
    ) -> Replay:
        """Return what new neurons make of the captured tasks, and where they part; see `kit.replay.replay`."""
        made = replaying.replay(
            self, neurons, run=run, traces=traces, miss=miss, live=live, context=context, ignore=ignore, seed=seed
        )
        return Replay(**{item.name: getattr(made, item.name) for item in fields(made)})
