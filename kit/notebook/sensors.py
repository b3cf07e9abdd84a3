"""What a `Study` answers about sensor logs, clocks and frames. Each method is a call into the layers below."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import kit
from kit.store.store import Store
from kit.table import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from kit.align.decode import Decoder
    from kit.align.join import Method, Others
    from kit.align.mapping import Utc
    from kit.align.paths import Paths
    from kit.auki.clock import Method as ClockMethod
    from kit.auki.clock_graph import ClockName
    from kit.auki.frame import FrameName
    from kit.auki.track import Extrapolate, Semantics
    from kit.crosscheck import Rule, Tolerances

STATE = "SELECT count(*), max(source_id), sum(lines), sum(rows) FROM sources"


class SensorVerbs(Store):
    """The verbs of the sensor family."""

    pose_semantics: "Semantics | dict[str, Semantics]" = "points"
    """What pose logs hold: "points" maps the points of a log's first frame to its second (spec/auki.md 5.2), "tf" is the
    pose of the second frame in the first, as ROS tf publishes it. One for all logs, or by resource id."""
    _joined: "tuple[object, dict[str | None, Paths]]" = (None, {})

    def logs(self, *, run: str | None = None) -> Table:
        """Return one row per log: entries, segments, span, rate, gaps, clock, damage; see `kit.align.overview`."""
        return Table(kit.align.log_overview(self, run), name="logs")

    def log_coverage(self, *, clock: "ClockName | None" = None, run: str | None = None) -> Table:
        """Return one row per stretch of a log without a gap, on the log's clock; with `clock`, all on that one."""
        found = kit.align.log_coverage(self, run)
        found = found if clock is None else kit.align.spans_on(self._paths(run), found, clock)
        return Table(kit.align.with_clock_names(found), name="coverage")

    def clocks(self, *, run: str | None = None) -> Table:
        """Return one row per clock log: drift in ppm, steps, uncertainty, longest pause."""
        return Table(kit.align.clock_reports(self._paths(run)), name="clocks")

    def clock_offsets(self, *, run: str | None = None) -> Table:
        """Return the samples of the clock logs, with how far each offset has come since the last step."""
        return Table(kit.align.clock_offsets(self._paths(run)), name="clock offsets")

    def convert_time(
        self,
        ts_ns: "ArrayLike",
        from_clock: "ClockName",
        to_clock: "ClockName",
        *,
        run: str | None = None,
        method: "ClockMethod" = "linear",
        extrapolate: bool = True,
    ) -> Table:
        """Return readings of one clock as readings of another; see `kit.align.convert_time`."""
        found = kit.align.convert_time(
            self._paths(run), ts_ns, from_clock, to_clock, method=method, extrapolate=extrapolate
        )
        return Table(found, name=f"{from_clock} to {to_clock}")

    def transform(
        self,
        from_frame: "FrameName",
        to_frame: "FrameName",
        *,
        at: "ArrayLike | str",
        clock: "ClockName | None" = None,
        run: str | None = None,
        extrapolate: "Extrapolate" = "null",
        max_gap_ns: int | None = None,
    ) -> Table:
        """Return the map of point coordinates from the first frame to the second: p_to = R p_from + t.

        For a point that is known in the one frame and wanted in the other. Where a frame is, is `pose`; see
        `kit.align.transform` for the columns, and for the two told apart. `at` may be a log by its name: then its entries are
        the instants, on its own clock.
        """
        options: dict[str, Any] = {"clock": clock, "extrapolate": extrapolate, "max_gap_ns": max_gap_ns}
        at, options["clock"] = kit.align.instants(self, at, clock, run)
        found = kit.align.transform(self._paths(run), from_frame, to_frame, at=at, **options)
        return Table(found, name=f"points of {from_frame} in {to_frame}")

    def pose(
        self,
        frame: "FrameName",
        seen_from: "FrameName",
        *,
        at: "ArrayLike | str",
        clock: "ClockName | None" = None,
        run: str | None = None,
        extrapolate: "Extrapolate" = "null",
        max_gap_ns: int | None = None,
    ) -> Table:
        """Return where the first frame is, seen from the second: `pose("base_link", "world")` is the robot on the map.

        It is the transform from `frame` to `seen_from`; see `kit.align.pose`. `at` may be a log by its name: then its entries
        are the instants, on its own clock.
        """
        options: dict[str, Any] = {"clock": clock, "extrapolate": extrapolate, "max_gap_ns": max_gap_ns}
        at, options["clock"] = kit.align.instants(self, at, clock, run)
        found = kit.align.pose(self._paths(run), frame, seen_from, at=at, **options)
        return Table(found, name=f"{frame} in {seen_from}")

    def transform_points(
        self,
        points: "ArrayLike",
        from_frame: "FrameName",
        to_frame: "FrameName",
        *,
        at: "ArrayLike",
        clock: "ClockName | None" = None,
        run: str | None = None,
        extrapolate: "Extrapolate" = "null",
    ) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """Return points of the first frame as points of the second, of shape (n, 3); see `kit.align.transform_points`."""
        options: dict[str, Any] = {"clock": clock, "extrapolate": extrapolate}
        return kit.align.transform_points(self._paths(run), points, from_frame, to_frame, at=at, **options)

    def align(
        self,
        base: Any,
        others: "Others",
        *,
        clock: "ClockName | Utc | None" = None,
        method: "Method | Mapping[str, Method]" = "nearest",
        tolerance_ns: int | Mapping[str, int] | None = None,
        run: str | None = None,
    ) -> Table:
        """Return for each instant of a log, of signals or records what other logs have then; see `kit.align.align`.

        `{"robot": ("base_link", "world")}` among `others` is where the robot is then.
        """
        options: dict[str, Any] = {"clock": clock, "method": method, "tolerance_ns": tolerance_ns}
        return Table(kit.align.align(self, self._paths(run), base, others, **options), name="aligned")

    def crosscheck(
        self,
        rules: "Sequence[str | Rule] | None" = None,
        *,
        clock: "ClockName | Utc | None" = None,
        tolerances: "Tolerances | None" = None,
        run: str | None = None,
    ) -> Table:
        """Return what agents and records say that sensors contradict; see `kit.crosscheck.crosscheck`."""
        found = kit.crosscheck.crosscheck(self, self._paths(run), rules, clock=clock, tolerances=tolerances)
        return Table(found, name="findings")

    def payload(
        self,
        log: str,
        seq: int,
        *,
        run: str | None = None,
        decode: bool = False,
        decoders: "Mapping[str, Decoder] | None" = None,
    ) -> Any:
        """Return the bytes of an image, sound, scan or detection from its file; with `decode` as an array or value.

        See `kit.align.payload` and `kit.align.decode`; `decoders` adds formats of your own.
        """
        if decode or decoders:
            return kit.align.decoded(self, log, seq, run, decoders)
        return kit.align.payload(self, log, seq, run)

    def _paths(self, run: str | None) -> "Paths":
        """Return what joins the clocks and frames of a run, kept until the store holds something else."""
        state = (tuple(self.execute(STATE)[0]), repr(self.pose_semantics))
        if self._joined[0] != state:
            self._joined = (state, {})
        held = self._joined[1]
        if run not in held:
            held[run] = kit.align.paths(self, run, pose_semantics=self.pose_semantics)
        return held[run]
