"""Commands that close the loop: `compare`, `calibrate`, `what-if`."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.cli.analyse import check_picture, save
from kit.cli.app import CLEAN, FINDINGS
from kit.cli.output import grid, line, text
from kit.cli.sources import Json, Run, Sources, StoreFile, code_of_store, open_store, opened, require_run

if TYPE_CHECKING:
    from kit.sim import Scenario

Plot = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw the answer into this .png, .svg or .pdf.", show_default=False),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="The seed; the same gives the same answer.")]


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="A capture, or with --store a run.")],
    b: Annotated[str, typer.Argument(metavar="B", help="What to compare it to.")],
    store: Annotated[
        Path | None, typer.Option("--store", metavar="F", help="A and B are runs of this store.", show_default=False)
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", metavar="SHARE", help="The false discovery rate that differences are held to.")
    ] = 0.05,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="How many differences to list.")] = 10,
    plot: Plot = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Compare two captures, or two runs of a store.

    Exit 1 where they differ by more than chance, at the false discovery rate --alpha.
    """
    from kit.compare import compare_runs
    from kit.notebook.study import Study

    check_picture(plot)
    code = CLEAN
    with ExitStack() as held:
        if store is not None:
            study = held.enter_context(open_store(store))
            require_run(study, a)
            require_run(study, b)
            found = compare_runs(study, study, run_a=a, run_b=b, alpha=alpha, seed=seed)
        else:
            sides: list[Study] = []
            for source in (a, b):
                side, bad = held.enter_context(opened([source], None))
                code = max(code, bad)
                sides.append(side)
            found = compare_runs(sides[0], sides[1], alpha=alpha, seed=seed, names=(Path(a).name, Path(b).name))
    if json:
        line(found.as_dict())
    else:
        text(repr(found))
        rows = [row for row in found.table().rows() if row["differs"]][:limit]
        if rows:
            text()
            grid(rows, ("part", "measure", "key", "a", "b", "low", "high", "q"))
    if plot is not None:
        from kit.plot import differences

        save(differences(found.table()), plot)
    raise typer.Exit(FINDINGS if found.differs else code)


def calibrate(
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the scenario as JSON.", show_default=False),
    ] = None,
    as_captured: Annotated[
        bool,
        typer.Option("--as-captured", help="Let requests come when they came, and fit the rest."),
    ] = False,
    plot: Plot = None,
    json: Json = False,
) -> None:
    """Fit a model of the namespace to a capture, and tell how well and what is unknown.

    The scenario that -o writes is one for kit what-if and kit simulate.
    """
    from kit.sim import calibrate as fit

    check_picture(plot)
    with opened(sources, store) as (study, code):
        require_run(study, run)
        made = fit(study, run=run, arrivals="captured" if as_captured else "fitted")
        code = max(code, code_of_store(study, run)) if store is None else code
    report = made.report
    if report is None:
        return
    if output is not None:
        output.write_text(made.to_json() + "\n", encoding="utf-8")
    if json:
        line(report.as_dict())
    else:
        text(repr(report))
    if plot is not None:
        from kit.plot import calibration

        save(calibration(report.curves()), plot)
    raise typer.Exit(code)


def what_if(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SRC", help="A capture to calibrate, a scenario (.json), or a shipped one (desk, market)."
        ),
    ],
    load: Annotated[float, typer.Option("--load", metavar="X", help="So many times the requests.")] = 1.0,
    remove: Annotated[
        list[str] | None,
        typer.Option("--remove", metavar="NEURON", help="Without it; may be repeated.", show_default=False),
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option(
            "--service", metavar="NEURON=X", help="So many times its service time; may be repeated.", show_default=False
        ),
    ] = None,
    workers: Annotated[
        list[str] | None,
        typer.Option(
            "--workers", metavar="NEURON=N", help="So many tasks at once; may be repeated.", show_default=False
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="SPAN",
            help="Virtual time of a run, 30s or 10m; without, that of the capture.",
            show_default=False,
        ),
    ] = None,
    precision: Annotated[
        float, typer.Option("--precision", metavar="SHARE", help="How well the means of p50 and p95 shall be known.")
    ] = 0.1,
    most: Annotated[int, typer.Option("--most", metavar="N", min=2, help="At most so many replications.")] = 40,
    plot: Plot = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Ask what other load, neurons or service times would do, with intervals."""
    check_picture(plot)
    scenario, code = _scenario(source)
    answer = scenario.what_if(
        load=load,
        remove=tuple(remove or ()),
        service=_pairs("--service", service, float),
        workers=_pairs("--workers", workers, int),
        until=until,
        precision=precision,
        least=min(6, most),
        most=most,
        seed=seed,
    )
    if json:
        line(answer.as_dict())
    else:
        text(repr(answer))
    if plot is not None:
        from kit.plot import what_if as drawn

        save(drawn(answer.table()), plot)
    raise typer.Exit(code)


def _scenario(source: str) -> "tuple[Scenario, int]":
    """Return the scenario that is meant, and the exit code of what had to be loaded for it."""
    from kit.sim import SCENARIOS, Scenario
    from kit.sim import calibrate as fit
    from kit.sim import scenario as shipped

    if source in SCENARIOS and not Path(source).exists():
        return shipped(source), CLEAN
    if source.endswith(".json"):
        return Scenario.load(source), CLEAN
    with opened([source], None) as (study, code):
        return fit(study), code


def _pairs(option: str, given: list[str] | None, kind: type) -> dict[str, Any]:
    """Return NAME=VALUE as a dictionary."""
    from kit.errors import ArgumentError

    found: dict[str, Any] = {}
    for pair in given or ():
        name, mark, value = pair.rpartition("=")
        try:
            if not (name and mark):
                raise ValueError
            found[name] = kind(value)
        except ValueError:
            raise ArgumentError(f"{option} {pair!r}: give NEURON=NUMBER, such as planner=2") from None
    return found
