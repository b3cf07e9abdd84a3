"""The account of a calibration: what was fitted, from how much, how well, and what could not be identified."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa

from kit.sim.fit.named import Fitted, Floats, Parameter, cumulative
from kit.table import Table

GRID = 120
"""Points of a curve."""


@dataclass(frozen=True)
class Part:
    """One part of the model: `what` of `name` (service of planner), what was chosen, and the curves of both.

    `x`, `seen` and `made` are the points of the distribution functions, in ms for times: the share of what was observed, and of
    the fitted distribution, that is at most x. A part that is a number has no curve.
    """

    what: str
    name: str
    chosen: str
    count: int
    parameters: tuple[Parameter, ...]
    why: str = ""
    x: tuple[float, ...] = ()
    seen: tuple[float, ...] = ()
    made: tuple[float, ...] = ()
    unit: str = ""
    fitted: Fitted | None = None

    @property
    def distance(self) -> float:
        """The greatest difference of the two curves, 0 without."""
        return max((abs(a - b) for a, b in zip(self.seen, self.made, strict=True)), default=0.0)


def part(what: str, name: str, fitted: Fitted, data: Floats, unit: str) -> Part:
    """Return the part of a fitted distribution with its curves; `data` is in `unit`, "ms" or "" for plain numbers."""
    inner = np.quantile(data, np.linspace(0.002, 0.998, GRID))
    x = np.unique(np.concatenate([[0.0], inner]))
    seen = np.searchsorted(np.sort(data), x, side="right") / len(data)
    made = cumulative(fitted.distribution, x)
    points = [tuple(float(v) for v in values) for values in (x, seen, made)]
    return Part(
        what,
        name,
        repr(fitted.distribution),
        fitted.count,
        fitted.parameters,
        fitted.why,
        points[0],
        points[1],
        points[2],
        unit,
        fitted,
    )


@dataclass(frozen=True)
class Unidentified:
    """Something that the capture does not tell: `assumed` is what the model does instead."""

    what: str
    name: str
    reason: str
    assumed: str


@dataclass(frozen=True)
class Calibration:
    """What a Scenario was calibrated from: its `parts`, what is `unidentified`, and what of the capture was `left_out`."""

    run: str
    signals: int
    requests: int
    seconds: float
    parts: tuple[Part, ...]
    unidentified: tuple[Unidentified, ...]
    left_out: tuple[str, ...]

    def __getitem__(self, key: tuple[str, str]) -> Part:
        """Return the part (what, name), such as ("service", "planner"); KeyError where there is none."""
        for found in self.parts:
            if (found.what, found.name) == key:
                return found
        raise KeyError(key)

    def table(self) -> Table:
        """Return a row per part: `what, name, chosen, count, distance, parameter, value, low, high, why`; intervals of 95%."""
        rows = []
        for item in self.parts:
            for told in item.parameters or (None,):
                rows.append(
                    {
                        "what": item.what,
                        "name": item.name,
                        "chosen": item.chosen,
                        "count": item.count,
                        "distance": round(item.distance, 4) if item.x else None,
                        "parameter": told and told.name,
                        "value": told and told.value,
                        "low": told and told.low,
                        "high": told and told.high,
                        "why": item.why,
                    }
                )
        return Table(pa.Table.from_pylist(rows, schema=SCHEMA), name="calibration")

    def curves(self) -> Table:
        """Return the points of all curves: `what, name, chosen, unit, x, seen, made`."""
        rows = [
            {"what": p.what, "name": p.name, "chosen": p.chosen, "unit": p.unit, "x": x, "seen": seen, "made": made}
            for p in self.parts
            for x, seen, made in zip(p.x, p.seen, p.made, strict=True)
        ]
        return Table(pa.Table.from_pylist(rows, schema=CURVES), name="curves")

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "run": self.run,
            "signals": self.signals,
            "requests": self.requests,
            "seconds": self.seconds,
            "parts": self.table().rows(),
            "unidentified": [vars(item) for item in self.unidentified],
            "left_out": list(self.left_out),
        }

    def _headline(self) -> str:
        return f"calibrated from run {self.run!r}: {self.signals:,} signals, {self.requests:,} requests in {self.seconds:,.1f} s"

    def __repr__(self) -> str:
        lines = [self._headline()]
        wide = max((len(f"{p.what} {p.name}") for p in self.parts), default=0)
        for item in self.parts:
            lines.append(f"  {f'{item.what} {item.name}':<{wide}}  {item.chosen}{_interval(item)}  (n {item.count:,})")
        if self.unidentified:
            lines.append("not identified:")
            lines += [f"  {u.what} {u.name}: {u.reason}; assumed: {u.assumed}" for u in self.unidentified]
        if self.left_out:
            lines.append("left out of the capture:")
            lines += [f"  {sentence}" for sentence in self.left_out]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "<tr><th>part</th><th>of</th><th>fitted</th><th>95% interval</th><th>n</th><th>distance</th></tr>"
        cells = "".join(
            _row(p.what, p.name, p.chosen, _interval(p).strip(), f"{p.count:,}", f"{p.distance:.3f}" if p.x else "")
            for p in self.parts
        )
        made = f"<p><b>{escape(self._headline())}</b></p><table>{head}{cells}</table>"
        if self.unidentified:
            open_ = "".join(_row(f"{u.what} {u.name}", u.reason, u.assumed) for u in self.unidentified)
            made += f"<p>Not identified</p><table><tr><th>what</th><th>why</th><th>assumed</th></tr>{open_}</table>"
        if self.left_out:
            made += f"<p>Left out of the capture</p><ul>{''.join(f'<li>{escape(s)}</li>' for s in self.left_out)}</ul>"
        return made


def _interval(item: Part) -> str:
    if not item.parameters:
        return ""
    told = item.parameters[0]
    unit = " /s" if told.name == "rate_per_s" else " ms" if item.unit == "ms" else ""
    return f"  [{told.low:.4g}, {told.high:.4g}]{unit}"


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"


def proportion(name: str, hits: int, count: int) -> Parameter:
    """Return a share with its 95% interval (Wilson 1927).

    >>> round(proportion("fails", 0, 100).high, 4)
    0.037
    """
    z2 = 1.959964**2
    share = hits / count
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = 1.959964 * ((share * (1 - share) + z2 / (4 * count)) / count) ** 0.5 / (1 + z2 / count)
    return Parameter(name, share, 0.0 if hits == 0 else middle - half, 1.0 if hits == count else middle + half)


def number(what: str, name: str, chosen: str, count: int, told: Parameter, why: str = "") -> Part:
    """Return a part that is a number."""
    return Part(what, name, chosen, count, (told,), why)


SCHEMA = pa.schema(
    [
        ("what", pa.string()), ("name", pa.string()), ("chosen", pa.string()), ("count", pa.int64()), ("distance", pa.float64()),
        ("parameter", pa.string()), ("value", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("why", pa.string()),
    ]
)  # fmt: skip
CURVES = pa.schema(
    [
        ("what", pa.string()), ("name", pa.string()), ("chosen", pa.string()), ("unit", pa.string()), ("x", pa.float64()),
        ("seen", pa.float64()), ("made", pa.float64()),
    ]
)  # fmt: skip
Parts = Mapping[tuple[str, str], Part]
