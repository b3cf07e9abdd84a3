"""The SQL that turns lines into rows, and its proof that a line is plain.

DuckDB's JSON functions are lenient where a loader must not be (measured with 2.0): they take trailing commas,
`nan` and `inf` in any case, repeated keys (the first counts), and turn a number into text when text is asked
for. So nothing is taken on trust. A line is taken where its columns, written out again the way the SDKs write
them (`schema.REBUILT`), are the line to the byte: a space, a comma, an escape, another key or another type
would be missing from that. Such a line is not stored a second time as text.

Repeated keys inside payload and meta survive writing, so they are looked for by name (`UNREPEATED`), as are
non-finite numbers by pattern. Lines in another spacing or key order are asked `general` questions instead.
"""

from collections.abc import Sequence

from kit.cosmonapse.types import REQUIRED_PAYLOAD, SignalType
from kit.cosmonapse.wire import ENVELOPE_FIELDS, Level
from kit.schema import REBUILT

SHAPE = """{"v":"JSON","id":"VARCHAR","trace_id":"VARCHAR","parent_id":"VARCHAR","type":"VARCHAR",\
"directed":"JSON","ts":"VARCHAR","payload":"JSON","meta":"JSON"}"""
DIRECTED_SHAPE = '{"id":"VARCHAR","type":"VARCHAR","capabilities":["VARCHAR"]}'
STAMP = r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z"
NONFINITE = r"[:,\[][ \t\r]*-?(?:[nN][aA]|[iI])"
TRAILING_COMMA = r",[ \t\r]*[\]}]"
ULID = "[0-7][0-9A-HJKMNP-TV-Z]{25}"

DIRECTED = "coalesce(x.directed = to_json(d)::VARCHAR, true)"
UNREPEATED = (
    "len(list_filter(list_filter(json_keys(concat('[', {json}, ']'), '$..*'), lambda k: len(k) > 1),"
    " lambda k: len(k) <> list_unique(k))) = 0"
)


def statement(level: Level, doubtful: str) -> str:
    """Return the INSERT of the lines in `incoming_lines` that are plain; it takes the run and the source number.

    Lines in doubt go to the SQL function named `doubtful`, which takes line, offset and text and returns false. It
    must be declared volatile: then DuckDB cannot copy the tests into its scan, where each would parse the line anew.
    """
    always = " AND ".join([*_always(), *_level(level)])
    return f"""
INSERT INTO signals BY NAME
SELECT run, source_id, line, x.id AS id, x.trace_id AS trace_id, x.parent_id AS parent_id, x.type AS type,
       x.v[2:-2] AS v, d.id AS directed_id, d.type AS directed_type, d.capabilities AS directed_capabilities,
       stamp AS ts, x.ts AS ts_text, x.payload AS payload, x.meta AS meta,
       CASE strlen(x.ts) WHEN 24 THEN 'typescript' WHEN 27 THEN 'python' WHEN 20 THEN 'python' ELSE 'other' END AS dialect,
       [] AS flags, true AS canonical, CASE WHEN NOT plain THEN line_text END AS text
FROM (
    SELECT *, CASE WHEN {always} AND plain THEN true
                   WHEN {always} AND {" AND ".join(_general())} THEN true
                   ELSE {doubtful}(line, byte_offset, line_text) END AS ok
    FROM (
        SELECT *, coalesce(line_text = {_rebuilt()}, false) AS plain
        FROM (
            SELECT *, json_transform(x.directed, '{DIRECTED_SHAPE}') AS d,
                   try_cast(CASE WHEN strlen(x.ts) > 27 THEN x.ts[:26] || 'Z' ELSE x.ts END AS TIMESTAMP) AS stamp
            FROM (
                SELECT ? AS run, ? AS source_id, line, byte_offset, line_text, {_columns()} AS x
                FROM (
                    SELECT *, json_transform(CASE WHEN json_valid(line_text) THEN line_text END, '{SHAPE}') AS j
                    FROM (SELECT line, byte_offset, text::VARCHAR AS line_text FROM incoming_lines)
                )
            )
        )
    )
)
WHERE ok"""  # noqa: S608  only constants of this module are put in; values are bound


def _columns() -> str:
    """Return the parsed line with its JSON fields as plain text, since functions treat the type JSON otherwise."""
    fields = ", ".join(f"'{name}': j.{name}::VARCHAR" for name in ENVELOPE_FIELDS)
    return f"{{{fields}}}"


def _rebuilt() -> str:
    """Return the SQL of the line that the parsed fields make; `x.v` is JSON text, with its quotes."""
    names = ("id", "trace_id", "parent_id", "type", "payload", "meta")
    directed = {f"directed_{name}": f"d.{name}" for name in ("id", "type", "capabilities")}
    return REBUILT.format(v="x.v[2:-2]", ts_text="x.ts", **{name: f"x.{name}" for name in names}, **directed)


def _general() -> Sequence[str]:
    names = ", ".join(f"'{name}'" for name in sorted(ENVELOPE_FIELDS))
    return (
        DIRECTED,
        f"list_sort(json_keys(line_text)) = [{names}]",
        f"NOT regexp_matches(line_text, '{TRAILING_COMMA}')",
        f"NOT regexp_matches(line_text, '{NONFINITE}')",
    )


def _always() -> Sequence[str]:
    types = ", ".join(f"'{name}'" for name in SignalType.__members__)
    return (
        "(x.v = '\"1\"' OR (starts_with(x.v, '\"1.') AND NOT contains(x.v, chr(92))))",
        "starts_with(x.id, 'evt_')",
        "starts_with(x.trace_id, 'trc_')",
        "(x.parent_id IS NULL OR starts_with(x.parent_id, 'evt_'))",
        f"x.type IN ({types})",
        f"regexp_full_match(x.ts, '{STAMP}')",
        "stamp IS NOT NULL",
        "starts_with(x.payload, '{')",
        "starts_with(x.meta, '{')",
        f"NOT regexp_matches(x.payload, '{NONFINITE}')",
        f"(x.meta = '{{}}' OR NOT regexp_matches(x.meta, '{NONFINITE}'))",
        UNREPEATED.format(json="x.payload"),
        f"CASE WHEN x.meta = '{{}}' THEN true ELSE {UNREPEATED.format(json='x.meta')} END",
    )


def _level(level: Level) -> Sequence[str]:
    """Return what a level asks for beyond `loose`; a line that fails is examined, which finds the reason."""
    if level == "loose":
        return ()
    if level == "validate":
        return ("x.v = '\"1\"'",)
    required = " ".join(
        f"WHEN '{kind.value}' THEN list_has_all(json_keys(x.payload), [{', '.join(repr(key) for key in keys)}])"
        for kind, keys in REQUIRED_PAYLOAD.items()
        if keys
    )
    return (
        "x.v = '\"1\"'",
        f"regexp_full_match(x.id, 'evt_{ULID}')",
        f"regexp_full_match(x.trace_id, 'trc_{ULID}')",
        f"(x.parent_id IS NULL OR regexp_full_match(x.parent_id, 'evt_{ULID}'))",
        f"CASE x.type {required} ELSE true END",
        "NOT (x.type = 'IMPRINT' AND NOT list_contains(json_keys(x.payload), 'merge_key'))",
    )
