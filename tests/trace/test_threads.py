"""Threads: their state as a fold over records, who took part, what waits, and how far actors are trusted."""

from collections import Counter
from collections.abc import Iterator

import pytest

import kit
from kit.errors import ArgumentError, NotFoundError
from kit.notebook.study import Study
from kit.trace.trust import ceiling, decayed, wilson
from tests.records_in import Written, fill_sample

MS = 1_767_225_600_000


@pytest.fixture(scope="module")
def sample() -> Iterator[Study]:
    with kit.open() as study:
        fill_sample(study)
        yield study


def rows_of(made: Written) -> dict[str, dict[str, object]]:
    with kit.open() as study:
        made.into(study)
        return {row["thread"]: row for row in study.threads()}


def test_the_sample_has_the_stated_threads(sample: Study) -> None:
    rows = sample.threads().rows()
    assert len(rows) == 77
    assert Counter(row["state"] for row in rows) == {"closed": 55, "cancelled": 6, "open": 7, "no_intent": 9}
    assert [sum(row[name] for row in rows) for name in ("records", "merges", "forks")] == [819, 72, 109]
    assert [sum(row[name] for row in rows) for name in ("accepts", "rejects")] == [32, 18]
    assert [sum(row[name] for row in rows) for name in ("cross_parents", "missing_parents")] == [15, 1]
    acts = ("gets", "puts", "calls", "maps", "intends", "dos", "knows", "learns", "others")
    assert [sum(row[name] for row in rows) for name in acts] == [77, 135, 60, 57, 83, 173, 184, 50, 0]
    assert len({actor for row in rows for actor in row["actors"]}) == 8
    assert [row["state"] for row in rows[:7]] == ["open"] * 7


def test_a_thread_is_closed_only_by_a_know_in_it() -> None:
    made = Written()
    goals = {name: made.put("INTEND", thread=name) for name in ("closed", "elsewhere", "wrong act", "wrong target")}
    made.put("KNOW", thread="closed", fulfills=[goals["closed"], "x"])
    made.put("KNOW", thread="other", fulfills=goals["elsewhere"])
    made.put("PUT", thread="wrong act", fulfills=goals["wrong act"])
    made.put("KNOW", thread="wrong target", fulfills=made.put("DO", thread="wrong target"))
    rows = rows_of(made)
    assert {name: row["state"] for name, row in rows.items()} == {
        "closed": "closed", "elsewhere": "open", "wrong act": "open", "wrong target": "open", "other": "no_intent",
    }  # fmt: skip
    assert rows["closed"]["unfulfilled"] == []
    assert rows["elsewhere"]["unfulfilled"] == [goals["elsewhere"]]


def test_closed_wins_over_cancelled_and_an_erasure_changes_no_state() -> None:
    made = Written()
    first = made.put("INTEND")
    second = made.put("INTEND")
    made.put("DO", cancels=first)
    close = made.put("KNOW", fulfills=second)
    made.put(kind="core.erasure", erases=[close, first])
    row = rows_of(made)["t"]
    assert (row["state"], row["unfulfilled"]) == ("closed", [first])
    made.records.remove(next(record for record in made.records if record["id"] == close))
    row = rows_of(made)["t"]
    assert (row["state"], row["unfulfilled"]) == ("cancelled", [first, second])


def test_a_duration_needs_times_at_both_ends() -> None:
    made = Written()
    for name, start, end in (("timed", MS, MS + 2500), ("counter", 0, 1), ("half", 0, MS)):
        goal = made.put("INTEND", thread=name, clock=start, actor="did:opener", goal=f"goal {name}")
        made.put("KNOW", thread=name, clock=end, parents=[goal], fulfills=goal, actor="did:closer")
        made.put("KNOW", thread=name, clock=end + 9000, parents=[goal], fulfills=goal)
    rows = rows_of(made)
    assert {name: row["duration_ms"] for name, row in rows.items()} == {"timed": 2500, "counter": None, "half": None}
    assert {row["clock_name"] for row in rows.values()} == {"unix_ms", "logical", "mixed"}
    assert {row["opened_by"] for row in rows.values()} == {"did:opener"}
    assert rows["timed"]["goal"] == "goal timed"


def test_the_first_and_the_last_go_by_depth_before_clock() -> None:
    made = Written()
    goal = made.put("INTEND", clock=50, actor="did:first")
    later = made.put("INTEND", clock=1, actor="did:second", parents=[goal])
    yes = made.put("KNOW", clock=90, parents=[later], verdict="accept")
    made.put("KNOW", clock=2, parents=[yes], verdict="reject")
    row = rows_of(made)["t"]
    assert (row["opened_by"], row["last_verdict"], row["accepts"], row["rejects"]) == ("did:first", "reject", 1, 1)
    assert row["unfulfilled"] == [goal, later]


def test_a_thread_tells_who_did_what(sample: Study) -> None:
    made = Written()
    goal = made.put("INTEND", actor="did:boss", goal="go")
    fork = made.put("INTEND", actor="did:boss", parents=[goal], sub_thread="u", goal="part")
    inner = made.put("INTEND", actor="did:hand", thread="u")
    work = made.put("DO", actor="did:hand", thread="u", parents=[inner])
    done = made.put("KNOW", actor="did:hand", parents=[work, fork], fulfills=goal)
    made.put("KNOW", actor="did:judge", parents=[done], verdict="accept", domain="code")
    with kit.open() as study:
        made.into(study)
        alone, both = study.thread("t"), study.thread("t", follow=True)
        assert (alone.state, len(alone), len(both)) == ("closed", 4, 6)
        assert {row["actor"]: row["roles"] for row in both.participants()} == {
            "did:boss": ["opener"], "did:hand": ["closer"], "did:judge": ["reviewer"],
        }  # fmt: skip
        assert [(row["verdict"], row["judged_actor"]) for row in alone.verdicts()] == [("accept", "did:hand")]
        assert [row["goal"] for row in alone.unfulfilled()] == ["part"]
        assert [row["id"] for row in alone.ancestry(done)] == [row["id"] for row in study.ancestry(done)]
        assert alone.summary["sub_threads"] == ["u"]
        edges = {(a, b): why for a, b, why in both.graph.edges(data="why")}
        outside = alone.graph.nodes[work]
        assert len(alone.levels()) == 4
    assert edges[fork, inner] == "delegation"
    assert edges[goal, done] == "fulfills"
    assert (edges[work, done], edges[fork, done]) == ("parent", "parent")
    assert (outside["label"], outside["kind"], outside["type"]) == ("outside", "missing", None)
    assert list(alone.graph)[:2] == [goal, fork]


def test_a_thread_is_shown_as_a_tree_in_text_and_html(sample: Study) -> None:
    thread = sample.thread("232063425")
    text = repr(thread)
    assert text.startswith(
        "thread th_232063425713b3237f957f11176e911b9090fdec5986f5e1092e3f330d664a48 of run 'capture': closed"
    )
    assert "KNOW lab.study.result did:sync:user:bo  clock 1  5fcaf7… after 388fbb…, 668ab9…, fcdb63…" in text
    assert "[missing_parent]" in text
    assert len(text.splitlines()) == 1 + len(thread)
    assert thread.tree(limit=2).endswith("... 13 more")
    made = Written()
    made.put("INTEND", actor="<b>\x1b[31m", kind="<i>")
    with kit.open() as study:
        made.into(study)
        html, tree = study.thread("t", run="capture")._repr_html_(), study.thread("t").tree()
    assert "<i>" not in html
    assert "\x1b" not in tree


def test_what_is_loaded_later_is_seen() -> None:
    made = Written()
    goal = made.put("INTEND")
    with kit.open() as study:
        made.into(study)
        assert [(row["state"], row["records"]) for row in study.threads()] == [("open", 1)]
        later = Written()
        later.put("KNOW", clock=9, parents=[goal], fulfills=goal)
        later.into(study)
        assert [(row["state"], row["depth"]) for row in study.threads()] == [("closed", 1)]
        assert len(study.thread("t")) == 2


def test_an_unknown_thread_is_refused_with_what_is_near(sample: Study) -> None:
    with pytest.raises(NotFoundError, match=r"no thread 'lab.governence'. The nearest are 'lab.governance'"):
        sample.thread("lab.governence")
    with pytest.raises(NotFoundError, match="is the start of several threads"):
        made = Written()
        made.put(thread="th_aaaa1")
        made.put(thread="th_aaaa2")
        with kit.open() as study:
            made.into(study)
            study.thread("aaaa")
    with kit.open() as study:
        made.into(study, "a")
        made.into(study, "b")
        with pytest.raises(ArgumentError, match="in the runs 'a', 'b'"):
            study.thread("th_aaaa1")


@pytest.mark.parametrize(
    ("successes", "trials", "raw"),
    [(0, 0, 0.3968), (10, 10, 0.6396), (50, 52, 0.8247), (3, 6, 0.3864), (0, 5, 0.2481), (45, 50, 0.7583)],
)
def test_trust_follows_the_documented_formula(successes: int, trials: int, raw: float) -> None:
    """syncropel-29."""
    assert wilson(successes, trials) == raw


def test_trust_decays_to_the_middle() -> None:
    """syncropel-29."""
    assert decayed(wilson(50, 52), 30) == 0.6473
    assert decayed(0.2, 10_000) == 0.47
    assert [ceiling(score) for score in (0.2999, 0.4999, 0.6999, 0.7)] == [0.3333, 0.5, 0.6667, 1.0]


def test_trust_counts_the_verdicts_of_others() -> None:
    """syncropel-29: a trial is a verdict by another actor; own verdicts count for nothing."""
    made = Written()
    day = 86_400_000
    for number in range(6):
        work = made.put("DO", actor="did:w", clock=MS + number)
        made.put(
            "KNOW",
            actor="did:j",
            parents=[work],
            verdict="accept" if number < 3 else "reject",
            domain="d",
            clock=MS + number,
        )
        made.put("KNOW", actor="did:w", parents=[work], verdict="accept", domain="d", clock=MS + 100 + number)
    made.put(clock=MS + 5 + 30 * day)
    with kit.open() as study:
        made.into(study)
        [now] = study.trust().rows()
        [then] = study.trust(as_of="2026-01-01T00:00:00.002Z").rows()
    assert (now["actor"], now["domain"], now["successes"], now["trials"], now["own_verdicts"]) == (
        "did:w",
        "d",
        3,
        6,
        6,
    )
    assert (now["raw"], now["days"], now["effective"], now["ceiling"]) == (0.3864, 30.0, decayed(0.3864, 30), 0.5)
    assert (then["successes"], then["trials"], then["effective"], then["own_verdicts"]) == (3, 3, wilson(3, 3), 0)


def test_the_sample_trusts_eight_actors(sample: Study) -> None:
    rows = sample.trust().rows()
    assert (len(rows), sum(row["trials"] for row in rows), sum(row["successes"] for row in rows)) == (8, 50, 32)
    assert [row["effective"] for row in rows] == sorted((row["effective"] for row in rows), reverse=True)
