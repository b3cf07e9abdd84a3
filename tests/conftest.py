"""Options and fixtures of all tests.

Tests run in an odd time zone, so that a local time that slips into a table shows, and without a display. Property tests
try a fifth of their examples, the same ones on each run; KIT_THOROUGH=1, which `make test-long` sets, has them try all.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

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

hypothesis.settings.register_profile("kit", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("kit")

ROOT = Path(__file__).resolve().parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked long as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked long, unless `--long` is given or `-m` speaks of it; a quick run tries fewer examples."""
    if not THOROUGH:
        for item in items:
            cap_examples(item)
    if config.option.long or "long" in config.option.markexpr.split():
        return
    left_out = [item for item in items if "long" in item.keywords]
    items[:] = [item for item in items if "long" not in item.keywords]
    config.hook.pytest_deselected(items=left_out)


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
