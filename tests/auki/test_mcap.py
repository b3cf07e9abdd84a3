"""A recording as MCAP and back: equal content, and other people's messages told."""

from pathlib import Path

import pytest
from logs import DATA, MISSION

import kit
from kit.auki.mcap import pack, unpack
from kit.errors import ArgumentError, LogError, SourceError

TABLES = ("poses", "joints", "camera_frames", "audio", "point_clouds", "detections", "clock_offsets")


@pytest.mark.parametrize("folder", [DATA / "pb", DATA / "cbor", MISSION / "robot"])
def test_a_recording_comes_back_with_equal_content(folder: Path, tmp_path: Path) -> None:
    back = unpack(pack(folder, tmp_path / "a.mcap"), tmp_path / "back")
    with kit.open(threads=1) as one, kit.open(threads=1) as two:
        one.load(folder)
        assert two.load(back).complete
        for table in TABLES:
            query = f'SELECT * EXCLUDE (source_id, "offset", line) FROM {table} ORDER BY log_id, seq'
            if table in ("camera_frames", "audio", "point_clouds"):
                query = query.replace("line)", "line, data_offset)")
            assert two.sql(query).rows() == one.sql(query).rows(), table
        registered = "SELECT peer_id, id, hash, hash_ok FROM {} ORDER BY ALL"
        for table in ("clocks", "frames", "sensors", "detectors"):
            assert two.sql(registered.format(table)).rows() == one.sql(registered.format(table)).rows()
        manifests = "SELECT log_id, manifest FROM logs ORDER BY log_id"
        assert two.sql(manifests).rows() == one.sql(manifests).rows()


def test_other_tools_can_decode_protobuf_payloads(tmp_path: Path) -> None:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from mcap.reader import make_reader

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


def test_what_is_no_log_of_ours_is_named(tmp_path: Path) -> None:
    from mcap.writer import Writer

    with (tmp_path / "foreign.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel("/cmd_vel", "json", 0)
        writer.add_message(channel, 1, b"{}", 1)
        writer.finish()
    with pytest.raises(SourceError, match="'/cmd_vel' are no sensor logs"):
        unpack(tmp_path / "foreign.mcap", tmp_path / "out")
    (tmp_path / "bad.mcap").write_bytes(b"no mcap at all")
    with pytest.raises(SourceError, match="cannot be read as MCAP"):
        unpack(tmp_path / "bad.mcap", tmp_path / "out2")


def test_an_attachment_cannot_leave_its_folder(tmp_path: Path) -> None:
    from mcap.writer import Writer

    with (tmp_path / "evil.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        writer.add_attachment(0, 0, "../../up.json", "application/json", b"{}")
        writer.finish()
    with pytest.raises(SourceError, match="leads out of the folder"):
        unpack(tmp_path / "evil.mcap", tmp_path / "in" / "here")
    assert not (tmp_path.parent / "up.json").exists()


def test_nothing_is_overwritten_and_a_folder_without_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no log is under this folder"):
        pack(tmp_path, tmp_path / "a.mcap")
    (tmp_path / "b.mcap").write_bytes(b"")
    with pytest.raises(ArgumentError, match="exists already"):
        pack(DATA / "pb", tmp_path / "b.mcap")
    with pytest.raises(ArgumentError, match="is not empty"):
        unpack(tmp_path / "b.mcap", tmp_path)
