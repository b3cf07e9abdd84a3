"""Commands that serve until they are interrupted: `mock-kernel`."""

import time
from typing import Annotated

import typer

from kit.cli.output import line, say, text
from kit.cli.sources import Json


def mock_kernel(
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 9100,
    plain: Annotated[
        bool, typer.Option("--plain", help="Only what the published mock can: no repeats, windows, queries, streams.")
    ] = False,
    json: Json = False,
) -> None:
    """Serve a Syncropel kernel in memory, to this machine only, until Ctrl-C.

    What it was given is gone at the end.
    """
    from kit.syncropel.testing import MockKernel

    kernel = MockKernel() if plain else MockKernel.full()
    with kernel.serve(port) as served:
        if json:
            line({"url": served.url, "port": served.port})
        else:
            text(f"A Syncropel kernel in memory answers on {served.url}. Ctrl-C ends it.")
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            say(f"kit: ended with {kernel.count():,} records in {len(kernel.threads):,} threads")
