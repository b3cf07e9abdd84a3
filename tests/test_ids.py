"""Ids sort as they were made, times never go back, and a seed repeats both."""

import contextvars
import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from ulid import ULID

from kit import ids

ULID_FORM = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")


def test_a_ulid_is_26_crockford_characters_that_python_ulid_reads() -> None:
    text = ids.ulid()
    assert ULID_FORM.fullmatch(text)
    assert str(ULID.from_str(text)) == text


def test_new_id_puts_the_prefix_first() -> None:
    assert re.fullmatch("evt_" + ULID_FORM.pattern, ids.new_id("evt_"))


def test_ids_made_one_after_the_other_are_sorted_and_distinct() -> None:
    made = [ids.ulid() for _ in range(5000)]
    assert made == sorted(set(made))


def test_times_are_utc_and_each_is_later_than_the_one_before() -> None:
    readings = [ids.now() for _ in range(5000)]
    assert all(a < b for a, b in pairwise(readings))
    assert readings[0].tzinfo is UTC


def test_the_real_clock_is_the_system_clock() -> None:
    assert abs(ids.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_id_and_time_of_one_moment_agree() -> None:
    with ids.seeded(1):
        pairs = [(ids.ulid(), ids.now()) for _ in range(100)]
    for text, moment in pairs:
        assert ULID.from_str(text).timestamp <= moment.timestamp() < ULID.from_str(text).timestamp + 0.002
    assert pairs == sorted(pairs, key=lambda pair: pair[1])
    assert pairs == sorted(pairs)


def test_a_system_clock_set_back_does_not_turn_ids_or_times_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([5_000_000, 4_000_000, 4_000_001, 5_000_000, 5_001_000])
    source = ids._Source(clock.__next__, lambda bits: 0)
    readings = [
        source.read_us(),
        source.ulid_number() >> 80,
        source.read_us(),
        source.read_us(),
        source.read_us(),
    ]
    assert readings == [5_000_000, 5000, 5_000_002, 5_000_003, 5_001_000]


def test_randomness_that_is_used_up_moves_on_to_the_next_millisecond() -> None:
    clock = iter([1000, 1001, 1002, 1003])
    source = ids._Source(clock.__next__, lambda bits: (1 << bits) - 1)
    numbers = [source.ulid_number() for _ in range(3)]
    assert [number >> 80 for number in numbers] == [1, 2, 3]
    assert source.read_us() > 3000


def draw() -> list[object]:
    return [ids.ulid(), ids.now(), ids.new_id("evt_"), ids.now()]


def test_the_same_seed_gives_the_same_ids_and_times() -> None:
    with ids.seeded(7):
        first = draw()
    with ids.seeded(7):
        assert draw() == first
    with ids.seeded(8):
        assert draw() != first


def test_seeded_ids_and_times_are_these_on_every_machine() -> None:
    with ids.seeded(7):
        assert ids.now() == datetime(2026, 1, 1, tzinfo=UTC)
        assert ids.ulid() == "01KDVDNA005CACHTNQNZVWZW1H"
        assert ids.now() == datetime(2026, 1, 1, 0, 0, 0, 200, tzinfo=UTC)


def test_the_block_ends_with_the_source_that_was_there_before() -> None:
    with ids.seeded(1):
        ids.now()
        with ids.seeded(2):
            ids.now()
        assert ids.now() == datetime(2026, 1, 1, 0, 0, 0, 100, tzinfo=UTC)
    assert abs(ids.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_the_block_ends_so_when_it_raises() -> None:
    before = ids._source.get()
    with pytest.raises(RuntimeError), ids.seeded(1):
        raise RuntimeError
    assert ids._source.get() is before


def test_the_plain_call_holds_from_there_on_in_its_context_only() -> None:
    def inside() -> list[object]:
        ids.seeded(7)
        return draw()

    first = contextvars.copy_context().run(inside)
    assert contextvars.copy_context().run(inside) == first
    assert draw() != first


def test_a_new_thread_starts_with_the_real_source() -> None:
    seen: list[datetime] = []
    with ids.seeded(7):
        thread = threading.Thread(target=lambda: seen.append(ids.now()))
        thread.start()
        thread.join()
    assert abs(seen[0] - datetime.now(UTC)) < timedelta(seconds=30)


@pytest.mark.parametrize("seeded", [False, True])
def test_threads_that_share_a_source_never_draw_the_same_id(seeded: bool) -> None:
    made: list[list[str]] = []

    def work() -> None:
        made.append([ids.ulid() for _ in range(500)])

    def start() -> None:
        if seeded:
            ids.seeded(3)
        threads = [threading.Thread(target=contextvars.copy_context().run, args=(work,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    contextvars.copy_context().run(start)
    assert len({text for part in made for text in part}) == 4000
    assert all(part == sorted(part) for part in made)


@pytest.mark.servers
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_does_not_repeat_its_parents_ids() -> None:
    code = (
        "import os; from kit import ids; ids._real._clock_us = lambda: 10**15\n"
        "ids.ulid(); read, write = os.pipe(); child = os.fork()\n"
        "if child == 0: os.write(write, ids.ulid().encode()); os._exit(0)\n"
        "os.waitpid(child, 0); print(os.read(read, 26).decode() != ids.ulid())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@pytest.mark.servers
def test_importing_ids_loads_neither_ulid_nor_pydantic() -> None:
    code = "import sys, kit.ids; print([name for name in ('ulid', 'pydantic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
