"""The fast way through a record line and the exact one give the same row, or the line goes the exact way."""

import io
import json
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from syncropel_lines import NUMBERS, SAMPLE, STRINGS, VECTORS, mutated, record_texts

from kit import schema
from kit.io.lines import LineReader
from kit.jsonline import Refusal
from kit.syncropel.examine import content_digest, record_row
from kit.syncropel.fast import RecordReader, integrities
from kit.syncropel.load import Loading

PHASES = (Phase.explicit, Phase.generate)
"""No shrinking: the texts are short, and it takes minutes."""
PLACE = ("run", "source_id", "line")


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as held:
        held.execute("SET threads = 1")
        held.execute(schema.ddl("records"))
        yield held


def bulk(connection: duckdb.DuckDBPyConnection, texts: list[str], level: Any = "loose") -> dict[int, dict[str, Any]]:
    """Load lines in bulk; each row, or the reason and detail of the quarantine, by line."""
    connection.execute("DELETE FROM records")
    loading = Loading(connection, "r", 1, level)
    loading.load(LineReader(io.BytesIO("\n".join(texts).encode())).batches())
    rows = connection.sql("SELECT * REPLACE (body::VARCHAR AS body) FROM records").to_arrow_table().to_pylist()
    found = {row["line"]: {key: value for key, value in row.items() if key not in PLACE} for row in rows}
    return found | {bad["line"]: {"reason": bad["reason"], "detail": bad["detail"]} for bad in loading.quarantine}


def exact(text: str, level: Any = "loose") -> dict[str, Any]:
    outcome = record_row(text, level)
    return outcome._asdict() if isinstance(outcome, Refusal) else outcome


def line_of(body: str) -> str:
    """A record with `body`, and the id that is right for it where there is one."""
    fields = f'"act":"PUT","actor":"me","body":{body},"clock":0,"data_type":"SCALAR","parents":[],"thread":"t"'
    return f'{{"id":"{content_digest("{" + fields + "}")}",{fields}}}'


def test_every_number_and_string_gives_the_same_row_both_ways(connection: duckdb.DuckDBPyConnection) -> None:
    texts = [line_of(f'{{"v":{value},"w":[{value}]}}') for value in [*NUMBERS, *STRINGS]]
    texts += [line_of(f"{{{key}:1}}") for key in STRINGS]
    found = bulk(connection, texts)
    assert found == {number: exact(text) for number, text in enumerate(texts, 1)}
    taken = sum(RecordReader().row(text.encode()) is not None for text in texts)
    assert taken > len(texts) / 2


def test_vectors_and_sample_go_the_fast_way(connection: duckdb.DuckDBPyConnection) -> None:
    texts = [json.dumps({"id": vector["id7"], **vector["record"]}, ensure_ascii=False) for vector in VECTORS["records"]]
    texts += SAMPLE.read_text("utf-8").split("\n")[:-1]
    assert all(RecordReader().row(text.encode()) is not None for text in texts)
    found = bulk(connection, texts)
    assert found == {number: exact(text) for number, text in enumerate(texts, 1)}
    assert {row["integrity"] for row in found.values()} == {"ok"}


REPEATED = [
    ('{"a":1,"a":2}', True),
    ('{"a":{"b":1,"b":1}}', True),
    ('{"a":1,"\\u0061":2}', True),
    ('{"a":1,"a":"\\u0022:"}', True),
    ('{"a":1,"a":"\\"\\u003A"}', True),
    ('{"a" :1,"a":2}', True),
    ('{"a"\t:1,"b":2}', False),
    ('{"a":":","b":"\\":","\\":":1}', False),
    ('{"a":"x : y","b":"\\" : "}', False),
    ('{"a":"\\\\u0022:"}', False),
    ('[{"a":1},{"a":1}]', False),
]


@pytest.mark.parametrize(("body", "repeated"), REPEATED)
def test_a_repeated_key_is_flagged(connection: duckdb.DuckDBPyConnection, body: str, repeated: bool) -> None:
    text = line_of(f'{{"v":{body}}}')
    row = bulk(connection, [text])[1]
    assert row["flags"] == (["duplicate_keys"] if repeated else [])
    assert row["integrity"] == "ok"
    assert row == exact(text)


def test_a_repeated_key_outside_of_the_body_is_flagged(connection: duckdb.DuckDBPyConnection) -> None:
    text = line_of("{}")
    for more in ('"object":"a","object":"b"', '"act":"PUT"', '"object":"record","act":"PUT"', '"x":{"a":1,"a":2}'):
        assert bulk(connection, [f"{text[:-1]},{more}}}"])[1]["flags"] == ["duplicate_keys"]
    for more in ('"object":"a"', '"x":{"a":1,"b":2}', '"sequence":0,"namespace":"n","created_at":"2026","score":0.5'):
        assert bulk(connection, [f"{text[:-1]},{more}}}"])[1]["flags"] == []


def test_depth_is_taken_up_to_a_fixed_limit(connection: duckdb.DuckDBPyConnection) -> None:
    texts = [line_of('{"v":' + "[" * depth + "]" * depth + "}") for depth in (100, 240, 300, 398, 399, 5000)]
    found = bulk(connection, texts)
    assert found == {number: exact(text) for number, text in enumerate(texts, 1)}
    assert [row.get("integrity") for _, row in sorted(found.items())] == ["ok"] * 4 + [None] * 2
    assert found[6] == {"reason": "bad_json", "detail": "nested deeper than 400 levels"}


def test_wrapped_and_bare_lines_may_alternate(connection: duckdb.DuckDBPyConnection) -> None:
    bare = line_of('{"v":1}')
    claimed = json.loads(bare)["id"]
    feed, audit = f'{{"id":"{claimed}","record":{bare}}}', f'{{"category":"system","thread":"t","record":{bare}}}'
    both = f'{bare[:-1]},"record":{bare}}}'
    other = f'{{"id":"x","record":{bare}}}'
    texts = [bare, feed, bare, audit, audit, both, feed, both, other, f'{{"record":{bare}}}']
    found = bulk(connection, texts)
    assert found == {number: exact(text) for number, text in enumerate(texts, 1)}
    wrappers = [row["wrapper"] for _, row in sorted(found.items())]
    assert wrappers == [
        "bare",
        "envelope",
        "bare",
        "audit",
        "audit",
        "bare",
        "envelope",
        "bare",
        "envelope",
        "envelope",
    ]
    assert found[9]["flags"] == ["other_id"]


@pytest.mark.parametrize("level", ["loose", "validate", "strict"])
@settings(max_examples=12, phases=PHASES)
@given(texts=st.lists(record_texts() | mutated(record_texts()), min_size=1, max_size=12))
def test_both_ways_agree_on_any_text(connection: duckdb.DuckDBPyConnection, level: Any, texts: list[str]) -> None:
    check(connection, level, texts)


@pytest.mark.long
@settings(max_examples=1500, phases=PHASES)
@given(texts=st.lists(record_texts() | mutated(record_texts()), min_size=1, max_size=12))
def test_both_ways_agree_on_very_many_texts(connection: duckdb.DuckDBPyConnection, texts: list[str]) -> None:
    check(connection, "loose", texts)


def check(connection: duckdb.DuckDBPyConnection, level: Any, texts: list[str]) -> None:
    lines = [text for text in "\n".join(texts).split("\n") if text.strip() and not text.strip().startswith("#")]
    expected = {number: exact(text, level) for number, text in enumerate(lines, 1)}
    assert bulk(connection, lines, level) == expected
    if level == "loose":
        words = [row.get("integrity", "bad_line") for row in expected.values()]
        assert integrities(text.encode() for text in lines) == words
