"""Catalog rows: what parses, what is refused in which words, and what comes out again (spec/auki.md 1)."""

import json
from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.auki import ResourceEntry
from kit.errors import KitError

CLOCK = {"peer_id": "rover-3", "id": "mast_clock", "hash": "00"}
SENSOR = {
    "variant": "sensor_log",
    "source_peer_id": "rover-3",
    "writer_peer_id": "rover-3",
    "resource_id": "mast_rgb",
    "state": "live",
    "head": {"kind": "rolling", "retention_ns": 8000000000},
    "available": {"bytes": 120000, "entries": 240, "duration_ns": 7990000000},
    "sensor": {
        "kind": "camera",
        "type": "rgb",
        "sensor_id": "mast_rgb",
        "sensor_hash": "b6d944524d9a08b457996f4fee425a98",
    },
    "manifest": {"clock": CLOCK, "frame": {"peer_id": "rover-3", "id": "mast_optical", "hash": "11"}},
}
POSE = {
    "variant": "pose_log",
    "source_peer_id": "rover-3",
    "writer_peer_id": "depot",
    "resource_id": "map->chassis",
    "state": "sealed",
    "extent": {"start_at_ns": 10, "finish_at_ns": 90},
    "available": {"bytes": 640, "entries": 9, "duration_ns": 80},
    "pose": {"writer_mode": "movable"},
    "manifest": {
        "from_frame": {"peer_id": "depot", "id": "map", "hash": "2"},
        "to_frame": {"peer_id": "rover-3", "id": "chassis", "hash": "3"},
        "clock": {"peer_id": "rover-3", "id": "session/sdk_clock", "hash": "4"},
        "source": {"kind": "ros2_tf", "publishers": ["ekf"]},
        "expected_rate_hz": 100,
    },
}
TIME = {
    "variant": "time_transform_log",
    "source_peer_id": "rover-3",
    "writer_peer_id": "rover-3",
    "resource_id": "session/sdk_clock->wall_clock",
    "state": "live",
    "head": {"kind": "fixed", "started_at_ns": 5},
    "available": {"bytes": 0, "entries": 0, "duration_ns": 0},
    "manifest": {
        "from_clock": {"peer_id": "rover-3", "id": "session/sdk_clock", "hash": "4"},
        "to_clock": {"peer_id": "rover-3", "id": "wall_clock", "hash": "5"},
        "source": {"kind": "local_clock_read"},
    },
}
DETECTION = {
    "variant": "detection_log",
    "source_peer_id": "rover-3",
    "writer_peer_id": "rover-3",
    "resource_id": "tags@mast_rgb",
    "state": "live",
    "head": {"kind": "rolling", "retention_ns": 8000000000},
    "available": {"bytes": 10, "entries": 1, "duration_ns": 0},
    "manifest": {
        "detector": {"peer_id": "rover-3", "id": "tags", "hash": "6"},
        "input_log": {"source_peer_id": "rover-3", "resource_id": "mast_rgb"},
        "input_sensor": {"peer_id": "rover-3", "id": "mast_rgb", "hash": "7"},
        "clock": CLOCK,
    },
}
ROWS = [SENSOR, POSE, TIME, DETECTION]
each_row = pytest.mark.parametrize("row", [pytest.param(row, id=f"auki-1-{row['variant']}") for row in ROWS])


def changed(row: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of `row` with the value at a dotted path set, or taken away where it is `...`."""
    made: dict[str, Any] = json.loads(json.dumps(row))
    *above, last = path.split(".")
    inner = made
    for key in above:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return made


@each_row
def test_a_row_of_each_variant_comes_from_a_dict_and_from_json(row: dict[str, Any]) -> None:
    entry = ResourceEntry.from_dict(row)
    assert entry == ResourceEntry.from_json(json.dumps(row))
    for name in ("variant", "source_peer_id", "writer_peer_id", "resource_id", "state", "available"):
        assert getattr(entry, name) == row[name]
    for name in ("head", "extent", "sensor", "pose"):
        assert getattr(entry, name) == row.get(name)
    assert entry.manifest == row["manifest"]
    assert json.loads(entry.to_json()) == row == entry.to_dict()


@each_row
def test_blocks_are_fresh_at_each_access(row: dict[str, Any]) -> None:
    entry = ResourceEntry.from_dict(row)
    before = entry.to_json()
    for name in ("head", "extent", "available", "sensor", "pose", "manifest"):
        block = getattr(entry, name)
        if block is not None:
            block["kind"] = "changed"
            block.clear()
    entry.manifest.get("clock", {}).clear()
    entry.to_dict()["manifest"].clear()
    assert entry.to_json() == before
    row = json.loads(json.dumps(row))
    entry = ResourceEntry.from_dict(row)
    row["available"]["bytes"] = 5
    assert entry.to_json() == before


def test_auki_1_the_seed_page_row_has_an_older_hash_and_parses() -> None:
    row = changed(POSE, "manifest.clock.hash", "...")
    assert ResourceEntry.from_dict(row).manifest["clock"]["hash"] == "..."


def test_any_mapping_is_taken_for_a_dict() -> None:
    assert ResourceEntry.from_dict(MappingProxyType(SENSOR)) == ResourceEntry.from_dict(OrderedDict(SENSOR))


BAD: list[tuple[str, dict[str, Any], str]] = [
    (
        "bogus-variant",
        changed(SENSOR, "variant", "bogus"),
        "unknown variant `bogus`, expected one of `sensor_log`, `pose_log`, `time_transform_log`, `detection_log`",
    ),
    ("no-available", changed(SENSOR, "available", ...), "missing field `available`"),
    ("no-manifest", changed(SENSOR, "manifest", ...), "missing field `manifest`"),
    ("no-variant", changed(SENSOR, "variant", ...) | {"kind": "camera"}, "missing field `variant`"),
    ("no-state", changed(SENSOR, "state", ...), "missing field `state`"),
    ("no-clock", changed(SENSOR, "manifest.clock", ...), "manifest: missing field `clock`"),
    ("no-entries", changed(SENSOR, "available.entries", ...), "available: missing field `entries`"),
    ("head-kind", changed(SENSOR, "head.kind", "ring"), "head: unknown variant `ring`, expected `rolling` or `fixed`"),
    ("head-without-retention", changed(SENSOR, "head.retention_ns", ...), "missing field `retention_ns`"),
    (
        "sensor-kind",
        changed(SENSOR, "sensor.kind", "point_cloud"),
        "unknown variant `point_cloud`, expected one of `camera`",
    ),
    ("writer-mode", changed(POSE, "pose.writer_mode", "soft"), "unknown variant `soft`, expected `rigid` or `movable`"),
    ("pose-source", changed(POSE, "manifest.source", {"kind": "gps"}), "unknown variant `gps`, expected `manual` or"),
    ("ros2-publishers", changed(POSE, "manifest.source", {"kind": "ros2_tf"}), "missing field `publishers`"),
    (
        "time-source",
        changed(TIME, "manifest.source", {"kind": "ntp"}),
        "unknown variant `ntp`, expected `local_clock_read`",
    ),
    ("text-for-i64", changed(SENSOR, "head.retention_ns", "x"), 'invalid type: string "x", expected i64'),
    ("float", changed(SENSOR, "head.retention_ns", 5.0), "invalid type: floating point `5.0`, expected i64"),
    ("float-for-u64", changed(SENSOR, "available.bytes", 5.0), "invalid type: floating point `5.0`, expected u64"),
    ("bool", changed(SENSOR, "available.bytes", True), "invalid type: boolean `true`, expected u64"),
    ("negative", changed(SENSOR, "available.bytes", -1), "invalid value: integer `-1`, expected u64"),
    ("negative-u32", changed(POSE, "manifest.expected_rate_hz", -1), "invalid value: integer `-1`, expected u32"),
    ("u32-and-one", changed(POSE, "manifest.expected_rate_hz", 2**32), "expected u32"),
    ("null-required", changed(SENSOR, "available", None), "invalid type: null, expected struct Available"),
    ("list-for-struct", changed(SENSOR, "available", [1, 2, 3]), "invalid type: sequence, expected struct Available"),
    ("number-for-text", changed(SENSOR, "state", 3), "invalid type: integer `3`, expected a string"),
    ("publishers-no-list", changed(POSE, "manifest.source.publishers", "ekf"), "expected a sequence"),
    ("half-a-character", changed(SENSOR, "state", "\ud800"), "lone leading surrogate in hex escape"),
    ("nan", changed(SENSOR, "available.duration_ns", float("nan")), "expected value"),
]


@pytest.mark.parametrize(("row", "detail"), [pytest.param(row, text, id=f"auki-2-{name}") for name, row, text in BAD])
def test_a_wrong_row_is_a_value_error_in_the_parsers_words(row: dict[str, Any], detail: str) -> None:
    for make, kind in ((ResourceEntry.from_dict, "dict"), (lambda r: ResourceEntry.from_json(json.dumps(r)), "JSON")):
        with pytest.raises(ValueError) as caught:
            make(row)
        text = str(caught.value)
        assert text.startswith(f"invalid ResourceEntry {kind}: ")
        assert detail in text
        assert " at line 1 column " in text
        assert isinstance(caught.value, KitError)


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        pytest.param("", "EOF while parsing a value at line 1 column 0", id="auki-2-empty"),
        pytest.param("{", "EOF while parsing an object at line 1 column 1", id="auki-2-brace"),
        pytest.param('{"a": [1,\n 2', "EOF while parsing a list at line 2 column 2", id="auki-2-list"),
        pytest.param('{"a": "x', "EOF while parsing a string at line 1 column 8", id="auki-2-string"),
        pytest.param('{"a": 1} x', "trailing characters at line 1 column 10", id="auki-2-trailing"),
        pytest.param("[]", "invalid type: sequence", id="auki-2-array"),
        pytest.param("5", "invalid type: integer `5`", id="auki-2-scalar"),
        pytest.param('{"variant":"sensor_log","variant":"pose_log"}', "duplicate field `variant`", id="auki-2-twice"),
        pytest.param('{"a": Infinity}', "expected value", id="auki-2-infinity"),
        pytest.param("[" * 100_000, "recursion limit exceeded", id="auki-2-deep"),
        pytest.param('{"a": ' + "9" * 5000 + "}", "at line 1 column", id="auki-2-many-digits"),
    ],
)
def test_text_that_is_no_row_is_a_value_error_with_line_and_column(text: str, detail: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid ResourceEntry JSON: ") as caught:
        ResourceEntry.from_json(text)
    assert detail in str(caught.value)


@pytest.mark.parametrize("wrong", [object(), {1, 2}, b"bytes", [object()]])
def test_auki_2_what_json_cannot_hold_is_a_value_error_and_a_type_error(wrong: object) -> None:
    for row in (changed(SENSOR, "state", ...) | {"state": wrong}, {"extra": wrong}):
        for kind in (ValueError, TypeError):
            with pytest.raises(kind, match=r"^invalid ResourceEntry dict: "):
                ResourceEntry.from_dict(row)


def test_auki_2_a_row_that_holds_itself_is_a_value_error() -> None:
    row: dict[str, Any] = dict(SENSOR)
    row["loop"] = row
    with pytest.raises(ValueError, match=r"^invalid ResourceEntry dict: "):
        ResourceEntry.from_dict(row)
    with pytest.raises(ValueError, match=r"^invalid ResourceEntry dict: invalid type: sequence"):
        ResourceEntry.from_dict([1])  # type: ignore[arg-type]


def test_auki_3_unknown_keys_are_ignored_and_dropped_at_every_level() -> None:
    row = json.loads(json.dumps(SENSOR), object_hook=lambda block: block | {"later": {"x": [1]}})
    assert ResourceEntry.from_dict(row).to_dict() == SENSOR


def test_auki_3_odd_rows_parse_and_lint_tells() -> None:
    odd = changed(changed(SENSOR, "head", ...), "sensor", ...)
    assert ResourceEntry.from_dict(odd).lint() == [
        "state is live, but there is no head",
        "a sensor_log has no sensor block",
        "manifest.clock: hash '00' is not 32 lower-case hex digits",
        "manifest.frame: hash '11' is not 32 lower-case hex digits",
    ]
    both = changed(changed(POSE, "head", {"kind": "fixed", "started_at_ns": 1}), "extent.start_at_ns", 91)
    assert ResourceEntry.from_dict(both).lint()[:2] == [
        "head and extent are both present",
        "extent starts after it finishes",
    ]
    sealed = changed(changed(POSE, "extent", ...), "pose", ...) | {"sensor": SENSOR["sensor"]}
    assert ResourceEntry.from_dict(sealed).lint()[:3] == [
        "state is sealed, but there is no extent",
        "a pose_log has a sensor block",
        "a pose_log has no pose block",
    ]
    named = changed(TIME, "manifest.to_clock.id", "wall clock")
    assert "manifest.to_clock: id 'wall clock' is empty or holds '>', '@' or white space" in (
        ResourceEntry.from_dict(named).lint()
    )
    assert "a time_transform_log has a pose block" in ResourceEntry.from_dict(TIME | {"pose": POSE["pose"]}).lint()


def test_auki_3_a_clean_row_has_nothing_to_tell() -> None:
    clean = json.loads(json.dumps(SENSOR).replace('"00"', f'"{"0" * 32}"').replace('"11"', f'"{"1" * 32}"'))
    assert ResourceEntry.from_dict(clean).lint() == []


def test_auki_3_the_state_is_an_open_word() -> None:
    assert ResourceEntry.from_dict(changed(SENSOR, "state", "archived")).state == "archived"


def test_auki_4_json_is_compact_in_a_fixed_order_without_what_is_absent() -> None:
    backwards = {key: SENSOR[key] for key in reversed(SENSOR)} | {"extent": None, "pose": None}
    backwards["manifest"] = {"frame": None, "clock": {"hash": "00", "id": "c", "peer_id": "p"}}
    assert ResourceEntry.from_dict(backwards).to_json() == (
        '{"source_peer_id":"rover-3","writer_peer_id":"rover-3","resource_id":"mast_rgb","state":"live",'
        '"head":{"kind":"rolling","retention_ns":8000000000},'
        '"available":{"bytes":120000,"entries":240,"duration_ns":7990000000},'
        '"sensor":{"kind":"camera","type":"rgb","sensor_id":"mast_rgb",'
        '"sensor_hash":"b6d944524d9a08b457996f4fee425a98"},'
        '"variant":"sensor_log","manifest":{"clock":{"peer_id":"p","id":"c","hash":"00"}}}'
    )


def test_auki_4_the_manifest_of_a_sensor_log_always_has_a_frame_in_the_getter() -> None:
    entry = ResourceEntry.from_dict(changed(SENSOR, "manifest.frame", ...))
    assert entry.manifest == {"clock": CLOCK, "frame": None}
    assert '"frame"' not in entry.to_json()


def test_a_detection_row_keeps_the_two_later_keys() -> None:
    cadence = {"kind": "periodic", "period_ns": 5}
    row = changed(changed(DETECTION, "manifest.instance_id", "tags-1"), "manifest.cadence", cadence)
    assert ResourceEntry.from_dict(row).to_dict() == row
    assert ResourceEntry.from_dict(changed(row, "manifest.cadence", {"kind": "every_frame"})).manifest["cadence"] == {
        "kind": "every_frame"
    }


@pytest.mark.parametrize(
    ("path", "low", "high"),
    [
        pytest.param("available.bytes", 0, 2**64 - 1, id="auki-5-u64"),
        pytest.param("available.duration_ns", -(2**63), 2**63 - 1, id="auki-5-i64"),
        pytest.param("head.retention_ns", -(2**63), 2**63 - 1, id="auki-5-head"),
    ],
)
def test_the_ends_of_an_integer_range_survive_and_one_beyond_fails(path: str, low: int, high: int) -> None:
    for value in (low, high):
        entry = ResourceEntry.from_dict(changed(SENSOR, path, value))
        assert ResourceEntry.from_json(entry.to_json()).to_dict() == changed(SENSOR, path, value)
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match=f"invalid value: integer `{value}`"):
            ResourceEntry.from_dict(changed(SENSOR, path, value))


def test_rows_are_equal_by_their_json_and_can_be_in_sets() -> None:
    one, same = ResourceEntry.from_dict(SENSOR), ResourceEntry.from_dict(dict(reversed(SENSOR.items())))
    other = ResourceEntry.from_dict(POSE)
    assert one == same and hash(one) == hash(same)
    assert one != other and one != SENSOR
    assert len({one, same, other}) == 2


def test_a_row_has_no_other_constructor_and_a_short_repr() -> None:
    with pytest.raises(TypeError, match="from_dict"):
        ResourceEntry()
    assert repr(ResourceEntry.from_dict(POSE)) == (
        'ResourceEntry(source_peer_id="rover-3", resource_id="map->chassis", variant="pose_log", state="sealed")'
    )


@pytest.mark.parametrize(
    ("kind", "row", "sensor"),
    [
        ("camera", SENSOR, ("camera", "rgb")),
        ("point_cloud", SENSOR, ("rangefinder", "point_cloud")),
        ("audio", SENSOR, ("audio", "pcm")),
        ("joint_encoders", SENSOR, ("joint_encoders", "absolute")),
        ("pose", POSE, None),
        ("time_transform", TIME, None),
        ("detection", DETECTION, None),
    ],
)
def test_a_row_of_the_design_document_becomes_one_of_the_wire(
    kind: str, row: dict[str, Any], sensor: tuple[str, str] | None
) -> None:
    design = {key: value for key, value in row.items() if key not in ("variant", "sensor", "pose")} | {"kind": kind}
    design["manifest"] = dict(row["manifest"])
    if sensor:
        design["manifest"]["sensor"] = {"peer_id": "rover-3", "id": "mast_rgb", "hash": SENSOR["sensor"]["sensor_hash"]}
    if kind == "pose":
        design["manifest"]["writer_mode"] = "movable"
    entry = ResourceEntry.from_design_row(design)
    assert entry.variant == row["variant"]
    expected = dict(row)
    if sensor:
        expected["sensor"] = dict(SENSOR["sensor"]) | {"kind": sensor[0], "type": sensor[1]}
    assert entry.to_dict() == expected


def test_a_design_row_of_no_known_kind_is_refused_and_from_dict_takes_none() -> None:
    with pytest.raises(ValueError, match="kind 'gps' is none of camera"):
        ResourceEntry.from_design_row({"kind": "gps"})
    with pytest.raises(ValueError, match="missing field `variant`"):
        ResourceEntry.from_dict(changed(SENSOR, "variant", ...) | {"kind": "camera"})


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
i64s, u64s = st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1)
refs = st.fixed_dictionaries({"peer_id": texts, "id": texts, "hash": texts})
heads = st.one_of(
    st.fixed_dictionaries({"kind": st.just("rolling"), "retention_ns": i64s}),
    st.fixed_dictionaries({"kind": st.just("fixed"), "started_at_ns": i64s}),
)
manifests = {
    "sensor_log": st.fixed_dictionaries({"clock": refs}, optional={"frame": refs}),
    "pose_log": st.fixed_dictionaries(
        {
            "from_frame": refs,
            "to_frame": refs,
            "clock": refs,
            "source": st.one_of(
                st.just({"kind": "manual"}),
                st.fixed_dictionaries({"kind": st.just("ros2_tf"), "publishers": st.lists(texts, max_size=3)}),
            ),
            "expected_rate_hz": st.integers(0, 2**32 - 1),
        }
    ),
    "time_transform_log": st.fixed_dictionaries(
        {"from_clock": refs, "to_clock": refs, "source": st.just({"kind": "local_clock_read"})}
    ),
    "detection_log": st.fixed_dictionaries(
        {
            "detector": refs,
            "input_log": st.fixed_dictionaries({"source_peer_id": texts, "resource_id": texts}),
            "input_sensor": refs,
            "clock": refs,
        },
        optional={"instance_id": texts},
    ),
}
rows = st.sampled_from(sorted(manifests)).flatmap(
    lambda variant: st.fixed_dictionaries(
        {
            "variant": st.just(variant),
            "source_peer_id": texts,
            "writer_peer_id": texts,
            "resource_id": texts,
            "state": texts,
            "available": st.fixed_dictionaries({"bytes": u64s, "entries": u64s, "duration_ns": i64s}),
            "manifest": manifests[variant],
        },
        optional={"head": heads, "extent": st.fixed_dictionaries({"start_at_ns": i64s, "finish_at_ns": i64s})},
    )
)


@settings(max_examples=60)
@given(rows)
def test_auki_4_a_row_survives_json_and_comes_out_the_same_again(row: dict[str, Any]) -> None:
    entry = ResourceEntry.from_dict(row)
    assert entry.to_dict() == row
    assert ResourceEntry.from_json(entry.to_json()) == entry
    assert ResourceEntry.from_json(entry.to_json()).to_json() == entry.to_json()
    assert isinstance(entry.lint(), list)


@settings(max_examples=50)
@given(st.text(max_size=40) | st.recursive(st.none() | st.booleans() | st.floats() | texts, st.lists).map(json.dumps))
def test_no_text_does_worse_than_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid ResourceEntry JSON: "):
        ResourceEntry.from_json(text)
