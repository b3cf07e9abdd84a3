"""The SQL that turns lines into rows, and its proof that a line is plain.

DuckDB's JSON functions are lenient where a loader must not be (measured with 2.0): they take trailing commas,
`nan` and `inf` in any case, repeated keys (the first counts), and turn a number into text when text is asked
for. So nothing is taken on trust. A line is taken where its columns, written out again the way the SDKs write
them (`schema.REBUILT`), are the line to the byte: a space, a comma, an escape, another key or another type
would be missing from that. Such a line is not stored a second time as text.

Repeated keys inside payload and meta survive writing, so they are looked for by name (`UNREPEATED`) and non-finite
numbers by pattern, both where there may be any (`suspect.py`). Lines in another spacing or key order are asked `general`
questions instead.
"""

from collections.abc import Sequence

from kit.cosmonapse.types import REQUIRED_PAYLOAD, SignalType
from kit.cosmonapse.wire import ENVELOPE_FIELDS, Level
from kit.schema import REBUILT

SHAPE = """{"v":"VARCHAR","id":"VARCHAR","trace_id":"VARCHAR","parent_id":"VARCHAR","type":"VARCHAR",\
"directed":{"id":"VARCHAR","type":"VARCHAR","capabilities":["VARCHAR"]},"ts":"VARCHAR",\
"payload":"JSON","meta":"JSON"}"""
STAMP = r"(?:[1-9]\d{3}|0[1-9]\d\d|00[1-9]\d|000[1-9])-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z"
NONFINITE = r"[:,\[][ \t\r]*-?(?:[nN][aA]|[iI])"
TRAILING_COMMA = r",[ \t\r]*[\]}]"
DEPTH = """CASE WHEN strlen(payload) + strlen(meta) < 400 THEN true
     ELSE strlen(line_text) - strlen(translate(line_text, '[{', '')) < 200 END"""
"""Nothing is nested as deep as `examine` refuses: two brackets a level are needed, in strings or not."""
DIGITS = """CASE WHEN strlen(payload) + strlen(meta) < 4300 THEN true
     ELSE NOT regexp_matches(line_text, '[0-9]{1000}') END"""
"""No integer is as long as Python and `examine` refuse; RE2 counts to a thousand."""
ULID = "[0-7][0-9A-HJKMNP-TV-Z]{25}"

UNREPEATED = (
    "len(list_filter(list_filter(json_keys(concat('[', {json}, ']'), '$..*'), lambda k: len(k) > 1),"
    " lambda k: len(k) <> list_unique(k))) = 0"
)


def statement(level: Level, doubtful: str, suspect: str | None) -> str:
    """Return the INSERT of the lines in `incoming_lines` that are plain; it takes the run and the source number.

    Lines in doubt go to the SQL function named `doubtful`, which takes line, offset and text and returns false. It
    must be declared volatile: then DuckDB cannot copy the tests into its scan, where each would parse the line anew.
    `suspect` names the SQL function that says of a JSON text whether it may repeat a key or hold a number that is not
    finite (`suspect.py`); None where no key is known to be repeated.
    """
    always = " AND ".join([*_always(suspect), *_level(level)])
    return f"""
INSERT INTO signals BY NAME
SELECT run, source_id, line, id, trace_id, parent_id, type, v,
       j.directed.id AS directed_id, j.directed.type AS directed_type,
       j.directed.capabilities AS directed_capabilities, make_timestamptz(epoch_us(stamp)) AS ts, j.ts AS ts_text,
       j.payload AS payload, j.meta AS meta,
       CASE strlen(j.ts) WHEN 24 THEN 'typescript' WHEN 27 THEN 'python' WHEN 20 THEN 'python' ELSE 'other' END AS dialect,
       [] AS flags, true AS canonical, CASE WHEN NOT plain THEN line_text END AS text
FROM (
    SELECT *, CASE WHEN {always} AND plain THEN true
                   WHEN {always} AND {" AND ".join(_general())} THEN true
                   ELSE {doubtful}(line, byte_offset, line_text) END AS ok
    FROM (
        SELECT *, coalesce(line_text = {_rebuilt()}, false) AS plain
        FROM (
            SELECT ? AS run, ? AS source_id, line, byte_offset, line_text, j,
                   j.id AS id, j.trace_id AS trace_id, j.parent_id AS parent_id, j.type AS type, j.v AS v,
                   j.payload::VARCHAR AS payload, j.meta::VARCHAR AS meta,
                   try_cast(CASE WHEN strlen(j.ts) > 27 THEN j.ts[:26] || 'Z' ELSE j.ts END AS TIMESTAMP) AS stamp
            FROM (
                SELECT *, json_transform(CASE WHEN json_valid(line_text) THEN line_text END, '{SHAPE}') AS j
                FROM (SELECT line, byte_offset, text::VARCHAR AS line_text FROM incoming_lines)
            )
        )
    )
)
WHERE ok"""  # noqa: S608  only constants of this module are put in; values are bound


def _rebuilt() -> str:
    """Return the SQL of the line that the parsed fields make."""
    fields = {name: f"j.{name}" for name in ("v", "id", "trace_id", "parent_id", "type")}
    directed = {f"directed_{name}": f"j.directed.{name}" for name in ("id", "type", "capabilities")}
    return REBUILT.format(ts_text="j.ts", payload="payload", meta="meta", **fields, **directed)


def _general() -> Sequence[str]:
    names = ", ".join(f"'{name}'" for name in sorted(ENVELOPE_FIELDS))
    return (
        "json_type(line_text, '$.v') = 'VARCHAR'",
        "coalesce(json_extract(line_text, '$.directed')::VARCHAR = to_json(j.directed)::VARCHAR, true)",
        f"list_sort(json_keys(line_text)) = [{names}]",
        f"NOT regexp_matches(line_text, '{TRAILING_COMMA}')",
        f"NOT regexp_matches(line_text, '{NONFINITE}')",
    )


def _always(suspect: str | None) -> Sequence[str]:
    types = ", ".join(f"'{name}'" for name in SignalType.__members__)
    return (
        "(j.v = '1' OR starts_with(j.v, '1.'))",
        "starts_with(j.id, 'evt_')",
        "starts_with(j.trace_id, 'trc_')",
        "(j.parent_id IS NULL OR starts_with(j.parent_id, 'evt_'))",
        # Not IN: DuckDB 2.0 makes a hash join of a long list, and carries each line through it.
        f"try_cast(j.type AS ENUM({types})) IS NOT NULL",
        f"regexp_full_match(j.ts, '{STAMP}')",
        "stamp IS NOT NULL",
        DEPTH,
        DIGITS,
        "starts_with(payload, '{')",
        "starts_with(meta, '{')",
        _sound("payload", suspect),
        f"CASE WHEN meta = '{{}}' THEN true ELSE {_sound('meta', suspect)} END",
    )


def _sound(json: str, suspect: str | None) -> str:
    """Return the test that a JSON text repeats no key and has finite numbers only."""
    finite = f"NOT regexp_matches({json}, '{NONFINITE}')"
    if suspect is None:
        return finite
    return f"CASE WHEN {suspect}({json}) THEN {finite} AND {UNREPEATED.format(json=json)} ELSE true END"


def _level(level: Level) -> Sequence[str]:
    """Return what a level asks for beyond `loose`; a line that fails is examined, which finds the reason."""
    if level == "loose":
        return ()
    if level == "validate":
        return ("v = '1'",)
    required = " ".join(
        f"WHEN '{kind.value}' THEN list_has_all(json_keys(payload), [{', '.join(repr(key) for key in keys)}])"
        for kind, keys in REQUIRED_PAYLOAD.items()
        if keys
    )
    return (
        "v = '1'",
        f"regexp_full_match(id, 'evt_{ULID}')",
        f"regexp_full_match(trace_id, 'trc_{ULID}')",
        f"(parent_id IS NULL OR regexp_full_match(parent_id, 'evt_{ULID}'))",
        f"CASE type {required} ELSE true END",
        "NOT (type = 'IMPRINT' AND NOT list_contains(json_keys(payload), 'merge_key'))",
    )
