"""`SeekBar` and `Playing`: a player in the notebook, with a seek bar over the density of its events.

Whatever the mouse can do, a method does: `press(name)` for a button, `seek_bar.go(us)` for the bar. Clicks only put a command
into the queue of the owner thread (kit.widgets.owner), which moves the player; events are delivered by the thread of the
player itself, so a busy cell stops neither.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from html import escape
from typing import Any

import ipywidgets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import traitlets

from kit import palette
from kit.errors import ArgumentError, KitError, ViewClosedError
from kit.replay import Player
from kit.replay.content import counted
from kit.widgets.compose import compose
from kit.widgets.copy import STATIC
from kit.widgets.form import FormButton, FormReader, fill_in
from kit.widgets.owner import Owner
from kit.widgets.view import View

CSS = (STATIC / "panel.css").read_text(encoding="utf-8")
REFRESH_S = 0.1
"""Real time between two looks at a player that plays."""
FAMILIES = {
    "signals": (palette.BLUE, "signals"),
    "records": (palette.ORANGE, "records"),
    "logs": (palette.GREEN, "log entries"),
    "rows": (palette.PURPLE, "rows"),
}
RATES = {"0.1 ×": 0.1, "0.5 ×": 0.5, "1 ×": 1.0, "10 ×": 10.0, "100 ×": 100.0, "as fast as possible": float("inf")}
MOST_BREAKS = 500
"""Breakpoints that are drawn."""
LOST = "The kernel of this player is gone or was restarted. Run the cell again for a new one."


class SeekBar(View):
    """The density of events over time, a lane per family, and the place that is played; a press on it goes there."""

    _esm = compose("seek.js")

    start_us = traitlets.Float(0.0).tag(sync=True)
    end_us = traitlets.Float(0.0).tag(sync=True)
    now_us = traitlets.Float(0.0).tag(sync=True)
    """Where it stands, in microseconds since 1970."""
    breaks_us: Any = traitlets.List(traitlets.Float()).tag(sync=True)
    families: Any = traitlets.List().tag(sync=True)
    """Name, colour and label of each lane."""
    most: Any = traitlets.Dict().tag(sync=True)
    """The greatest count of a stretch, by family."""
    asked: Any = traitlets.List().tag(sync=True)
    """The time that a press asked for, and how many presses there were."""

    def __init__(self, player: Player, sought: Callable[[float], object], **traits: Any) -> None:
        self._player: Player | None = player
        density = player.density(160).arrow()
        names = density["family"].to_pylist()
        counts = density["events"].to_pylist()
        total = {name: sum(n for family, n in zip(names, counts, strict=True) if family == name) for name in FAMILIES}
        super().__init__(
            height=max(44 * len(set(names)) + 26, 84),
            start_us=player.start_ns / 1000,
            end_us=player.end_ns / 1000,
            now_us=player.now_ns / 1000,
            families=[
                [name, colour, f"{label} {total[name]:,}"] for name, (colour, label) in FAMILIES.items() if total[name]
            ],
            most={
                name: max([n for family, n in zip(names, counts, strict=True) if family == name], default=0)
                for name in FAMILIES
            },
            title=f"{counted(len(player), 'event')} to play",
            **traits,
        )
        self.observe(lambda change: sought(float(change["new"][0])) if change["new"] else None, "asked")

    def go(self, us: float) -> None:
        """Do what a press at a time does."""
        self.asked = [float(us), (self.asked[1] if self.asked else 0) + 1]

    def answer(self, name: str, params: Mapping[str, Any]) -> pa.Table:
        """Return the density in `bins` stretches: family, start_us, end_us, events."""
        if name != "density" or self._player is None:
            raise ArgumentError(f"a seek bar has no data called {name!r}")
        bins = int(params.get("bins") or 160)
        found = self._player.density(bins).arrow()
        width = (self.end_us - self.start_us) / bins
        start = self.start_us + np.asarray(found["bin"].to_numpy()) * width
        return pa.table(
            {
                "family": found["family"],
                "start_us": pa.array(start),
                "end_us": pa.array(start + width),
                "events": pc.cast(found["events"], pa.float64()),
            }
        )

    def _release(self) -> None:
        self._player = None


class Playing(ipywidgets.VBox):  # type: ignore[misc]
    """Play, pause, step and seek a player by hand. `Player.panel()` makes it.

    `close()` ends the thread of the panel and pauses the player, which stays usable. In a stored notebook a picture stands in
    for it.
    """

    def __init__(self, player: Player, *, picture: Callable[[], bytes] | None = None) -> None:
        self.player = player
        self._picture = picture
        self._message = ""
        self._moved = False
        self._owner: Owner[Callable[[], object]] = Owner(
            lambda command: command(), turn=self._turn, failed=self._failed, name="panel of a player"
        )
        self.seek_bar = SeekBar(player, lambda us: self._post(lambda: self._sought(us)))
        self._controls()
        lost = ipywidgets.HTML(LOST)
        lost.add_class("kit-lost")
        style = ipywidgets.HTML(f"<style>{CSS}</style>", layout=ipywidgets.Layout(display="none"))
        row = ipywidgets.HBox(
            [*self._buttons.values(), self._unit, self._rate, self._loop],
            layout=ipywidgets.Layout(flex_flow="row wrap"),
        )
        super().__init__([style, lost, self.seek_bar, row, self._state, self._reader])
        self.add_class("kit-panel")
        self._refresh()

    def _controls(self) -> None:
        def button(name: str, text: str, icon: str) -> FormButton:
            form = ("unit",) if name == "step" else ()
            layout = ipywidgets.Layout(width="auto")
            return FormButton(
                partial(self._clicked, name), self._reader, form, description=text, icon=icon, layout=layout
            )

        self._unit = ipywidgets.Dropdown(
            options=["event", "level", "trace"], description="Step by", layout=ipywidgets.Layout(width="170px")
        )
        self._reader = FormReader({"unit": self._unit})
        self._buttons = {
            "play": button("play", "Play", "play"),
            "pause": button("pause", "Pause", "pause"),
            "step": button("step", "Step", "step-forward"),
            "start": button("start", "To the start", "fast-backward"),
        }
        at = next((name for name, rate in RATES.items() if rate == self.player.rate), None)
        rates = RATES if at is not None else {f"{self.player.rate:g} ×": self.player.rate, **RATES}
        self._rate = ipywidgets.Dropdown(
            options=list(rates.items()),
            value=self.player.rate,
            description="Rate",
            layout=ipywidgets.Layout(width="230px"),
        )
        self._loop = ipywidgets.Checkbox(value=bool(self.player.loop), description="Loop", indent=False)
        self._reader.beside = [*self._buttons.values(), self._unit, self._rate, self._loop]
        self._state = ipywidgets.HTML()
        self._rate.observe(lambda change: self._post(lambda: self._set_rate(change["new"])), "value")
        self._loop.observe(lambda change: self._post(lambda: self._set_loop(change["new"])), "value")
        self._deeds: dict[str, Callable[[], object]] = {
            "play": self._play,
            "pause": self.player.pause,
            "step": lambda: self.player.step(by=self._unit.value),
            "start": lambda: self.player.seek(0),
        }

    # What a click does

    def _clicked(self, name: str, fields: Mapping[str, Any]) -> None:
        """A button was used, on whatever thread."""
        if "unit" in fields:
            fill_in(self._unit, fields["unit"])
        self._post(self._deeds[name])

    def press(self, name: str) -> None:
        """Do what a click on a button does: play, pause, step or start; returns when it is done."""
        if name not in self._deeds:
            raise ArgumentError(f"press({name!r}): the buttons are {', '.join(self._deeds)}")
        self._owner.call(self._deeds[name])
        self.settle()

    def settle(self, timeout_s: float = 30) -> bool:
        """Wait until every click is carried out; while it plays, only until it plays."""
        with suppress(ViewClosedError):
            self._owner.call(self._refresh)
        return self.seek_bar.settle(timeout_s)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the player stands still; False where it plays on after `timeout_s`."""
        done = self.player.wait(timeout_s)
        self.settle()
        return done

    def _play(self) -> None:
        if self.player.position >= len(self.player) and not self.player.loop:
            self.player.seek(0)
        self.player.play()

    def _sought(self, us: float) -> None:
        ns = min(max(round(us * 1000), self.player.start_ns), self.player.end_ns)
        self.player.seek((ns - self.player.start_ns) / 1e9)

    def _set_rate(self, rate: float) -> None:
        self.player.rate = rate

    def _set_loop(self, on: bool) -> None:
        self.player.loop = on

    def _post(self, command: Callable[[], object]) -> None:
        with suppress(ViewClosedError):  # a last click may cross the closing
            self._message = ""
            self._owner.post(command)

    # On the thread of the owner

    def _turn(self) -> float | None:
        playing = self.player.playing
        self._refresh()
        return REFRESH_S if playing else None

    def _failed(self, _: object, error: BaseException) -> None:
        self._message = str(error) if isinstance(error, KitError) else f"{type(error).__name__}: {error}"
        self._refresh()

    def _refresh(self) -> None:
        player, bar = self.player, self.seek_bar
        bar.now_us = player.now_ns / 1000
        chosen = [known.positions for known in player.breakpoints if known.positions is not None]
        places = np.unique(np.concatenate([np.array([], np.int64), *chosen]))[:MOST_BREAKS]
        breaks = [int(player.timeline.due[place]) / 1000 for place in places]
        if breaks != bar.breaks_us:
            bar.breaks_us = breaks
        text = self._text()
        if self._state.value != text:
            self._state.value = text
        self._buttons["play"].disabled = player.playing
        self._buttons["pause"].disabled = not player.playing

    def _text(self) -> str:
        player = self.player
        state = "playing" if player.playing else f"stopped: {player.stopped}" if player.stopped else "ready"
        lag = (
            f", {player.lag_s * 1000:,.1f} ms behind (at most {player.most_lag_s * 1000:,.1f})"
            if player.most_lag_s
            else ""
        )
        coming = player.next
        then = "" if coming is None else f"; next: {coming.kind} {coming.actor or ''} {coming.id}"
        lines = [f"{player.position:,} of {len(player):,} events{lag}; {state}{then}", *player.notes]
        if self._message:
            lines.append(self._message)
        return "<br>".join(escape(line) for line in lines)

    def close(self) -> None:
        """Pause the player, end the thread, and close every control; harmless when repeated."""
        if not self._owner.closed:
            self.player.pause()
            self._owner.close()
            self.seek_bar.close()
            for child in [*self._buttons.values(), self._unit, self._rate, self._loop, self._state]:
                child.close()
        super().close()

    # Without a front end

    def __repr__(self) -> str:
        return repr(self.player)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        bundle, metadata = made if isinstance(made, tuple) else (made, {})
        twin = {} if self._picture is None else {"image/png": self._picture()}
        return {**(bundle or {}), "text/plain": repr(self.player), **twin}, metadata
