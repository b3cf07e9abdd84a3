"""Pictures of replay: what is drawn is what the tables hold."""

from collections.abc import Iterator

import pytest

import kit
from kit.errors import ArgumentError
from kit.notebook.study import Study
from kit.plot import drawn
from tests.replay.agents import Changed, coder, simulated


@pytest.fixture(scope="module")
def study() -> Iterator[Study]:
    with simulated(5) as made:
        yield made


@pytest.mark.parametrize(("change", "agree"), [("prompt", [1]), ("missing", [1, 2, 3]), ("exception", [1, 2, 3, 4])])
def test_both_ways_are_drawn_row_by_row(study: Study, change: str, agree: list[int]) -> None:
    replay = study.replay({"coder": coder(Changed(**{change: True}))})
    shown = drawn(replay.plot())
    steps = replay.steps().rows()
    assert shown["rows"] == [(row["recorded"], row["replayed"]) for row in steps]
    assert shown["agree"] == agree and shown["parts"] == 1
    assert shown["title"] == f"coder parts from the recording at step {len(agree) + 1}"
    assert shown["reason"][:60] in str(replay.first.reason)
    every = drawn(replay.plot(replay.first.trace_id, every=True))
    assert every["rows"] == shown["rows"]


def test_what_agrees_is_drawn_without_a_mark(study: Study) -> None:
    replay = study.replay({"coder": coder()})
    trace = replay.table.rows()[0]["trace_id"]
    shown = drawn(replay.plot(trace))
    assert shown["parts"] == 0 and shown["agree"] == [1, 2, 3, 4, 5] and shown["reason"] == ""
    assert drawn(kit.plot.divergence(replay.steps(trace).arrow().slice(0, 0)))["empty"] == "No steps to draw."
    with pytest.raises(ArgumentError, match="divergence needs the columns"):
        kit.plot.divergence(replay.table)


def test_the_timeline_shows_density_now_and_breakpoints(study: Study) -> None:
    player = study.player()
    player.break_on("type = 'TOOL_CALL'")
    player.seek(10)
    shown = drawn(player.plot())
    assert shown["events"] == {"signals": len(player.density())}
    assert len(shown["breaks"]) == 10
    span = (player.now_ns - player.start_ns) / (player.end_ns - player.start_ns)
    last = (player.end_ns - player.start_ns) / 1e9
    scale = shown["now"] / span
    assert scale == pytest.approx(last, rel=1e-6) or scale == pytest.approx(last * 1000, rel=1e-6)
    assert drawn(kit.plot.timeline(player.density().arrow().slice(0, 0), end_ns=1))["empty"] == "No events to draw."
