"""The command line: `kit load`, `report`, `traces`, `trace`, `verify`, `threads`, `thread`, `check`, `sql`, `logs`,
`pose`, `align`, `crosscheck`, `mcap`, `export`, `share`, `demo`, `mock-kernel`,
`simulate`, `compare`, `calibrate`, `what-if`; see docs/cli.md.

Exit codes: 0 clean, 1 findings (lines in quarantine, a damaged source, a broken rule), 2 bad use, input or output.
Answers go to standard output, all else to standard error. What a command works with is imported when it runs.
"""

from kit.cli import analyse, compare, files, records, sensors, serve, share, shipped, simulate
from kit.cli.app import app, main

__all__ = ["app", "main"]

for _command in (
    files.load,
    files.report,
    analyse.traces,
    analyse.trace,
    records.verify,
    records.threads,
    records.thread,
    analyse.check,
    analyse.sql,
    sensors.logs,
    sensors.pose,
    sensors.align,
    sensors.crosscheck,
    sensors.mcap,
    files.export,
    share.share,
    shipped.demo,
    shipped.datasets,
    simulate.simulate,
    compare.compare,
    compare.calibrate,
):
    app.command()(_command)
app.command("what-if")(compare.what_if)
app.command("mock-kernel")(serve.mock_kernel)
app.add_typer(shipped.notebook, name="notebook")
