"""Odd signal lines of every sort, and the check that bulk and exact loading agree on them."""

import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from benchmarks import irregular
from kit.cosmonapse.examine import examine
from kit.cosmonapse.load import Loading
from kit.io.lines import LineReader
from kit.jsonline import Refusal
from kit.store.store import Store

SAMPLE = Path(__file__).resolve().parents[1] / "datasets" / "cosmonapse-small.jsonl"
JSON_COLUMNS = ("payload", "meta", "extra")
Change = Callable[[str, Random], str]

VALUES = (
    *("NaN", "nan", "Infinity", "-Infinity", "inf", "-inf", "infinity", "NAN", "nAn", "-NaN"),
    *(
        "1e5",
        "1E5",
        "10.50",
        "-0.0",
        "-0",
        "0",
        "1e400",
        "-1e400",
        "1e-400",
        "5e-324",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "0x1",
    ),
    *(str(2**53 + 1), str(2**63), str(2**64), str(-(2**63) - 1), str(10**100), "9" * 4300, "9" * 4301, "1.0", "1_0"),
    *("null", "true", "false", "True", "None", "undefined", "tru", "nul", "{}", "[]", "[null]", '[""]', '{"":null}'),
    *(
        '""',
        '"x"',
        '"1"',
        '"evt_"',
        '"trc_"',
        '"\\u0000"',
        '"\\ud83d\\ude00"',
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\\/"',
    ),
    *(
        '"\\x41"',
        '"\\n"',
        '"a\tb"',
        '"a\x7fb"',
        '"a\u2028b"',
        '"\ufeff"',
        '"nan"',
        '"[NaN]"',
        '":NaN,"',
        '",}"',
        '"é☃"',
    ),
    *(
        '{"a":1,"a":2}',
        '{"a":{"b":1,"b":1}}',
        '[{"k":1,"k":2}]',
        '{"a":1,"\\u0061":2}',
        "[1,]",
        '{"a":1,}',
        "[,]",
        "[1 2]",
    ),
    *(
        "'x'",
        "{a:1}",
        "/*c*/1",
        "1//c",
        '{"id":"a","type":null,"capabilities":[]}',
        '{"id":"a"}',
        '{"id":null,"id":"b"}',
    ),
    *('{"capabilities":["x",1]}', '{"capabilities":null}', '{"type":5}', '{"id":"a","zone":"z"}', '{"id":1.0}'),
    *('{"id":"a,b","type":"c\\"d","capabilities":["e, f","g"]}', '{"capabilities":[],"type":"t","id":"i"}'),
)
STAMPS = (
    *("2026-05-16T14:22:01Z", "2026-05-16T14:22:01.3Z", "2026-05-16T14:22:01.391Z", "2026-05-16T14:22:01.391000Z"),
    *(
        "2026-05-16T14:22:01.123456789Z",
        "2026-05-16T14:22:01.1234567Z",
        "2026-05-16T14:22:01.1234567890Z",
        "2026-05-16",
    ),
    *(
        "2026-05-16T14:22:01",
        "2026-05-16 14:22:01Z",
        "2026-05-16t14:22:01z",
        "2026-05-16T14:22Z",
        "2026-05-16T14:22:60Z",
    ),
    *(
        "2026-05-16T24:00:00Z",
        "2026-02-29T00:00:00Z",
        "2024-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-05-16T14:22:01+02:00",
    ),
    *(
        "2026-05-16T14:22:01+0200",
        "2026-05-16T14:22:01-00:00",
        "2026-05-16T14:22:01.5+14:00",
        "0001-01-01T00:00:00+14:00",
    ),
    *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0000-01-01T00:00:00Z"),
    *(
        "1747405321391",
        "1747405321",
        "1747405321.5",
        "-1",
        "1e9",
        "NaN",
        "inf",
        "",
        " ",
        "yesterday",
        "14:22",
        "20260516T142201Z",
    ),
    *(
        "2026-05-16T14:22:01.Z",
        "2026-05-16T14:22:01,5Z",
        " 2026-05-16T14:22:01Z",
        "2026-05-16T14:22:01Z ",
        "２０２６-05-16T14:22:01Z",
    ),
    *(
        "2026-05-16T14:22:01.391\\u005a",
        "2026-05-16T14:22:01Z\\u0000",
        "+2026-05-16T14:22:01Z",
        "12026-05-16T14:22:01Z",
    ),
)
VERSIONS = (
    "1",
    "1.",
    "1.5",
    "1.5.2",
    "1.é",
    "1.\\u0041",
    "1.\\n",
    "2",
    "10",
    "01",
    "",
    " 1",
    "1 ",
    "0.9",
    "1,5",
    "\\u0031",
)
TYPES = ("TASK", "task", "VOTE", "", "TASK ", "AUDIT", "THOUGHT_DELTA", "TAS\\u004b", "\\u0000")
IDS = (
    "evt_",
    "evt_1",
    "evt_é",
    "trc_1",
    "",
    "x",
    "evt_a\\u0000b",
    "evt_\\u0041",
    "\\u0065vt_1",
    "evt_ ",
    "EVT_1",
    "evt_\u2028",
    "evt_\\ud800",
)


def _field(name: str, value: str) -> Change:
    """Set a top-level field to JSON text, in place where it is there."""

    def change(line: str, _rng: Random) -> str:
        try:
            items = json.loads(line)
        except ValueError:
            return line
        if not isinstance(items, dict):
            return line
        parts = {key: json.dumps(item, ensure_ascii=False, separators=(",", ":")) for key, item in items.items()}
        parts[name] = value
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{text}" for key, text in parts.items()) + "}"

    return change


def _any_field(line: str, rng: Random) -> str:
    name = rng.choice(["v", "id", "trace_id", "parent_id", "type", "directed", "ts", "payload", "meta", "neuron", "x"])
    return _field(name, rng.choice(VALUES))(line, rng)


def _inside(line: str, rng: Random) -> str:
    """Put an odd value into payload, meta, directed, or deeper."""
    name = rng.choice(["payload", "meta", "meta", "directed"])
    shape = rng.choice(
        ['{{"k":{}}}', '{{"k":[{}]}}', '{{"a":1,"k":{{"b":[0,{}],"c":2}}}}', '{{ "k" : {} }}', '{{"a":{},"b":1}}']
    )
    return _field(name, shape.format(rng.choice(VALUES)))(line, rng)


def _stamped(line: str, rng: Random) -> str:
    return _field("ts", f'"{rng.choice(STAMPS)}"')(line, rng)


def _version(line: str, rng: Random) -> str:
    return _field("v", f'"{rng.choice(VERSIONS)}"')(line, rng)


def _typed(line: str, rng: Random) -> str:
    return _field("type", f'"{rng.choice(TYPES)}"')(line, rng)


def _named(line: str, rng: Random) -> str:
    return _field(rng.choice(["id", "trace_id", "parent_id"]), f'"{rng.choice(IDS)}"')(line, rng)


def _spaced(line: str, rng: Random) -> str:
    space = rng.choice([" ", "\t", "\r", "  ", "\f", "\u00a0", "\ufeff", "\u2028", "\x00"])
    at = rng.choice([i for i, char in enumerate(line) if char in '{}[]:,"'] or [0]) + rng.randint(0, 1)
    return line[:at] + space + line[at:]


def _reordered(line: str, rng: Random) -> str:
    try:
        items = list(json.loads(line).items())
    except (ValueError, AttributeError):
        return line
    rng.shuffle(items)
    style = rng.choice([(",", ":"), (", ", ": "), (" ,", " :")])
    return json.dumps(dict(items), ensure_ascii=rng.random() < 0.5, separators=style)


def _dropped(line: str, rng: Random) -> str:
    try:
        items = json.loads(line)
        items.pop(rng.choice(list(items)))
    except (ValueError, AttributeError, IndexError, TypeError):
        return line
    return json.dumps(items, ensure_ascii=False, separators=(",", ":"))


def _repeated_key(line: str, rng: Random) -> str:
    starts = [i + 1 for i, char in enumerate(line) if char == "{"]
    if not starts:
        return line
    at = rng.choice(starts)
    name = rng.choice(
        ['"meta":{}', '"type":"PLAN"', '"id":"evt_0"', '"q":1', '"k":2', '"trace_id":"trc_0"', '"\\u0069d":"evt_9"']
    )
    return line[:at] + name + ("" if line[at : at + 1] == "}" else ",") + line[at:]


def _trailing_comma(line: str, rng: Random) -> str:
    ends = [i for i, char in enumerate(line) if char in "}]"]
    at = rng.choice(ends) if ends else 0
    return line[:at] + rng.choice([",", ", ", ",,"]) + line[at:]


def _edited(line: str, rng: Random) -> str:
    at = rng.randrange(len(line) + 1)
    other = rng.choice('{}[],:"\\ 0eE+-.nN\x00\x1f\x7f\u2028')
    return rng.choice([line[:at] + line[at + 1 :], line[:at] + other + line[at:], line[:at] + other + line[at + 1 :]])


def _cut(line: str, rng: Random) -> str:
    return line[: rng.randrange(len(line) + 1)]


def _escaped(line: str, rng: Random) -> str:
    letters = [i for i, char in enumerate(line) if char.isalpha()]
    if not letters:
        return line
    at = rng.choice(letters)
    return f"{line[:at]}\\u{ord(line[at]):04x}{line[at + 1 :]}" if ord(line[at]) < 0x10000 else line


def _more(line: str, rng: Random) -> str:
    return line + rng.choice([line, " {}", "\r", " ", "x", "//c", ",", "]", "\x0b", "null"])


def _deep(line: str, rng: Random) -> str:
    depth = rng.choice([100, 197, 198, 199, 200, 201, 250, 3000])
    opened, closed = rng.choice([("[", "]"), ('{"a":', "}")])
    core = opened * depth + ("1" if opened != "[" else "") + closed * depth
    return _field("payload", '{"k":' + core + "}")(line, rng)


def _legacy(line: str, rng: Random) -> str:
    line = _field("neuron", rng.choice(['"coder"', '""', "null", "5", '["a"]']))(line, rng)
    return _field(
        "directed", rng.choice(["null", "{}", '{"id":"coder"}', '{"id":"other","type":"t","capabilities":[]}'])
    )(line, rng)


def _irregular(line: str, rng: Random) -> str:
    kind = rng.choice(sorted(irregular.KINDS))
    if kind == "bad_utf8" or not irregular.fits(irregular.KINDS[kind], line):
        return line
    try:
        return irregular.KINDS[kind].change(line, rng).decode()
    except (ValueError, KeyError, AttributeError, TypeError):
        return line


CHANGES: tuple[Change, ...] = (
    *(_any_field, _any_field, _inside, _inside, _stamped, _version, _typed, _named, _spaced, _reordered, _dropped),
    *(_repeated_key, _trailing_comma, _edited, _cut, _escaped, _more, _deep, _legacy, _irregular, _irregular),
)


def sample_lines() -> list[str]:
    return SAMPLE.read_text("utf-8").removesuffix("\n").split("\n")


def odd(line: str, changes: Iterable[Change], seed: int) -> str:
    """A line after some changes; newlines have no place in one."""
    rng = Random(seed)
    for change in changes:
        # A change that wants JSON leaves a line alone that is none, or too deep for Python.
        with suppress(ValueError, RecursionError):
            line = change(line, rng)
    return line.replace("\n", " ").encode("utf-8", "replace").decode()


def odd_lines() -> st.SearchStrategy[str]:
    return st.builds(
        odd,
        st.sampled_from(sample_lines()),
        st.lists(st.sampled_from(CHANGES), max_size=3),
        st.integers(0, 2**32),
    ).filter(lambda line: line.strip() and not line.strip().startswith("#"))


SKIPPED = {"skipped": True}


def expected(text: str, level: str = "loose") -> dict[str, Any]:
    """What must become of a line, by the exact path."""
    if not text.strip() or text.strip().startswith("#"):
        return SKIPPED
    outcome = examine(text, level)  # type: ignore[arg-type]
    if isinstance(outcome, Refusal):
        return {"reason": outcome.reason}
    moment = outcome["ts"]
    # Integers, since a wrong time may be none that Python has.
    since = None if moment is None else (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    return comparable({**outcome, "ts": since, "raw": text})


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name not in ("run", "source_id", "line", "text")}
    for name in JSON_COLUMNS:
        if shown[name] is not None:
            shown[name] = _as_value(shown[name])
    return shown


def _as_value(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError) as error:
        return f"no JSON for Python: {error}"


FRAME = (
    '{"v":"1","id":"evt_01M6DQS9M0007C7CMQ7FRT5M4P","trace_id":"trc_01M6DQS9M0008731GBSWKB6F0J","parent_id":null,'
    '"type":"TASK","directed":null,"ts":"2026-11-02T09:00:00Z","payload":{"input":1},"meta":{}}'
)
"""A line to put before and after others: the first and the last of a block are not like those between."""


def read(lines: list[str]) -> list[pa.RecordBatch]:
    """Return lines as the reader hands them over, with one more before and after them; the first of `lines` is line 2."""
    return list(LineReader(BytesIO("\n".join([FRAME, *lines, FRAME, ""]).encode())).batches())


def bulk(store: Store, lines: list[str], level: str = "loose") -> list[dict[str, Any]]:
    """What the bulk path makes of each line, with nothing of it kept; equal ids are no matter here."""
    connection = store.connection
    connection.execute("BEGIN TRANSACTION")
    try:
        loading = Loading(connection, "bulk", 1, level)  # type: ignore[arg-type]
        loading.load(iter(read(lines)))
        rows = store.arrow(
            "SELECT * REPLACE (epoch_us(ts) AS ts) FROM signals WHERE run = 'bulk' AND line BETWEEN 2 AND $last",
            {"last": len(lines) + 1},
        ).to_pylist()
    finally:
        connection.execute("ROLLBACK")
    found = {row["line"]: comparable(row) for row in rows}
    assert len(found) == len(rows), "a line became two rows"
    for refused in loading.quarantine:
        assert refused["line"] not in found, "a line became a row and was refused"
        assert refused["raw"].decode() == lines[refused["line"] - 2]
        found[refused["line"]] = {"reason": refused["reason"]}
    return [found.get(number, SKIPPED) for number in range(2, len(lines) + 2)]
