"""Commands about sensor logs: `logs`, `pose`, `align`, `crosscheck`, `mcap`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.cli.analyse import GRAVE, check_picture, save
from kit.cli.app import CLEAN, FINDINGS
from kit.cli.output import array, grid, line, say, text
from kit.cli.sources import Json, Run, Sources, StoreFile, opened, require_run

if TYPE_CHECKING:
    from kit.table import Table

LOG_JSON = (
    "source_peer_id", "resource_id", "variant", "entries", "segments", "first_ts_ns", "last_ts_ns", "damage",
)  # fmt: skip
LOG_COLUMNS = (
    "source_peer_id", "resource_id", "kind", "entries", "segments", "rate_hz", "gaps", "clock_id", "first_ts_ns",
    "last_ts_ns", "damage",
)  # fmt: skip
POSE_COLUMNS = ("ts_ns", "tx", "ty", "tz", "qx", "qy", "qz", "qw", "extrapolated", "gap", "discontinuous")
FINDING_JSON = ("rule", "signal_id", "record_id", "log", "ts_ns", "detail")
FINDING_COLUMNS = ("severity", "rule", "log", "ts_ns", "detail")
SUFFIXES = (".parquet", ".csv")
SHOWN = 20
"""Rows that `align` shows where it writes no file."""

Clock = Annotated[
    str | None,
    typer.Option("--clock", metavar="C", help="A clock of the logs, as session/sdk_clock.", show_default=False),
]


def logs(
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    clock: Annotated[
        str | None,
        typer.Option("--clock", metavar="C", help="With --plot: all logs on this clock.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", help="Draw what they cover into this .png, .svg or .pdf.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List the sensor logs: entries, segments, span, rate, gaps and damage.

    Exit 1 where a log is damaged: entries that cannot be read, the cut tail of a segment among them. With --json one object a line.
    """
    check_picture(plot)
    if clock is not None and plot is None:
        raise typer.BadParameter("--clock says on which clock to draw: give --plot FILE too")
    with opened(sources, store) as (study, code):
        require_run(study, run)
        found = study.logs(run=run).rows()
        if plot is not None:
            from kit.plot import logs as draw

            save(draw(study.log_coverage(clock=clock, run=run), study.logs(run=run)), plot)
    if json:
        for row in found:
            line({name: row[name] for name in LOG_JSON})
    else:
        runs = len({row["run"] for row in found}) > 1
        grid(found, ("run", *LOG_COLUMNS) if runs else LOG_COLUMNS)
    raise typer.Exit(FINDINGS if any(row["damage"] for row in found) else code)


def pose(
    frame: Annotated[str, typer.Argument(metavar="FRAME", help="The frame that is looked for, as base_link.")],
    seen_from: Annotated[str, typer.Argument(metavar="SEEN_FROM", help="The frame it is seen from, as world.")],
    at: Annotated[list[int], typer.Option("--at", metavar="NS", help="An instant in nanoseconds; may be repeated.")],
    sources: Sources = None,
    clock: Clock = None,
    hold: Annotated[bool, typer.Option("--hold", help="Outside the samples, the nearest one.")] = False,
    store: StoreFile = None,
    run: Run = None,
    json: Json = False,
) -> None:
    """Tell where a frame is, seen from another: position and quaternion at each instant.

    Without --clock the instants are on the clock that the logs between the frames share.
    """
    for instant in at:
        if not -(1 << 63) <= instant < 1 << 63:
            raise typer.BadParameter(f"--at {instant}: nanoseconds are a signed 64-bit number")
    with opened(sources, store) as (study, code):
        require_run(study, run)
        found = study.pose(frame, seen_from, at=at, clock=clock, run=run, extrapolate="hold" if hold else "null").rows()
    if json:
        array(found)
    else:
        # Nanoseconds are copied to other commands: without separators.
        grid([{name: _exact(value) for name, value in row.items()} for row in found], POSE_COLUMNS)
    raise typer.Exit(code)


def _exact(value: Any) -> Any:
    """Return a number as text: whole ones without separators, others with six digits behind the point."""
    if isinstance(value, bool) or value is None:
        return value
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def align(
    base: Annotated[
        str,
        typer.Option("--base", metavar="B", help="A log, or signals or records: a row of it is a row of the answer."),
    ],
    others: Annotated[str, typer.Option("--others", metavar="A,B", help="Logs to put beside it, with commas.")],
    sources: Sources = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="The .parquet or .csv file; without it the first rows are shown.",
            show_default=False,
        ),
    ] = None,
    clock: Clock = None,
    method: Annotated[str, typer.Option("--method", help="nearest, previous or linear.")] = "nearest",
    tolerance_ns: Annotated[
        int | None,
        typer.Option(
            "--tolerance-ns", metavar="NS", min=0, help="Samples farther away do not belong.", show_default=False
        ),
    ] = None,
    store: StoreFile = None,
    run: Run = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file where it is there already.")] = False,
    json: Json = False,
) -> None:
    """Put beside each instant of a log, of signals or records what other logs have then."""
    from kit.errors import ArgumentError

    if out is not None and out.suffix.lower() not in SUFFIXES:
        raise ArgumentError(f"{str(out)!r}: a table goes into {' or '.join(SUFFIXES)}")
    chosen: Any = method
    with opened(sources, store) as (study, code):
        require_run(study, run)
        names = [name.strip() for name in others.split(",") if name.strip()]
        found = study.align(base, names, clock=clock, method=chosen, tolerance_ns=tolerance_ns, run=run)
        if out is not None:
            _write(found, out, overwrite)
    if json and out is None:
        array(found.rows())
    elif json:
        line({"path": str(out), "format": str(out.suffix.lower().lstrip(".")) if out else None, "rows": len(found)})
    elif out is not None:
        text(f"{out}: {len(found):,} rows")
    else:
        grid(found.arrow().slice(0, SHOWN).to_pylist(), found.columns)
        if len(found) > SHOWN:
            text(f"the first {SHOWN} of {len(found):,} rows; all with -o FILE or --json")
    raise typer.Exit(code)


def _write(found: "Table", out: Path, overwrite: bool) -> None:
    from kit.export import csv, parquet

    (parquet if out.suffix.lower() == ".parquet" else csv).write(found, out, overwrite=overwrite)


def crosscheck(
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    rules: Annotated[
        list[str] | None,
        typer.Option("--rule", metavar="ID", help="Only this rule; may be repeated.", show_default=False),
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(
            "--clock", metavar="C", help="The clock that is UTC, where several are declared.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Check what agents and records say against what the sensor logs show.

    Exit 1 for a finding of severity error or warning; the rules are in docs/sensors.md.
    """
    with opened(sources, store) as (study, code):
        require_run(study, run)
        found = study.crosscheck(rules or None, clock=clock, run=run).rows()
    if json:
        array({name: row[name] for name in FINDING_JSON} for row in found)
    else:
        grid([{**row, "ts_ns": row["ts_ns"] and str(row["ts_ns"])} for row in found], FINDING_COLUMNS)
        text(f"{len(found):,} findings")
    raise typer.Exit(FINDINGS if any(row["severity"] in GRAVE for row in found) else code)


def mcap(
    source: Annotated[
        Path, typer.Argument(metavar="SRC", help="A folder with logs, or an MCAP file that this command wrote.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="OUT", help="The new MCAP file; of a file, the new folder.")
    ],
    json: Json = False,
) -> None:
    """Write a recording as an MCAP file, a channel a log, or the recording in such a file as a folder, as it was.

    Exit 1 where the file is damaged, or has channels that are no logs: what else it holds is in the folder. Needs the extra
    robotics.
    """
    from kit.auki.mcap import pack, restore
    from kit.errors import ArgumentError

    left = []
    if source.is_file():
        if out.exists() and any(out.iterdir()):
            raise ArgumentError(f"{str(out)!r}: is not empty; give a new folder")
        left = restore(source, out)
    else:
        pack(source, out)
    for found in left:
        say(f"kit: {source}, byte {found.byte_offset:,}: {found.reason}: {found.detail}")
    if json:
        line({"path": str(out), "format": "folder" if source.is_file() else "mcap", "left": len(left)})
    else:
        text(str(out))
    raise typer.Exit(FINDINGS if left else CLEAN)
