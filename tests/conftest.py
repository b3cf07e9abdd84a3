"""Options and fixtures of all tests.

Tests run in an odd time zone, so that a local time that slips into a table shows, and without a display. Property tests
try a fifth of their examples, the same ones on each run; KIT_THOROUGH=1, which `make test-long` sets, has them try all.
"""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from postgres_server import PostgresServer

os.environ["TZ"] = "America/St_Johns"
os.environ["MPLBACKEND"] = "Agg"
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in what a shell runs in the background: tests that press Ctrl-C would wait for ever.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(time, "tzset"):
    time.tzset()

THOROUGH = bool(os.environ.get("KIT_THOROUGH"))
FEWEST, QUICK_EXAMPLES = 3, 20
SLOW = Path(__file__).parent / "slow.txt"
"""The tests that `make check` leaves out, without their parameters: those that took SLOW_S or longer when last noted."""
SLOW_S = 0.07

hypothesis.settings.register_profile("kit", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("kit")

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked long as well")
    parser.addoption("--quick", action="store_true", help="leave out the tests that tests/slow.txt names")
    parser.addoption("--note-slow", action="store_true", help="write tests/slow.txt anew from how long tests take")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked long, unless `--long` is given or `-m` speaks of it; a quick run tries fewer examples."""
    if not THOROUGH:
        for item in items:
            cap_examples(item)
    if not (config.option.long or "long" in config.option.markexpr.split()):
        leave_out(config, items, lambda item: "long" in item.keywords)
    if config.option.quick:
        slow = set(SLOW.read_text("utf-8").split("\n"))
        leave_out(config, items, lambda item: function_of(item.nodeid) in slow)


def leave_out(config: pytest.Config, items: list[pytest.Item], unwanted: Callable[[pytest.Item], bool]) -> None:
    """Deselect the tests that are unwanted."""
    left_out = [item for item in items if unwanted(item)]
    items[:] = [item for item in items if not unwanted(item)]
    config.hook.pytest_deselected(items=left_out)


def function_of(nodeid: str) -> str:
    """Return the id of a test without what its parameters are, and without the name of its group."""
    return nodeid.partition("[")[0].partition("@")[0]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """With `--note-slow`, write which tests take SLOW_S or longer, and keep those that were not in this run."""
    if not config.option.note_slow:
        return
    took: dict[str, float] = defaultdict(float)
    for report in (one for reports in terminalreporter.stats.values() for one in reports):
        if isinstance(report, pytest.TestReport):
            took[report.nodeid] += report.duration
    ran = {function_of(nodeid) for nodeid in took}
    slow = {function_of(nodeid) for nodeid, seconds in took.items() if seconds >= SLOW_S}
    before = SLOW.read_text("utf-8").split() if SLOW.exists() else []
    SLOW.write_text("\n".join(sorted(slow | (set(before) - ran))) + "\n", "utf-8")


def cap_examples(item: pytest.Item) -> None:
    """Let a property test try a fifth of the examples it asks for, between 3 and 20, unless it is marked long.

    Hypothesis has no public way to the settings of a test; should this name go away, the tests only take longer.
    """
    test = getattr(item, "obj", None)
    test = getattr(test, "__func__", test)
    own = getattr(test, "_hypothesis_internal_use_settings", None)
    if own is None or "long" in item.keywords or hasattr(test, "asks_for"):
        return
    test.asks_for = own.max_examples
    fewer = min(max(own.max_examples // 5, FEWEST), QUICK_EXAMPLES)
    test._hypothesis_internal_use_settings = hypothesis.settings(own, max_examples=min(own.max_examples, fewer))


@pytest.fixture(scope="session")
def small_capture() -> Path:
    """The shipped capture of 1,037 signal lines."""
    return ROOT / "datasets" / "cosmonapse-small.jsonl"


@pytest.fixture
def seeded() -> Iterator[None]:
    """Ids and times that are the same on every run."""
    from kit import ids

    with ids.seeded(7):
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator["PostgresServer"]:
    """A running PostgreSQL; a test that stops it starts it again."""
    from postgres_server import running

    with running() as server:
        yield server


@pytest.fixture
def dsn(postgres: "PostgresServer") -> str:
    """The address of an empty schema in PostgreSQL."""
    return postgres.schema()
