"""The command `simulate`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from kit.cli.output import line, say, text
from kit.cli.sources import Json


def simulate(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A shipped scenario (desk, market), or a file of JSON.")
    ],
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            help="The seed; the same gives the same bytes. By default the scenario's.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="SPAN",
            help="Virtual time to run for: 30s, 10m. By default the scenario's.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Write the signals as lines of JSON; - for standard output."
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Import the modules whose functions a file names. It can then run any code.")
    ] = False,
    json: Json = False,
) -> None:
    """Simulate a namespace, and write its signals as a tap on the bus would have."""
    from kit.errors import ArgumentError
    from kit.sim import SCENARIOS, Scenario
    from kit.sim import scenario as shipped

    if output == "-" and json:
        raise ArgumentError("-o - and --json both want standard output; write the signals to a file")
    is_file = scenario not in SCENARIOS and (scenario.endswith(".json") or Path(scenario).exists())
    run = (Scenario.load(scenario) if is_file else shipped(scenario)).run(seed, until, trust=trust)
    if output == "-":
        for written in run.lines():
            sys.stdout.write(written + "\n")
        say(f"kit: {len(run):,} signals, digest {run.digest}")
        return
    if output is not None:
        run.save(output)
    if json:
        line({"signals": len(run), "events": run.events, "virtual_s": run.virtual_s, "digest": run.digest})
    else:
        text(repr(run))
