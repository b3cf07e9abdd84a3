"""`load`: what becomes of each sort of line, at each level, and the account of it (design.md section 3)."""

import io
import json
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import oddlines
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kit
from kit.errors import ArgumentError
from kit.io.lines import LineReader
from kit.notebook.study import Study

BASE: dict[str, Any] = {
    "v": "1",
    "id": "evt_01ARZ3NDEKTSV4RRFFQ69G5F01",
    "trace_id": "trc_01ARZ3NDEKTSV4RRFFQ69G5FAX",
    "parent_id": None,
    "type": "TASK",
    "directed": {"id": "coder", "type": None, "capabilities": []},
    "ts": "2026-05-16T14:22:01.391000Z",
    "payload": {"input": {"q": 1}},
    "meta": {},
}
ABSENT = object()


def line(**fields: Any) -> bytes:
    signal = {key: value for key, value in (BASE | fields).items() if value is not ABSENT}
    return json.dumps(signal, ensure_ascii=False, separators=(",", ":")).encode()


REORDERED = json.dumps(dict(reversed(BASE.items()))).encode()
OUTCOMES = [
    ("plain", line(), "row", "row", "row"),
    ("CRLF", line() + b"\r", "row", "row", "row"),
    ("spaces around", b" \t" + line() + b"  ", "row", "row", "row"),
    ("any key order", REORDERED, "row", "row", "row"),
    ("U+2028 inside", line(meta={"x": "a\u2028b"}), "row", "row", "row"),
    ("minor version", line(v="1.3"), "row", "bad_version", "bad_version"),
    ("TypeScript stamp", line(ts="2026-05-16T14:22:01.391Z"), "row", "row", "row"),
    ("nanoseconds", line(ts="2026-05-16T14:22:01.391000123Z"), "row", "row", "row"),
    ("offset", line(ts="2026-05-16T16:22:01+02:00"), "row", "row", "bad_ts"),
    ("naive", line(ts="2026-05-16T14:22:01"), "naive_ts", "naive_ts", "bad_ts"),
    ("no ts", line(ts=ABSENT), "no_ts", "missing_ts", "missing_ts"),
    ("no v", line(v=ABSENT), "row", "missing_v", "missing_v"),
    ("unknown type", line(type="VOTE"), "unknown_type", "bad_type", "bad_type"),
    ("unknown keys", line(shard=1), "extra_keys", "extra_keys", "extra_keys"),
    ("duplicate keys", b'{"type":"PLAN",' + line()[1:], "duplicate_keys", "duplicate_keys", "duplicate_keys"),
    ("NaN", line(meta={"x": float("nan")}), "nonfinite", "nonfinite", "nonfinite"),
    ("Infinity", line(payload={"input": float("inf")}), "nonfinite", "nonfinite", "nonfinite"),
    ("legacy neuron", line(neuron="coder", directed=ABSENT), "legacy_neuron", "legacy_neuron", "legacy_neuron"),
    ("short ids", line(id="evt_1"), "row", "row", "bad_id"),
    ("payload incomplete", line(payload={}), "row", "row", "bad_payload"),
    ("broken JSON", b"{nope", "bad_json", "bad_json", "bad_json"),
    ("control character", line(meta={"x": "y"}).replace(b"y", b"\x01"), "bad_json", "bad_json", "bad_json"),
    ("two objects", line() + line(), "trailing_data", "trailing_data", "trailing_data"),
    ("list", b"[1]", "not_object", "not_object", "not_object"),
    ("bad UTF-8", line(meta={"x": "y"}).replace(b"y", b"\xff"), "bad_utf8", "bad_utf8", "bad_utf8"),
    *((f"no {name}", line(**{name: ABSENT}), *[f"missing_{name}"] * 3) for name in ("id", "trace_id", "type")),
    ("wrong prefix", line(id="trc_1"), "bad_id", "bad_id", "bad_id"),
    ("number for id", line(id=5), "bad_id", "bad_id", "bad_id"),
    ("number for trace", line(trace_id=5), "bad_trace_id", "bad_trace_id", "bad_trace_id"),
    ("empty parent", line(parent_id=""), "bad_parent_id", "bad_parent_id", "bad_parent_id"),
    ("list for type", line(type=["TASK"]), "bad_type", "bad_type", "bad_type"),
    ("text for directed", line(directed="a"), "bad_directed", "bad_directed", "bad_directed"),
    ("null payload", line(payload=None), "bad_payload", "bad_payload", "bad_payload"),
    ("list for meta", line(meta=[]), "bad_meta", "bad_meta", "bad_meta"),
    ("no time", line(ts="noon"), "bad_ts", "bad_ts", "bad_ts"),
    ("number for ts", line(ts=1747405321), "bad_ts", "bad_ts", "bad_ts"),
    ("number for v", line(v=1), "bad_v", "bad_v", "bad_v"),
    ("major 2", line(v="2"), "bad_version", "bad_version", "bad_version"),
]


def outcome(study: Study, text: bytes, level: str) -> str:
    report = study.load(io.BytesIO(b"#\n" + text + b"\n"), level=level)  # type: ignore[arg-type]
    assert (report.lines, report.skipped, report.duplicates) == (2, 1, 0)
    if report.rows:
        assert study.signals().rows()[0]["line"] == 2
        return next(iter(report.flags), "row")
    (code,) = report.reasons
    entry = study.quarantine(reason=code).rows()[0]
    assert (entry["line"], entry["byte_offset"], entry["raw"]) == (2, 2, text)
    assert entry["detail"]
    return code


@pytest.mark.parametrize(
    ("text", "loose", "validate", "strict"), [row[1:] for row in OUTCOMES], ids=[row[0] for row in OUTCOMES]
)
def test_a_line_becomes_what_the_table_of_outcomes_says(text: bytes, loose: str, validate: str, strict: str) -> None:
    found = []
    for level in ("loose", "validate", "strict"):
        with kit.open(threads=1) as study:
            found.append(outcome(study, text, level))
    assert found == [loose, validate, strict]


def test_a_byte_order_mark_is_stripped_and_noted() -> None:
    with kit.load(io.BytesIO(b"\xef\xbb\xbf" + line())) as study:
        assert (study.load_report.rows, study.sources().rows()[0]["note"]) == (1, "began with a byte-order mark")
        assert "byte-order mark" in repr(study.load_report)


def test_a_line_that_is_too_long_is_kept_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_module("kit.io.load"), "LineReader", partial(LineReader, max_line_bytes=1000))
    with kit.load(io.BytesIO(line() + b"\n" + b"x" * 1001 + b"\n" + line(id="evt_2"))) as study:
        assert (study.load_report.lines, study.load_report.rows) == (3, 2)
        assert study.load_report.reasons["too_long"].line == 2
        assert study.sql("select octet_length(raw) n from quarantine").rows() == [{"n": 1000}]


@pytest.mark.long
def test_a_line_of_more_than_64_mb_is_too_long() -> None:
    with kit.load(io.BytesIO(line() + b"\n" + b"x" * (64 << 20) + b"y\n" + line(id="evt_2"))) as study:
        assert (study.load_report.lines, study.load_report.rows) == (3, 2)
        assert study.load_report.reasons["too_long"].line == 2
        assert study.sql("select octet_length(raw) n from quarantine").rows() == [{"n": 64 << 20}]


def test_an_account_names_one_example_of_each_reason_and_counts_the_rest() -> None:
    lines = [line(), b"{", b"", b"# c", line(id="x"), b"{", line(ts=ABSENT, id="evt_2")]
    with kit.load(io.BytesIO(b"\n".join(lines))) as study:
        report = study.load_report
    assert repr(report).splitlines() == [
        "<stream> into run 'capture': 7 lines",
        "  2 rows",
        "  3 in quarantine",
        f"    bad_json: 2, the first at <stream>, line 2 (byte {len(line()) + 1}): Expecting property name enclosed in double quotes "
        "at character 1 of the line; {",
        f"    bad_id: 1, the first at <stream>, line 5 (byte {len(line()) + 8}): id 'x' lacks the prefix 'evt_'; "
        '{"v":"1","id":"x","trace_id":"trc_01ARZ3NDEKTSV4…',
        "  2 blank or comment lines skipped",
        "  flags: no_ts 1",
    ]
    assert report.as_dict()["reasons"] == {"bad_json": 2, "bad_id": 1}
    assert report.rows + report.duplicates + report.quarantined + report.skipped == report.lines
    assert report.timing.lines == 7 and report.timing.seconds > 0
    assert "seconds" not in repr(report)


def test_a_report_shows_strange_text_escaped() -> None:
    with kit.load(io.BytesIO(b"<script>\x1b[31m\xff\n<b>&{")) as study:
        assert "\x1b" not in repr(study.load_report)
        html = study.load_report._repr_html_()
        assert "<script>" not in html and "<b>&{" not in html and "&lt;script&gt;" in html
        assert "bad_json" in html and "bad_utf8" in html


def test_a_report_holds_no_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "1.jsonl").write_bytes(b"{")
    with kit.load(tmp_path / "1.jsonl") as study:
        assert str(tmp_path) not in repr(study.load_report) + study.load_report._repr_html_()
        assert "1.jsonl, line 1" in repr(study.load_report)


def test_runs_keep_equal_ids_apart(small_capture: Path) -> None:
    text = small_capture.read_bytes()
    with kit.open() as study:
        first = study.load(io.BytesIO(text), run="a")
        second = study.load(io.BytesIO(text.replace(b'"attempt"', b'"trial"').replace(b".2", b".3")), run="b")
        assert (first.rows, second.rows, second.duplicates, second.flags) == (1037, 1037, 0, {})
        assert study.sql("select count(*) n from signals where not canonical").rows() == [{"n": 0}]
        assert [row["run"] for row in study.runs().rows()] == ["a", "b"]
        assert len(study.diff_runs("a", "b")) > 0


def test_a_later_source_of_one_call_can_take_rows_of_an_earlier_one() -> None:
    small, large = sorted(
        [line(), json.dumps(BASE).encode()], key=lambda raw: __import__("hashlib").sha256(raw).digest()
    )
    with kit.open() as study:
        report = study.load([io.BytesIO(large), io.BytesIO(small)])
        assert [(source.rows, source.duplicates) for source in report.sources] == [(0, 1), (1, 0)]
        assert [(row["rows"], row["duplicates"]) for row in study.sources().rows()] == [(0, 1), (1, 0)]
        assert (report.rows, report.duplicates, report.reencoded) == (1, 1, 1)


@settings(max_examples=10)
@given(st.lists(oddlines.odd_lines(), max_size=30), st.booleans())
def test_every_line_is_accounted_for(lines: list[str], repeated: bool) -> None:
    data = "\n".join(lines * (1 + repeated)).encode()
    with kit.open(threads=1) as study:
        report = study.load(io.BytesIO(data))
        assert report.lines == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
        counts = study.execute(
            "SELECT (SELECT count(*) FROM signals), (SELECT count(*) FROM duplicates), (SELECT count(*) FROM quarantine)"
        )[0]
        assert counts == (report.rows, report.duplicates, report.quarantined)
        assert sum(counts) + report.skipped == report.lines


def test_registry_snapshots_and_journals_load_beside_signals(tmp_path: Path) -> None:
    entries = [
        {"id": "coder", "kind": "llm", "role": "neuron", "capabilities": ["x"], "version": "1"},
        {"id": "", "kind": "llm", "role": "neuron"},
        {"id": "b", "kind": "k", "role": "neuron", "capabilities": "x"},
    ]
    (tmp_path / "registry.json").write_text(json.dumps(entries, indent=1))
    record = {"ts": "2026-01-01T00:00:00Z", "card_id": "c", "direction": "inbound", "signal": "TASK", "matched": [1]}
    lines = [
        json.dumps(record),
        json.dumps(record | {"ts": 1767225600.5}),
        json.dumps(record | {"ts": "noon"}),
        json.dumps(record | {"ts": "0001-01-01T00:00:00+14:00"}),
        json.dumps({**record, "card_id": "\ud800"}),
        '{"card_id":"c","direction":"in","x":' + "[" * 5000,
        '{"direction":"in"}',
        "[]",
    ]
    (tmp_path / "journal.jsonl").write_text("\n".join(lines))
    with kit.open() as study:
        report = study.load(tmp_path)
        assert [(source.family, source.rows, source.quarantined) for source in report.sources] == [
            ("glia_journal", 2, 6),
            ("registry", 1, 2),
        ]
        assert {code: reason.count for code, reason in report.reasons.items()} == {
            "bad_json": 2,
            "bad_ts": 2,
            "bad_capabilities": 1,
            "missing_card_id": 1,
            "missing_id": 1,
            "not_object": 1,
        } or report.reasons["bad_id"].count == 1
        rows = study.sql("select ts, record from policy_records order by line").rows()
        assert [row["ts"].isoformat() for row in rows] == [
            "2026-01-01T00:00:00+00:00",
            "2026-01-01T00:00:00.500000+00:00",
        ]
        assert json.loads(rows[0]["record"]) == record
        assert study.sql("select neuron_id, status from registry").rows() == [
            {"neuron_id": "coder", "status": "registered"}
        ]


@pytest.mark.parametrize("options", [{"run": ""}, {"run": 5}, {"level": "harsh"}])
def test_bad_arguments_say_what_is_possible(options: dict[str, Any]) -> None:
    with kit.open() as study, pytest.raises(ArgumentError, match=r"'capture'|'loose'"):
        study.load([line()], **options)


class Recorder:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def start(self, uri: str, total_bytes: int | None) -> None:
        self.calls.append(("start", uri, total_bytes))

    def advance(self, read_bytes: int, lines: int) -> None:
        self.calls.append(("advance", read_bytes))

    def finish(self) -> None:
        self.calls.append(("finish",))


def test_a_progress_of_the_caller_is_told_of_every_byte(small_capture: Path) -> None:
    told = Recorder()
    with kit.open() as study:
        study.load(small_capture, progress=told)
    assert told.calls[0] == ("start", str(small_capture), small_capture.stat().st_size)
    assert told.calls[-1] == ("finish",)
    assert sum(call[1] for call in told.calls if call[0] == "advance") == small_capture.stat().st_size


def test_a_load_is_silent_where_nobody_watches(small_capture: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with kit.open() as study:
        study.load(small_capture)
        study.load(small_capture, run="b", progress=False)
    assert capfd.readouterr() == ("", "")
