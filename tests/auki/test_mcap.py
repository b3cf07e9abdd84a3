"""A recording as MCAP and back: equal bytes, equal tables, and damage and other people's messages told."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import DATA, MISSION, POSE, manifest, pose, write_log
from mcap.reader import make_reader
from mcap.writer import Writer

import kit
from kit.auki import segment
from kit.auki.mcap import pack, unpack
from kit.auki.payload import encode
from kit.auki.restore import LOG, MANIFEST
from kit.errors import ArgumentError, LogError, SourceError

TABLES = ("poses", "joints", "camera_frames", "audio", "point_clouds", "detections", "clock_offsets")


def content(study: kit.Study) -> dict[str, list[dict[str, Any]]]:
    """Return every table of sensor logs, but for which source each row is of."""
    return {
        table: study.sql(f"SELECT * EXCLUDE (source_id) FROM {table} ORDER BY ALL").rows()
        for table in (*TABLES, "logs", "clocks", "frames", "sensors", "detectors", "resources", "quarantine")
    }


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A recording with an empty log, an empty segment, both encodings in turn, times that go back, a time before zero, equal
    times, a cut tail, a file that is no segment, and a header that differs from the name of its file."""
    folder = tmp_path / "odd"
    both = [
        (5, encode("pose", POSE, "cbor")),
        (3, encode("pose", POSE, "pb")),
        (3, encode("pose", POSE, "cbor")),
        (-7, b""),
    ]
    write_log(folder / "both", {0: both, 1_000_000_000: [], 2_000_000_000: [(2_000_000_000, pose())]})
    write_log(folder / "empty", {}, manifest("joints"))
    last = folder / "both" / "segments" / segment.file_name(2_000_000_000)
    last.write_bytes(last.read_bytes() + b"cut")
    (folder / "both" / "segments" / segment.file_name(7)).write_bytes(b"no segment")
    (folder / "both" / "segments" / segment.file_name(9)).write_bytes(segment.header(1) + segment.FRAMING.pack(9, 0))
    return folder


@pytest.mark.parametrize("name", ["pb", "cbor", "mission", "odd"])
def test_a_recording_comes_back_byte_by_byte_and_loads_as_its_folder_does(name: str, tmp_path: Path, odd: Path) -> None:
    folder = {"mission": MISSION / "robot", "odd": odd}.get(name, DATA / name)
    packed = pack(folder, tmp_path / "a.mcap")
    back = unpack(packed, tmp_path / "back")
    found = files(folder)
    assert files(back) == {path: data for path, data in found.items() if path not in ("queries.json", "expected.json")}
    with kit.open(threads=1) as one, kit.open(threads=1) as two:
        one.load(back)
        report = two.load(packed)
        wanted = content(one)
        for row in wanted["quarantine"]:
            row["detail"] = row["detail"].replace(f"{back}/", f"{packed}#")
        assert content(two) == wanted
        assert report.lines == report.rows + report.quarantined + report.duplicates + report.skipped
        assert [source.complete for source in report.sources if source.uri == str(packed)] == [True]
        assert "kit-mcap" not in repr(two.sql("SELECT uri, note FROM sources").rows()) + repr(two.quarantine().rows())
        again = two.load(packed)
        assert all(not source.new_lines for source in again.sources) and content(two) == wanted


def test_payloads_stay_in_the_file(tmp_path: Path, odd: Path) -> None:
    packed = pack(DATA / "pb", tmp_path / "a.mcap")
    with kit.open(threads=1) as one, kit.open(threads=1) as two:
        one.load(DATA / "pb")
        two.load(packed)
        for log in ("head_left_rgb", "mic", "head_lidar", "world->base_link", "yolo_v8@head_left_rgb"):
            for seq in (0, 17, 29):
                assert two.payload(log, seq) == one.payload(log, seq)
        packed.rename(tmp_path / "b.mcap")
        with pytest.raises(SourceError, match=r"a\.mcap: cannot be read"):
            two.payload("mic", 3)
    # Equal times are told apart by their turn, and a file without an index is walked through.
    cut = tmp_path / "odd.mcap"
    pack(odd, cut)
    whole = cut.read_bytes()
    with cut.open("rb") as file:
        end = max(
            index.chunk_start_offset + index.chunk_length for index in make_reader(file).get_summary().chunk_indexes
        )
    for data in (whole, whole[:end]):
        cut.write_bytes(data)
        with kit.open(threads=1) as study:
            study.load(cut)
            held = [study.payload("map->chassis", seq) for seq in range(4)]
        assert held == [encode("pose", POSE, "cbor"), encode("pose", POSE, "pb"), encode("pose", POSE, "cbor"), b""]


def test_a_damaged_chunk_costs_its_entries_and_nothing_else(tmp_path: Path) -> None:
    packed = pack(DATA / "pb", tmp_path / "a.mcap")
    data = bytearray(packed.read_bytes())
    with packed.open("rb") as file:
        chunks = sorted(index.chunk_start_offset for index in make_reader(file).get_summary().chunk_indexes)
    data[chunks[0] + 200] ^= 0xFF
    packed.write_bytes(data)
    with kit.open(threads=1) as whole, kit.open(threads=1) as study:
        whole.load(DATA / "pb")
        report = study.load(packed)
        (bad,) = study.sql("SELECT * FROM quarantine WHERE reason = 'bad_chunk'").rows()
        assert bad["byte_offset"] == chunks[0] and "cannot be read" in bad["detail"] and bad["raw"]
        assert not report.complete and "parts of it are damaged" in repr(report)
        assert len(study.logs()) == 9
        kept, had = content(study), content(whole)
        assert sum(len(kept[table]) for table in TABLES) < sum(len(had[table]) for table in TABLES)
        for table in ("clocks", "frames", "sensors", "logs"):
            assert kept[table] == had[table]
    with pytest.raises(SourceError, match=r"the chunk of .* cannot be read.*The rest is in"):
        unpack(packed, tmp_path / "rest")


def test_a_cut_file_keeps_what_came_before(tmp_path: Path) -> None:
    packed = pack(MISSION / "robot", tmp_path / "a.mcap")
    packed.write_bytes(packed.read_bytes()[:-40_000])
    with kit.open(threads=1) as study:
        report = study.load(packed)
        (cut,) = [row for row in study.quarantine() if row["reason"] == "cut_tail"]
        assert "the file was cut" in cut["detail"] and not report.complete
        assert sum(row["entries"] for row in study.logs()) > 0


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_is_a_crash_or_leaves_the_folder(data: st.DataObject, tmp_path: Path, odd: Path) -> None:
    packed = tmp_path / "odd.mcap"
    packed.unlink(missing_ok=True)
    broken = bytearray(pack(odd, packed).read_bytes())
    for at in data.draw(st.lists(st.integers(8, len(broken) - 1), min_size=1, max_size=4)):
        broken[at] ^= data.draw(st.integers(1, 255))
    packed.write_bytes(broken[: data.draw(st.integers(8, len(broken)))])
    before = set(tmp_path.iterdir())
    with kit.open(threads=1) as study:
        report = study.load(packed)
        assert report.lines == report.rows + report.quarantined + report.duplicates + report.skipped
    assert set(tmp_path.iterdir()) == before


def test_other_tools_can_decode_protobuf_payloads(tmp_path: Path) -> None:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    with pack(DATA / "pb", tmp_path / "a.mcap").open("rb") as file:
        found = {}
        for schema, channel, message in make_reader(file).iter_messages():
            found.setdefault(channel.topic.rpartition("/")[2], (schema, channel, message))
    schema, channel, message = found["world->base_link"]
    assert schema is not None and (channel.message_encoding, schema.name) == ("protobuf", "auki.pose")
    pool = descriptor_pool.DescriptorPool()
    for declared in descriptor_pb2.FileDescriptorSet.FromString(schema.data).file:
        pool.Add(declared)
    pose = message_factory.GetMessageClass(pool.FindMessageTypeByName("auki.pose")).FromString(message.data)
    with kit.open(threads=1) as study:
        study.load(DATA / "pb")
        row = study.sql("SELECT tx, qw FROM poses WHERE from_frame = 'world' ORDER BY seq LIMIT 1").rows()[0]
    assert (pose.translation.x, pose.orientation.w) == (row["tx"], row["qw"])


def foreign(path: Path, *, ours: Path | None = None) -> Path:
    """Write an MCAP file of other people's messages."""
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start("ros2", "test")
        schema = writer.register_schema("geometry_msgs/msg/Twist", "ros2msg", b"float64 x")
        for topic, encoding, number in (("/cmd_vel", "cdr", schema), ("/diagnostics", "json", 0)):
            channel = writer.register_channel(topic, encoding, number)
            for at in range(3):
                writer.add_message(channel, at, b"{}", at)
        writer.add_attachment(0, 0, "calibration.yaml", "application/yaml", b"fx: 1")
        writer.finish()
    return path


def test_what_is_no_log_of_ours_is_named_and_stays_in_its_file(tmp_path: Path) -> None:
    path = foreign(tmp_path / "foreign.mcap")
    with pytest.raises(
        SourceError, match=r"'/cmd_vel' \(cdr, geometry_msgs/msg/Twist\): 3 messages that are no sensor log"
    ):
        unpack(path, tmp_path / "out")
    with kit.open(threads=1) as study:
        report = study.load(path)
        assert (report.lines, report.rows, report.quarantined, report.complete) == (2, 0, 2, True)
        assert [row["reason"] for row in study.quarantine()] == ["foreign_channel"] * 2
        assert "'/diagnostics' (json)" in study.quarantine().rows()[1]["detail"]
        assert len(study.logs()) == 0
    (tmp_path / "bad.mcap").write_bytes(b"no mcap at all")
    for read in (lambda path: unpack(path, tmp_path / "out2"), kit.load):
        with pytest.raises(SourceError, match="is no MCAP file"):
            read(tmp_path / "bad.mcap")
    with pytest.raises(SourceError, match="give its path"):
        kit.load(io.BytesIO(path.read_bytes()))
    with kit.open(threads=1) as study:
        assert study.load(tmp_path / "f*.mcap").quarantined == 2
        assert study.load([path], run="again").quarantined == 2


@pytest.mark.parametrize(
    "told",
    [
        {"path": "../up", "segments": []},
        {"path": "/abs", "segments": []},
        {"path": "log", "segments": [["../../up.seg", 1]]},
        {"path": "log", "segments": [["1.seg", "many"]]},
        {"path": "log", "segments": 5},
        {"path": "log\0", "segments": [["1.seg", 1]]},
        [],
        None,
    ],
    ids=repr,
)
def test_a_channel_that_says_what_cannot_be_is_no_log(told: object, tmp_path: Path) -> None:
    path = tmp_path / "evil.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        metadata = {MANIFEST: "{}"} | ({LOG: json.dumps(told)} if told is not None else {})
        writer.add_message(writer.register_channel("log", "cbor", 0, metadata), 1, b"", 1)
        writer.add_attachment(0, 0, "../../up.json", "application/json", b"{}")
        writer.finish()
    with kit.open(threads=1) as study:
        study.load(path)
        reasons = [row["reason"] for row in study.quarantine()]
        assert reasons == (["bad_channel"] if told is not None else []) + ["bad_attachment", "foreign_channel"]
        assert "leads out of the folder" in study.quarantine().rows()[reasons.index("bad_attachment")]["detail"]
    with pytest.raises(SourceError):
        unpack(path, tmp_path / "in" / "here")
    assert not list(tmp_path.rglob("up*"))


def test_without_the_extra_the_error_says_what_to_install(tmp_path: Path) -> None:
    packed = pack(DATA / "pb", tmp_path / "a.mcap")
    program = (
        "import sys\n"
        "sys.modules['mcap'] = None\n"
        "import kit\n"
        f"try: kit.load({str(packed)!r})\n"
        "except kit.errors.MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'namespace-kit[robotics]'" in done.stdout


def test_nothing_is_overwritten_and_a_folder_without_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no log is under this folder"):
        pack(tmp_path, tmp_path / "a.mcap")
    (tmp_path / "b.mcap").write_bytes(b"")
    with pytest.raises(ArgumentError, match="exists already"):
        pack(DATA / "pb", tmp_path / "b.mcap")
    with pytest.raises(ArgumentError, match="is not empty"):
        unpack(tmp_path / "b.mcap", tmp_path)
