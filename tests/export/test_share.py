"""A share holds what it says, nothing of what was taken out, and the same structure."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kit
from kit import datasets
from kit.cosmonapse import Signal
from kit.errors import ArgumentError, NotFoundError, StoreError
from kit.export.pseudonyms import Pseudonyms
from kit.export.redaction import Redaction
from kit.notebook.study import Study
from kit.syncropel.canonical import server_id

SECRET = "Zanzibar treaty draft, 4711"
TRACE, OTHER = "trc_01ARZ3NDEKTSV4RRFFQ69G5FAX", "trc_01ARZ3NDEKTSV4RRFFQ69G5FAY"
E = [f"evt_01ARZ3NDEKTSV4RRFFQ69G5F{n:02}" for n in range(10)]


def signal(n: int, type: str, parent: int | None = None, trace: str = TRACE, **parts: Any) -> str:
    directed = parts.get("directed")
    return json.dumps(
        {
            "v": "1",
            "id": E[n],
            "trace_id": trace,
            "parent_id": None if parent is None else E[parent],
            "type": type,
            "directed": None if directed is None else {"id": directed, "type": None, "capabilities": []},
            "ts": f"2026-05-16T14:22:0{n}.000000Z",
            "payload": parts.get("payload", {}),
            "meta": parts.get("meta", {}),
        },
        separators=(",", ":"),
    )


LINES = [
    signal(0, "TASK", directed="brunhilde", payload={"input": {"q": SECRET, "for": "Siegfried"}, "capabilities": ["nlp"]},
           meta={"receptor": "cli:walhalla"}),
    signal(1, "RECALL", 0, directed="eng_gunther", payload={"query": {"text": "ask BRUNHILDE_v2, not brunhildes"}}),
    signal(2, "RECALLED", 1, directed="eng_gunther",
           payload={"engram_id": "eng_gunther", "hits": [{"id": "a", "entry": SECRET}, {"id": "b", "entry": {"x": SECRET}}]}),
    signal(3, "CONSENSUS", 0, directed="brunhilde",
           payload={"members": ["brunhilde", "siegfried"], "verdict": "pass", "votes": {"siegfried": 1, "brunhilde": 0}}),
    signal(4, "AGENT_OUTPUT", 0, directed="brunhilde", payload={"output": {"text": SECRET, "n": [1, 2.5, 10**20]}}),
    signal(5, "TASK", 4, OTHER, directed="siegfried", payload={"input": {"q": "x"}}),
    signal(6, "FINAL", 5, OTHER, directed="siegfried", payload={"result": {"ok": True}}),
]  # fmt: skip


@pytest.fixture
def study() -> Iterator[Study]:
    with Study() as made:
        made.load(LINES, progress=False)
        yield made


@pytest.fixture(scope="module")
def capture() -> Iterator[Study]:
    with Study() as made:
        made.load(datasets.path("cosmonapse-small"), progress=False)
        yield made


@pytest.fixture(scope="module")
def woven() -> Iterator[Study]:
    with Study() as made:
        made.load(datasets.path("syncropel-small"), progress=False)
        yield made


def reloaded(path: Path) -> Study:
    if path.suffix == ".duckdb":
        return Study(path, read_only=True)
    made = Study()
    made.load(path, progress=False)
    return made


REDACT = ["input.q", "hits.entry", "output.text"]


GONE = (SECRET, "zanzibar", "4711", "siegfried", "eng_gunther", "gunther", "walhalla", "brunhilde_v2")


@pytest.mark.parametrize("name", ["a.jsonl", "a.duckdb"])
def test_nothing_of_what_was_taken_out_is_in_the_file(study: Study, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    made = study.share(path, redact=REDACT).write()
    data = path.read_bytes().lower()
    with reloaded(path) as again:
        assert len(again.signals()) == len(LINES) and len(again.quarantine()) == 0
        # A store packs its text, so every value of every table is looked at as well.
        data += everything(again).lower().encode()
    assert [gone for gone in GONE if gone.lower().encode() in data] == []
    assert b"brunhildes" in data  # no whole word: told in docs/sharing.md
    assert set(made.names) >= {"brunhilde", "siegfried", "eng_gunther", "cli:walhalla"}
    assert list(tmp_path.iterdir()) == [path]


def everything(study: Study) -> str:
    """Return all values of all tables, also those of views."""
    tables = [name for (name,) in study.execute("SELECT DISTINCT table_name FROM duckdb_columns() WHERE NOT internal")]
    return "\n".join(str(row) for name in tables for row in study.execute(f'SELECT * FROM "{name}"'))


def test_the_words_that_are_looked_for_are_there_without_a_share(study: Study, tmp_path: Path) -> None:
    study.share(tmp_path / "a.jsonl", pseudonyms=False).write()
    found = [(tmp_path / "a.jsonl").read_text().lower(), everything(study).lower()]
    assert [gone for gone in GONE for text in found if gone.lower() not in text] == []


def test_a_name_has_one_pseudonym_wherever_it_stands(study: Study, tmp_path: Path) -> None:
    made = study.share(tmp_path / "a.jsonl").write()
    who = made.names
    rows = {row["id"]: row for row in reloaded(tmp_path / "a.jsonl").signals().rows()}
    payload = {id_: json.loads(row["payload"]) for id_, row in rows.items()}
    assert rows[E[0]]["directed_id"] == who["brunhilde"] == rows[E[4]]["directed_id"]
    assert payload[E[0]]["input"]["for"] == who["siegfried"]
    assert payload[E[3]]["members"] == [who["brunhilde"], who["siegfried"]]
    assert payload[E[3]]["votes"] == {who["siegfried"]: 1, who["brunhilde"]: 0}
    assert payload[E[2]]["engram_id"] == rows[E[2]]["directed_id"] == who["eng_gunther"]
    assert payload[E[1]]["query"]["text"] == f"ask {who['brunhilde']}_v2, not brunhildes"
    assert json.loads(rows[E[0]]["meta"]) == {"receptor": who["cli:walhalla"]}
    assert payload[E[3]]["verdict"] == "pass" and payload[E[4]]["output"]["n"] == [1, 2.5, 10**20]


STRUCTURE = ("id", "trace_id", "label", "parent_id", "depth")


def test_the_structure_of_the_shipped_capture_stays(capture: Study, tmp_path: Path) -> None:
    made = capture.share(tmp_path / "a.duckdb", redact=["output", "result"]).write()
    with reloaded(tmp_path / "a.duckdb") as again:
        for table in ("structure", "spans", "traces", "neurons", "dfg"):
            ours, theirs = (getattr(each, table)().rows() for each in (capture, again))
            assert renamed(ours, made.names) == renamed(theirs, {}), table
        assert {row["rule"] for row in capture.check().rows()} <= {row["rule"] for row in again.check().rows()}


def renamed(rows: list[dict[str, Any]], names: dict[str, str]) -> list[str]:
    """Return rows as text with the pseudonyms in, so that they can be compared with those of a share."""

    def swap(value: Any) -> Any:
        if isinstance(value, list):
            return sorted(swap(item) for item in value)
        return names.get(value, value) if isinstance(value, str) else value

    return sorted(repr({name: swap(value) for name, value in row.items()}) for row in rows)


def test_every_line_of_the_shipped_capture_still_decodes_and_names_nobody(capture: Study, tmp_path: Path) -> None:
    capture.share(tmp_path / "a.jsonl").write()
    text = (tmp_path / "a.jsonl").read_text()
    for name in ("writer", "planner", "researcher", "supervisor", "coder", "reporter", "cortex", "lead-host"):
        assert not re.search(rf"(?<![a-z]){name}(?![a-z])", text, re.IGNORECASE), name
    for line in text.splitlines()[1:]:
        Signal.decode(line)


def test_records_verify_again_under_new_ids(woven: Study, tmp_path: Path) -> None:
    made = woven.share(tmp_path / "a.jsonl", redact=["note"]).write()
    again = reloaded(tmp_path / "a.jsonl")
    assert again.verify().counts.verified == woven.verify().counts.verified == len(again.records())
    data = (tmp_path / "a.jsonl").read_text()
    assert b"did:sync" not in data.encode() and not set(re.findall("[0-9a-f]{64}", data)) & {
        row["id"] for row in woven.records().rows()
    }
    assert made.provenance["record_ids"] == "new"
    key = ("act", "label", "depth", "state")
    shape = [
        sorted(repr([row.get(name) for name in key]) for row in each.record_structure().rows())
        for each in (woven, again)
    ]
    assert shape[0] == shape[1]
    threads = [[(row["state"], row["records"]) for row in each.threads().rows()] for each in (woven, again)]
    assert sorted(map(repr, threads[0])) == sorted(map(repr, threads[1]))
    assert edges(woven) == edges(again)


def edges(study: Study) -> list[tuple[Any, ...]]:
    return sorted(study.execute("SELECT why, state, count(*) FROM edges WHERE family = 'records' GROUP BY ALL"))


def test_records_of_every_integrity_keep_it(tmp_path: Path) -> None:
    first = record("INTEND", {"goal": "x", "note": SECRET}, [])
    second = record("KNOW", {"fulfills": first["id"], "about": ["a", first["id"]]}, [first["id"]], clock=1)
    forged = {**record("KNOW", {"a": 1}, ["f" * 64], clock=2), "id": "e" * 64}
    bare = {name: value for name, value in record("PUT", {"b": 1}, [], clock=3).items() if name != "id"}
    with Study() as study:
        study.load([json.dumps(item) for item in (second, first, forged, bare)], progress=False)
        made = study.share(tmp_path / "a.jsonl", redact=["note"]).write()
    rows = reloaded(tmp_path / "a.jsonl").records().rows()
    assert sorted(row["integrity"] for row in rows) == ["mismatch", "no_id", "ok", "ok"]
    intent, known = (
        next(row for row in rows if row["act"] == act and row["integrity"] == "ok") for act in ("INTEND", "KNOW")
    )
    assert known["parents"] == [intent["id"]] and json.loads(known["body"])["fulfills"] == intent["id"]
    assert json.loads(known["body"])["about"] == ["a", intent["id"]]
    assert not {"e" * 64, "f" * 64} & {text for row in rows for text in (row["id"], *row["parents"])}
    assert set(made.names) == {"did:sync:user:ana"} and SECRET not in (tmp_path / "a.jsonl").read_text()


def test_untouched_records_keep_their_ids(woven: Study, tmp_path: Path) -> None:
    woven.share(tmp_path / "a.jsonl", pseudonyms=False).write()
    ids = [{row["id"] for row in each.records().rows()} for each in (woven, reloaded(tmp_path / "a.jsonl"))]
    assert ids[0] == ids[1]


def record(act: str, body: dict[str, Any], parents: list[str], clock: int = 0) -> dict[str, Any]:
    made = {"act": act, "actor": "did:sync:user:ana", "body": body, "clock": clock, "data_type": "SCALAR",
            "parents": parents, "thread": "t"}  # fmt: skip
    return {**made, "id": server_id(made)}


def test_a_cut_to_a_trace_holds_that_trace_alone(study: Study, tmp_path: Path) -> None:
    made = study.share(tmp_path / "a.jsonl", traces=OTHER[:-1] + "Y", pseudonyms=False).write()
    assert [row["id"] for row in reloaded(tmp_path / "a.jsonl").signals().rows()] == E[5:7]
    assert made.provenance["cut"] == {"signals": 5} and made.provenance["parents_cut"] == 1
    assert "1 that stay have lost their parent" in repr(made)


def test_a_cut_to_a_time_includes_it(study: Study, tmp_path: Path) -> None:
    study.share(tmp_path / "a.jsonl", since="2026-05-16T14:22:04Z").write()
    assert [row["id"] for row in reloaded(tmp_path / "a.jsonl").signals().rows()] == E[4:7]


def test_the_summary_comes_before_the_file_and_tells_what_is_in_doubt(study: Study, tmp_path: Path) -> None:
    made = study.share(tmp_path / "a.jsonl", redact=["input.q", "inptu.q"])
    assert not (tmp_path / "a.jsonl").exists()
    told = repr(made)
    assert "not written yet" in told and "next: .write()" in told and str(tmp_path) not in told
    assert "'input.q' at 2 places" in told and "'inptu.q' met nothing" in told
    assert "text that was removed also stands at 'hits.entry', 1 times" in told
    assert "'hits.entry.x'" in told and "'output.text'" in told
    assert "not covered:" in told and "brunhilde" not in told
    assert "written" in repr(made.write()) and "next" not in repr(made)


def test_provenance_is_in_the_file_without_names_or_folders(study: Study, tmp_path: Path) -> None:
    source = tmp_path / "brunhilde.jsonl"
    source.write_text("\n".join(LINES) + "\n")
    with Study() as loaded:
        loaded.load(source, progress=False)
        loaded.share(tmp_path / "a.jsonl", redact=REDACT).write()
        loaded.share(tmp_path / "a.duckdb", redact=REDACT).write()
        sha256 = loaded.sources().rows()[0]["sha256"]
    first = (tmp_path / "a.jsonl").read_text().split("\n")[0]
    facts = json.loads(first.removeprefix("# kit.share "))
    assert facts["sources"][0]["sha256"] == sha256 and facts["made_by"]["namespace-kit"] == kit.__version__
    assert facts["sources"][0]["uri"] == "neuron-1.jsonl"
    assert facts["redacted"] == {"input.q": 2, "hits.entry": 2, "output.text": 1} and facts["kept"] == {"signals": 7}
    with reloaded(tmp_path / "a.duckdb") as again:
        assert json.loads(again.sources().rows()[0]["note"]) == facts


def test_a_store_that_changed_since_the_summary_is_not_shared(study: Study, tmp_path: Path) -> None:
    made = study.share(tmp_path / "a.jsonl")
    study.load([signal(7, "FINAL", 0)], run="capture", progress=False)
    with pytest.raises(StoreError, match="changed since the summary"):
        made.write()
    assert list(tmp_path.iterdir()) == []


def test_several_runs_need_a_store(study: Study, tmp_path: Path) -> None:
    study.load(LINES, run="after", progress=False)
    with pytest.raises(ArgumentError, match=r"one family of one run.*name the file \.duckdb"):
        study.share(tmp_path / "a.jsonl")
    study.share(tmp_path / "a.jsonl", run="after").write()
    study.share(tmp_path / "a.duckdb").write()
    with reloaded(tmp_path / "a.duckdb") as again:
        assert [
            (row["run"], row["signals"])
            for row in again.sql("SELECT run, count(*) AS signals FROM signals GROUP BY 1 ORDER BY 1")
        ] == [("after", 7), ("capture", 7)]


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"path": "a.txt"}, ArgumentError, r"name the file \.jsonl"),
        ({"traces": "trc_nobody"}, NotFoundError, "is not there"),
        ({"traces": "trc_01"}, NotFoundError, "is the beginning of 2"),
        ({"run": "b"}, NotFoundError, "no run 'b'"),
        ({"since": "2030-01-01"}, ArgumentError, "nothing to share"),
        ({"redact": ["$.input"]}, ArgumentError, r"without '\$'"),
        ({"redact": ["a..b"]}, ArgumentError, "names joined by dots"),
    ],
)
def test_what_cannot_be_shared_is_told(
    study: Study, tmp_path: Path, asked: dict[str, Any], error: type[Exception], told: str
) -> None:
    path = tmp_path / asked.pop("path", "a.jsonl")
    with pytest.raises(error, match=told):
        study.share(path, **asked)


def test_a_file_that_is_there_stays_unless_told_otherwise(study: Study, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("mine")
    with pytest.raises(ArgumentError, match="exists already"):
        study.share(tmp_path / "a.jsonl")
    assert study.share(tmp_path / "a.jsonl", overwrite=True).write().written


def test_a_read_only_store_can_be_shared_from(study: Study, tmp_path: Path) -> None:
    study.snapshot(tmp_path / "s.duckdb")
    with Study(tmp_path / "s.duckdb", read_only=True) as kept:
        kept.share(tmp_path / "a.jsonl").write()
    assert len(reloaded(tmp_path / "a.jsonl").signals()) == 7


NAMES = st.text("abcAB:_-é", min_size=1, max_size=6)
VALUES = st.recursive(
    st.none() | st.integers() | NAMES | st.text("abcAB é_-", max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(names=st.lists(NAMES, unique=True, max_size=5), value=VALUES)
def test_no_name_of_three_letters_or_more_is_left_as_a_word(names: list[str], value: Any) -> None:
    made = Pseudonyms(dict.fromkeys(names, "neuron"))
    text = json.dumps(made.value(value), ensure_ascii=False)
    for name in names:
        if len(name) >= 3 and name.isalnum():
            assert not re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", text, re.IGNORECASE)
    assert made.value(value) == made.value(value)
    assert shape(made.value(value)) == shape(value)


def shape(value: Any) -> Any:
    """Return how lists and objects are inside each other."""
    if isinstance(value, dict):
        return [shape(item) for item in value.values()]
    return [shape(item) for item in value] if isinstance(value, list) else type(value).__name__


@given(value=VALUES, path=st.lists(NAMES | st.sampled_from(["0", "1"]), min_size=1, max_size=3))
def test_a_redacted_path_leads_nowhere_afterwards(value: Any, path: list[str]) -> None:
    redaction = Redaction([".".join(path)])
    redaction.apply(value)
    before = redaction.counts[".".join(path)]
    redaction.apply(value)
    assert redaction.counts[".".join(path)] == before or path[-1] in "01"  # an element is null, and can be met again


def test_an_agent_may_be_called_like_a_field() -> None:
    made = Pseudonyms({"input": "neuron", "output": "neuron"})
    assert made.fields({"input": {"input": "the input of x"}, "role": "input"}) == {
        "input": {"neuron-1": "the neuron-1 of x"},
        "role": "input",
    }
