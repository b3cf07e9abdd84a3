"""The command `replay`: play a capture into a file, a bus or standard output, or hold new neurons against it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.cli.analyse import check_picture, save
from kit.cli.app import FINDINGS
from kit.cli.output import line, printable, say, text
from kit.cli.sources import Json, Run, Sources, StoreFile, opened, require_run

if TYPE_CHECKING:
    from kit.notebook.replay import Replay
    from kit.notebook.study import Study


def replay(
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    neuron: Annotated[
        list[str] | None,
        typer.Option(
            "--neuron",
            metavar="NAME=FILE.py:FUNCTION",
            help="Hold this function against what the neuron did; may be repeated. It runs the file.",
            show_default=False,
        ),
    ] = None,
    trace: Annotated[
        str | None, typer.Option("--trace", metavar="ID", help="Only this trace.", show_default=False)
    ] = None,
    rate: Annotated[
        str, typer.Option("--rate", metavar="R", help="Seconds of the capture in a second; max for as fast as possible.")
    ] = "max",
    to: Annotated[
        str | None,
        typer.Option(
            "--to", metavar="TARGET", help="A file to append to, cosmo://127.0.0.1:7070 for a live bus, - for standard output.",
            show_default=False,
        ),
    ] = None,
    namespace: Annotated[str, typer.Option("--namespace", metavar="NS", help="Namespace on the bus.")] = "dev",
    stop_at: Annotated[
        str | None,
        typer.Option("--stop-at", metavar="SQL", help="Stop before the first event this is true for.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", help="Draw where the first trace parts, or the timeline, into this .png, .svg or .pdf.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:  # fmt: skip
    """Play a capture again, causes first; or, with --neuron, say where a new function parts from it.

    With --neuron the exit code is 1 where a trace parts.
    """
    from kit.errors import ArgumentError

    check_picture(plot)
    if to == "-" and json:
        raise ArgumentError("--to - and --json both want standard output; play into a file")
    with opened(sources, store) as (study, code):
        require_run(study, run)
        if neuron:
            code = max(code, _held(study, neuron, run, trace, plot, json))
        else:
            _played(study, run, trace, rate, to, namespace, stop_at, plot, json)
    raise typer.Exit(code)


def _held(study: "Study", neurons: list[str], run: str | None, trace: str | None, plot: Path | None, json: bool) -> int:
    found = study.replay(
        dict(_function(given) for given in neurons), run=run, traces=None if trace is None else [trace]
    )
    _print(found, json)
    if plot is not None and found.first is not None:
        save(found.plot(), plot)
    return 0 if found.agrees else FINDINGS


def _print(found: "Replay", json: bool) -> None:
    if json:
        line(found.as_dict())
    else:
        text(repr(found))


def _function(given: str) -> tuple[str, Any]:
    """Return name and function of `coder=agent.py:coder`; the name may be left out."""
    import runpy

    from kit.errors import ArgumentError

    name, equals, place = given.rpartition("=")
    path, colon, function = place.rpartition(":")
    if not colon or not path.endswith(".py"):
        raise ArgumentError(f"--neuron {given!r}: give NAME=FILE.py:FUNCTION, as coder=agent.py:coder")
    made = runpy.run_path(path)
    if not callable(made.get(function)):
        known = ", ".join(sorted(key for key, value in made.items() if callable(value) and not key.startswith("_")))
        raise ArgumentError(f"{path} has no function {function!r}; it has {known or 'none'}")
    return (name if equals else function), made[function]


def _played(
    study: "Study", run: str | None, trace: str | None, rate: str, to: str | None, namespace: str, stop_at: str | None,
    plot: Path | None, json: bool,
) -> None:  # fmt: skip
    from kit import replay as replaying
    from kit.errors import ArgumentError

    try:
        pace = float("inf") if rate == "max" else float(rate)
    except ValueError:
        raise ArgumentError(f"--rate {rate!r}: give a number, or max") from None
    sink: Any = None
    if to == "-":
        sink = _print_line
    elif to is not None and to.startswith("cosmo://"):
        sink = replaying.Bus(to, namespace=namespace)
    elif to is not None:
        sink = replaying.File(to)
    source = None if trace is None else study.trace(trace, run=run)
    with study.player(source, sink=sink, rate=pace, run=run) as player:
        if stop_at is not None:
            player.break_on(stop_at)
        player.run()
        if plot is not None:
            save(player.plot(), plot)
        told = {
            "events": len(player), "played": player.position, "skipped": player.sink.skipped, "stopped": player.stopped,
            "held_back": len(player.held()), "most_lag_s": player.most_lag_s, "notes": list(player.notes),
        }  # fmt: skip
    if json:
        line(told)
    elif to == "-":
        say(f"kit: {told['played']:,} of {told['events']:,} events, stopped: {told['stopped']}")
    else:
        text(repr(player))


def _print_line(event: Any) -> None:
    if event.text is not None:
        sys.stdout.write((printable(event.text) if sys.stdout.isatty() else event.text) + "\n")
