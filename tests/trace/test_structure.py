"""Labels, depth and coverage: on the sample, on captures with known truth, and against a plain oracle."""

from pathlib import Path

import naive
import networkx as nx
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.store.store import Store
from kit.trace.forest import LABELS, forest
from kit.trace.structure import coverage, structure
from tests.trace import generated

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"


@pytest.fixture(scope="module")
def sample() -> Store:
    store = Store()
    naive.load(store, SAMPLE.read_bytes().splitlines())
    return store


REUSED = Store()


def again(made: generated.Made, order: list[int] | None = None) -> Store:
    """The capture in a store that is used over and over: making one takes longer than most examples."""
    for table in ("runs", "sources", "signals"):
        REUSED.execute(f"DELETE FROM {table}")
    return made.load(REUSED, order=order)


def by_id(table: pa.Table, column: str) -> dict[str, object]:
    return dict(zip(table["id"].to_pylist(), table[column].to_pylist(), strict=True))


def test_columns_come_in_the_documented_order(sample: Store) -> None:
    assert structure(sample).column_names[:5] == ["id", "trace_id", "label", "parent_id", "depth"]


def test_cosmonapse_22_the_unpublished_task_of_each_award_in_the_sample_is_repaired(sample: Store) -> None:
    shares = coverage(structure(sample))
    assert shares["phantom"]["events"] == 14
    assert shares["missing_parent"]["events"] == 0
    assert shares["cross_trace"]["events"] == 42
    assert shares["placed"]["share"] == 1.0
    assert sum(shares[label]["events"] for label in LABELS) == 1037 + 14


def test_cosmonapse_22_a_phantom_hangs_on_its_award_and_its_work_on_the_phantom() -> None:
    made = generated.Made()
    _, phantoms = generated.auctions(made, ["a", "b"])
    table = structure(generated.store_of(made))
    parents = by_id(table, "parent_id")
    assert {name: parents[name] for name in phantoms} == {name: made.parents[name] for name in phantoms}
    assert by_id(table, "label") == made.labels
    assert by_id(table, "children")[phantoms[0]] == 3


def test_with_several_awards_and_no_signal_of_a_winner_the_parent_stays_missing() -> None:
    made = generated.Made()
    trace, _ = generated.auctions(made, ["a", "b"])
    orphan = made.emit("TOOL_CALL", trace, made.new(), "fs", {"tool": "read", "args": {}})
    assert by_id(structure(generated.store_of(made)), "label")[orphan] == "missing_parent"


def test_a_lost_offer_is_not_taken_for_awarded_work() -> None:
    made = generated.Made()
    generated.auctions(made, ["a"])
    offer = made.signals.pop(0)
    labels = by_id(structure(generated.store_of(made)), "label")
    bids = [signal["id"] for signal in made.signals if signal["type"] == "BID"]
    assert offer["id"] not in labels
    assert {labels[bid] for bid in bids} == {"missing_parent"}


def test_cosmonapse_38_conflicting_ids_are_one_event_with_a_label() -> None:
    made = generated.Made()
    odd = generated.oddities(made)
    table = structure(generated.store_of(made))
    assert table["id"].to_pylist().count(odd["twice"]) == 1
    assert by_id(table, "label")[odd["twice"]] == "conflicting_duplicate"


@pytest.mark.parametrize("seed", range(5))
def test_labels_and_depth_are_those_the_capture_was_made_with(seed: int) -> None:
    made = generated.everything(seed)
    table = structure(generated.store_of(made))
    assert by_id(table, "label") == made.labels
    assert by_id(table, "depth") == made.depth
    assert by_id(table, "parent_id") == made.parents


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_cosmonapse_46_the_order_of_lines_changes_nothing(random: object) -> None:
    made = generated.everything(1, rounds=1)
    order = list(range(len(made.signals)))
    random.shuffle(order)  # type: ignore[attr-defined]
    assert structure(again(made, order)).equals(structure(again(made)))


EVENTS = st.integers(1, 14)


@st.composite
def wild(draw: st.DrawFn) -> generated.Made:
    """Events with any parents at all, over three traces, with equal times."""
    made, count = generated.Made(), draw(EVENTS)
    names = [f"evt_{number:03d}" for number in range(count)]
    for name in names:
        parent = draw(st.sampled_from([None, "evt_lost", *names]))
        trace = f"trc_{draw(st.integers(0, 2))}"
        made.emit("PLAN", trace, parent, event=name, after_us=draw(st.sampled_from([0, 0, 5, -5])))
    return made


@settings(max_examples=150, deadline=None)
@given(wild())
def test_any_parents_give_what_a_plain_walk_over_a_networkx_graph_gives(made: generated.Made) -> None:
    table = structure(again(made))
    labels, depth = oracle(made)
    assert by_id(table, "label") == labels
    assert by_id(table, "depth") == depth


@settings(max_examples=60, deadline=None)
@given(wild())
def test_the_edges_view_tells_the_same_as_the_labels(made: generated.Made) -> None:
    store = again(made)
    labels = by_id(structure(store), "label")
    states = dict(store.execute("SELECT child, state FROM edges WHERE why <> 'target'"))
    assert states == {name: label for name, label in labels.items() if label != "root"}


def oracle(made: generated.Made) -> tuple[dict[str, str], dict[str, int]]:
    """Labels and depth of events without awards and conflicts, one event at a time."""
    trace = {signal["id"]: signal["trace_id"] for signal in made.signals}
    parent = {signal["id"]: signal["parent_id"] for signal in made.signals}
    whole = nx.DiGraph((above, name) for name, above in parent.items() if above in parent and above != name)
    rings = {name for part in nx.strongly_connected_components(whole) if len(part) > 1 for name in part}
    labels: dict[str, str] = {}
    for name, above in parent.items():
        if above == name:
            labels[name] = "self_parent"
        elif name in rings:
            labels[name] = "cycle"
        elif above is None:
            labels[name] = "root"
        elif above not in parent:
            labels[name] = "missing_parent"
        else:
            labels[name] = "attached" if trace[above] == trace[name] else "cross_trace"
    depth: dict[str, int] = {}
    for name in parent:
        steps, at = 0, name
        while labels[at] == "attached":
            steps, at = steps + 1, parent[at]
        depth[name] = steps
    return labels, depth


def test_runs_never_mix() -> None:
    made = generated.everything(2, rounds=1)
    store = generated.store_of(made, run="a")
    made.load(store, run="b")
    both, one = structure(store), structure(store, "b")
    assert both.num_rows == 2 * one.num_rows
    assert by_id(one, "label") == made.labels
    events = both.slice(0, both.num_rows).filter(pa.compute.equal(both["run"], "b"))
    assert by_id(events, "depth") == made.depth


def test_labels_partition_all_events() -> None:
    table = structure(generated.store_of(generated.everything(3)))
    shares = coverage(table)
    assert list(shares) == [*LABELS, "placed"]
    assert sum(shares[label]["events"] for label in LABELS) == table.num_rows
    assert all(shares[label]["events"] > 0 for label in LABELS)


def test_an_empty_store_has_no_structure() -> None:
    table = structure(Store())
    assert table.num_rows == 0
    assert coverage(table)["placed"] == {"events": 0, "share": 0.0}


def chain(length: int) -> Store:
    store = Store()
    store.execute(
        """INSERT INTO signals BY NAME
        SELECT 'capture' AS run, 1 AS source_id, i AS line, 'evt_' || lpad(i::VARCHAR, 8, '0') AS id,
               'trc_1' AS trace_id, CASE WHEN i > 0 THEN 'evt_' || lpad((i - 1)::VARCHAR, 8, '0') END AS parent_id,
               'PLAN' AS type, make_timestamptz(1000000 * i) AS ts, '{}' AS payload, '{}' AS meta, true AS canonical
        FROM range($n) t(i)""",
        {"n": length},
    )
    return store


def test_a_chain_of_100_000_signals_has_as_many_levels() -> None:
    table = structure(chain(100_000))
    assert table["depth"].to_pylist() == list(range(100_000))


def test_a_ring_of_10_000_signals_is_found_in_full() -> None:
    store = chain(10_000)
    store.execute("UPDATE signals SET parent_id = 'evt_00009999' WHERE line = 0")
    assert coverage(structure(store))["cycle"] == {"events": 10_000, "share": 1.0}
    rings = store.execute("SELECT count(*) FROM edges WHERE state = 'cycle'")
    assert rings == [(10_000,)]


def test_events_view_has_parents_of_both_kinds(sample: Store) -> None:
    rows = store_rows(sample, "SELECT kind, parents FROM events WHERE kind IN ('CRITIQUE', 'TASK_OFFER') ORDER BY id")
    assert {len(parents) for kind, parents in rows if kind == "CRITIQUE"} == {2}
    assert all(parents == [] or len(parents) == 1 for kind, parents in rows if kind == "TASK_OFFER")
    assert sample.execute("SELECT count(*), count(DISTINCT id) FROM events") == [(1037, 1037)]


def store_rows(store: Store, sql: str) -> list[tuple[str, list[str]]]:
    return [(row[0], row[1]) for row in store.execute(sql)]


def test_the_registry_is_folded_from_the_bus() -> None:
    made = generated.Made()

    def told(kind: str, name: str, payload: dict[str, object]) -> None:
        made.emit(kind, made.new("trc"), None, name, payload, after_us=1_000_000)

    told("REGISTER", "a", {"role": "neuron", "capabilities": ["x"], "version": "1"})
    told("HEARTBEAT", "a", {"status": "ok"})
    told("REGISTER", "mem", {"role": "engram", "capabilities": [], "engram": True})
    told("DEREGISTER", "nobody", {})
    told("HEARTBEAT", "thin", {})
    told("DEREGISTER", "a", {})
    told("REGISTER", "fs", {"role": "effector", "capabilities": []})
    told("REGISTER", "a", {"role": "neuron", "capabilities": ["x", "y"], "version": "2"})
    store = generated.store_of(made)
    columns = "neuron_id, capabilities, version, status, epoch(last_heartbeat) - epoch(registered_at), role"

    def known(at: int | None) -> list[tuple[object, ...]]:
        moment = None if at is None else (generated.START.timestamp() + at)
        sql = f"SELECT {columns} FROM neurons_as_of(to_timestamp($at)) ORDER BY neuron_id"
        return store.execute(sql, {"at": moment})

    assert known(2) == [("a", ["x"], "1", "ok", 1.0, "neuron")]
    assert known(6)[0] == ("a", ["x"], "1", "deregistered", 1.0, "neuron")
    thin = ("thin", [], None, "registered", 0.0, None)
    assert known(None) == [
        ("a", ["x", "y"], "2", "registered", 7.0, "neuron"),
        ("fs", [], None, "registered", 0.0, "effector"),
        thin,
    ]
    assert store.execute(f"SELECT {columns} FROM neurons ORDER BY neuron_id") == known(None)


def test_further_lines_with_an_id_are_counted_at_its_event() -> None:
    made = generated.Made()
    odd = generated.oddities(made)
    store = generated.store_of(made)
    repeats = [odd["twice"], odd["lost"], odd["lost"]]
    store.append("duplicates", pa.table({"run": ["capture"] * 3, "source_id": [1] * 3, "id": repeats}))
    store.append("duplicates", pa.table({"run": ["other"], "source_id": [2], "id": [odd["lost"]]}))
    grown = forest(store)
    surplus = dict(zip(structure(store)["id"].to_pylist(), grown.surplus.tolist(), strict=True))
    assert {name: count for name, count in surplus.items() if count} == {odd["twice"]: 2, odd["lost"]: 2}


def test_a_collision_of_hashes_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = generated.everything(4, rounds=1)
    store = generated.store_of(made, run="a")
    made.load(store, run="b")
    expected = structure(store)
    monkeypatch.setattr("kit.trace.lookup.mixed", lambda key, run: key % 5)
    assert structure(store).equals(expected)
