"""namespace-kit: captured agent signals as tables, trace DAGs and pictures.

    import kit

    study = kit.load("my.jsonl")      # or kit.open("study.duckdb") and study.load(...)
    study.traces()                    # one row per trace, failed and slow first
    study.trace("trc_...").plot()     # the DAG of one of them
    study.sql("select type, count(*) from signals group by all order by all")

Names are imported when they are first used, so that `import kit` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit import (
        align,
        auki,
        compare,
        cosmonapse,
        crosscheck,
        datasets,
        errors,
        export,
        palette,
        plot,
        replay,
        sim,
        syncropel,
        trace,
        widgets,
    )
    from kit.errors import KitError
    from kit.ids import seeded
    from kit.io.report import LoadReport
    from kit.notebook.demo import demo
    from kit.notebook.namespace import Namespace
    from kit.notebook.regression import assert_replays
    from kit.notebook.replay import Player, Replay
    from kit.notebook.study import Study
    from kit.notebook.study import load_study as load
    from kit.notebook.study import open_study as open
    from kit.notebook.thread import Thread
    from kit.notebook.trace import Trace
    from kit.table import Table

__version__ = "0.1.0"

__all__ = [
    "KitError",
    "LoadReport",
    "Namespace",
    "Player",
    "Replay",
    "Study",
    "Table",
    "Thread",
    "Trace",
    "align",
    "assert_replays",
    "auki",
    "compare",
    "cosmonapse",
    "crosscheck",
    "datasets",
    "demo",
    "errors",
    "export",
    "load",
    "open",
    "palette",
    "plot",
    "replay",
    "seeded",
    "sim",
    "syncropel",
    "trace",
    "widgets",
]

_NAMES = {
    "KitError": ("kit.errors", "KitError"),
    "LoadReport": ("kit.io.report", "LoadReport"),
    "Namespace": ("kit.notebook.namespace", "Namespace"),
    "Player": ("kit.notebook.replay", "Player"),
    "Replay": ("kit.notebook.replay", "Replay"),
    "Study": ("kit.notebook.study", "Study"),
    "Table": ("kit.table", "Table"),
    "Thread": ("kit.notebook.thread", "Thread"),
    "Trace": ("kit.notebook.trace", "Trace"),
    "assert_replays": ("kit.notebook.regression", "assert_replays"),
    "demo": ("kit.notebook.demo", "demo"),
    "load": ("kit.notebook.study", "load_study"),
    "open": ("kit.notebook.study", "open_study"),
    "seeded": ("kit.ids", "seeded"),
}
_MODULES = {
    "align",
    "auki",
    "compare",
    "cosmonapse",
    "crosscheck",
    "datasets",
    "errors",
    "export",
    "palette",
    "plot",
    "replay",
    "sim",
    "syncropel",
    "trace",
    "widgets",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"kit.{name}")
    if name in _NAMES:
        module, attribute = _NAMES[name]
        value = getattr(import_module(module), attribute)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'kit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
