"""Tables of sensor logs and of the registry entries around them (Auki).

Every table of entries has the place of the row (`source_id` is a segment file, `line` the number of the entry in it), the
log, `seq` (the number of the entry in the log), `ts_ns` on the log's clock, values, and where the payload stands in
the segment (`offset`, `length`), by which it can be read again.
"""

from kit.schema.column import PLACE, Column, Tables

ENTRY = (
    *PLACE,
    Column("log_id", "VARCHAR", "the log: peer/session/resource_id"),
    Column("seq", "BIGINT", "number of the entry in the log, from 0"),
    Column("ts_ns", "BIGINT", "nanoseconds on the clock of the log"),
)
PAYLOAD = (
    Column("offset", "BIGINT", "byte of the segment where the payload begins"),
    Column("length", "BIGINT", "bytes of the payload"),
)
DATA = (
    Column("data_offset", "BIGINT", "byte of the segment where the data begins; NULL where it is in pieces"),
    Column("data_length", "BIGINT", "bytes of the data"),
)
REGISTERED = (
    Column("peer_id", "VARCHAR", "peer that registered it"),
    Column("id", "VARCHAR", "its id"),
    Column("hash", "VARCHAR", "hash it is filed under"),
    Column("hash_ok", "BOOLEAN", "whether its content has that hash"),
)
RAW = Column("raw", "VARCHAR", "the text as it stood")
BODY = (Column("body", "JSON", "the whole entry"), RAW)

TABLES: Tables = {
    "logs": (
        *PLACE,
        Column("log_id", "VARCHAR", "peer/session/resource_id; parts that the log does not tell are empty"),
        Column("path", "VARCHAR", "folder of the log, from the folder that was loaded"),
        Column("variant", "VARCHAR", "sensor_log, pose_log, time_transform_log or detection_log"),
        Column("kind", "VARCHAR", "what its entries hold: camera, pose, ...; NULL where its sensor is not known"),
        Column("source_peer_id", "VARCHAR", "peer the data is from"),
        Column("writer_peer_id", "VARCHAR", "peer that wrote this copy"),
        Column("app_id", "VARCHAR", "application"),
        Column("session_id", "VARCHAR", "session"),
        Column("resource_id", "VARCHAR", "id of the resource, rebuilt from the manifest"),
        Column("clock_peer_id", "VARCHAR", "peer of the clock of ts_ns"),
        Column("clock_id", "VARCHAR", "the clock of ts_ns"),
        Column("clock_hash", "VARCHAR", "hash of the clock"),
        Column("from_peer_id", "VARCHAR", "of a pose or time transform log: peer of where it maps from"),
        Column("from_id", "VARCHAR", "frame or clock it maps from"),
        Column("from_hash", "VARCHAR", "hash of that"),
        Column("to_peer_id", "VARCHAR", "peer of where it maps to"),
        Column("to_id", "VARCHAR", "frame or clock it maps to"),
        Column("to_hash", "VARCHAR", "hash of that"),
        Column("sensor_id", "VARCHAR", "the sensor; of a detection log, the one it looks at"),
        Column("frame_id", "VARCHAR", "frame of a sensor log"),
        Column("writer_mode", "VARCHAR", "rigid or movable, for a pose log"),
        Column("segment_duration_ns", "BIGINT", "time a segment covers"),
        Column("retention_ns", "BIGINT", "time entries are kept, 0 for ever"),
        Column("segments", "BIGINT", "segment files"),
        Column("flags", "VARCHAR[]", "what the manifest lacks of the current format"),
        Column("manifest", "JSON", "the whole manifest"),
        RAW,
    ),
    "clocks": (
        *PLACE,
        *REGISTERED,
        Column("type", "VARCHAR", "monotonic_clock or utc_clock"),
        Column("unit", "VARCHAR", "ns"),
        Column("monotonic", "BOOLEAN", "whether it never goes back"),
        Column("epoch", "VARCHAR", "its zero, NULL where it has none that means anything"),
        Column("scope", "VARCHAR", "device-local, domain-local or global"),
        *BODY,
    ),
    "frames": (
        *PLACE,
        *REGISTERED,
        Column("handedness", "VARCHAR", "right or left"),
        Column("x", "VARCHAR", "direction of the x axis"),
        Column("y", "VARCHAR", "direction of the y axis"),
        Column("z", "VARCHAR", "direction of the z axis"),
        Column("units", "VARCHAR", "meters, centimeters or millimeters"),
        *BODY,
    ),
    "sensors": (
        *PLACE,
        *REGISTERED,
        Column("kind", "VARCHAR", "camera, rangefinder, rf, audio, joint_encoders or scalar"),
        Column("type", "VARCHAR", "rgb, point_cloud, pcm, ..."),
        Column("frame_peer_id", "VARCHAR", "peer of its frame"),
        Column("frame_id", "VARCHAR", "its frame"),
        Column("frame_hash", "VARCHAR", "hash of its frame"),
        *BODY,
    ),
    "detectors": (
        *PLACE,
        *REGISTERED,
        Column("type", "VARCHAR", "aruco, qr, esl or object_detection"),
        Column("output_types", "VARCHAR[]", "types of what it finds"),
        *BODY,
    ),
    "resources": (
        *PLACE,
        Column("variant", "VARCHAR", "sensor_log, pose_log, time_transform_log or detection_log"),
        Column("source_peer_id", "VARCHAR", "peer the data is from"),
        Column("writer_peer_id", "VARCHAR", "peer that serves this copy"),
        Column("resource_id", "VARCHAR", "id within its source peer"),
        Column("state", "VARCHAR", "live, sealed, ..."),
        Column("head", "JSON", "of a live one: what it keeps"),
        Column("extent", "JSON", "of a sealed one: first and last time"),
        Column("available", "JSON", "bytes, entries and duration"),
        Column("sensor", "JSON", "kind, type, id and hash of the sensor"),
        Column("pose", "JSON", "writer mode of a pose log"),
        Column("manifest", "JSON", "references of its variant"),
        RAW,
    ),
    "poses": (
        *ENTRY,
        Column("tx", "DOUBLE", "translation, in units of the frame mapped to"),
        Column("ty", "DOUBLE", "translation"),
        Column("tz", "DOUBLE", "translation"),
        Column("qx", "DOUBLE", "rotation as it stood, not normalised"),
        Column("qy", "DOUBLE", "rotation"),
        Column("qz", "DOUBLE", "rotation"),
        Column("qw", "DOUBLE", "rotation, scalar part"),
        Column("from_frame", "VARCHAR", "frame whose points it maps"),
        Column("to_frame", "VARCHAR", "frame it maps them to"),
        Column("part", "BIGINT", "number of the transform in an entry of the old form, which has several; else 0"),
        *PAYLOAD,
    ),
    "joints": (*ENTRY, Column("angles", "FLOAT[]", "radians, a number a joint"), *PAYLOAD),
    "camera_frames": (
        *ENTRY,
        Column("fx", "DOUBLE", "focal length in pixels; NULL where the frame has no intrinsics of its own"),
        Column("fy", "DOUBLE", "focal length"),
        Column("cx", "DOUBLE", "principal point in pixels"),
        Column("cy", "DOUBLE", "principal point"),
        Column("distortion", "DOUBLE[]", "distortion coefficients"),
        *DATA,
        *PAYLOAD,
    ),
    "audio": (
        *ENTRY,
        Column("n_samples", "BIGINT", "samples of each channel; NULL where the format is not known"),
        Column("duration_ns", "BIGINT", "time they take, rounded down"),
        *DATA,
        *PAYLOAD,
    ),
    "point_clouds": (
        *ENTRY,
        Column("n_points", "BIGINT", "whole points; NULL where the layout is not known"),
        *DATA,
        *PAYLOAD,
    ),
    "detections": (
        *ENTRY,
        Column("data", "BLOB", "what the detector wrote"),
        Column("sensor_hash", "VARCHAR", "hash of the sensor it looked at"),
        Column("type", "VARCHAR", "type of what it found"),
        *PAYLOAD,
    ),
    "clock_offsets": (
        *ENTRY,
        Column("offset_ns", "BIGINT", "what to add to a reading of from_clock"),
        Column("uncertainty_ns", "BIGINT", "width of the window it was read in"),
        Column("from_clock", "VARCHAR", "the clock of ts_ns"),
        Column("to_clock", "VARCHAR", "the clock it maps to"),
        Column("discontinuous", "BOOLEAN", "10 ms or more from the entry before"),
        *PAYLOAD,
    ),
}
