"""The tables of sensor logs: columns by table, each with its DuckDB type and what it holds.

Every table of entries has the place of the row (`source_id` is a segment file, `line` the number of the entry in it), the
log, `seq` (the number of the entry in the log), `ts_ns` on the log's clock, values, and where the payload stands in
the segment (`offset`, `length`), by which it can be read again.
"""

import pyarrow as pa

Columns = tuple[tuple[str, str, str], ...]

ARROW = {
    "VARCHAR": pa.string(),
    "JSON": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "DOUBLE[]": pa.list_(pa.float64()),
    "FLOAT[]": pa.list_(pa.float32()),
    "BOOLEAN": pa.bool_(),
    "BLOB": pa.binary(),
}

PLACE: Columns = (
    ("run", "VARCHAR", "the run the row belongs to"),
    ("source_id", "BIGINT", "the source it came from"),
    ("line", "BIGINT", "1-based line, array element or entry of the source"),
)
ENTRY: Columns = (
    *PLACE,
    ("log_id", "VARCHAR", "the log: peer/session/resource_id"),
    ("seq", "BIGINT", "number of the entry in the log, from 0"),
    ("ts_ns", "BIGINT", "nanoseconds on the clock of the log"),
)
PAYLOAD: Columns = (
    ("offset", "BIGINT", "byte of the segment where the payload begins"),
    ("length", "BIGINT", "bytes of the payload"),
)
DATA: Columns = (
    ("data_offset", "BIGINT", "byte of the segment where the data begins; NULL where it is in pieces"),
    ("data_length", "BIGINT", "bytes of the data"),
)
REGISTERED: Columns = (
    ("peer_id", "VARCHAR", "peer that registered it"),
    ("id", "VARCHAR", "its id"),
    ("hash", "VARCHAR", "hash it is filed under"),
    ("hash_ok", "BOOLEAN", "whether its content has that hash"),
)
BODY: Columns = (("body", "JSON", "the whole entry"),)

TABLES: dict[str, Columns] = {
    "logs": (
        *PLACE,
        ("log_id", "VARCHAR", "peer/session/resource_id; parts that the log does not tell are empty"),
        ("path", "VARCHAR", "folder of the log, from the folder that was loaded"),
        ("variant", "VARCHAR", "sensor_log, pose_log, time_transform_log or detection_log"),
        ("kind", "VARCHAR", "what its entries hold: camera, pose, ...; NULL where its sensor is not known"),
        ("source_peer_id", "VARCHAR", "peer the data is from"),
        ("writer_peer_id", "VARCHAR", "peer that wrote this copy"),
        ("app_id", "VARCHAR", "application"),
        ("session_id", "VARCHAR", "session"),
        ("resource_id", "VARCHAR", "id of the resource, rebuilt from the manifest"),
        ("clock_peer_id", "VARCHAR", "peer of the clock of ts_ns"),
        ("clock_id", "VARCHAR", "the clock of ts_ns"),
        ("clock_hash", "VARCHAR", "hash of the clock"),
        ("from_peer_id", "VARCHAR", "of a pose or time transform log: peer of where it maps from"),
        ("from_id", "VARCHAR", "frame or clock it maps from"),
        ("from_hash", "VARCHAR", "hash of that"),
        ("to_peer_id", "VARCHAR", "peer of where it maps to"),
        ("to_id", "VARCHAR", "frame or clock it maps to"),
        ("to_hash", "VARCHAR", "hash of that"),
        ("sensor_id", "VARCHAR", "the sensor; of a detection log, the one it looks at"),
        ("frame_id", "VARCHAR", "frame of a sensor log"),
        ("writer_mode", "VARCHAR", "rigid or movable, for a pose log"),
        ("segment_duration_ns", "BIGINT", "time a segment covers"),
        ("retention_ns", "BIGINT", "time entries are kept, 0 for ever"),
        ("segments", "BIGINT", "segment files"),
        ("flags", "VARCHAR[]", "what the manifest lacks of the current format"),
        ("manifest", "JSON", "the whole manifest"),
    ),
    "clocks": (
        *PLACE,
        *REGISTERED,
        ("type", "VARCHAR", "monotonic_clock or utc_clock"),
        ("unit", "VARCHAR", "ns"),
        ("monotonic", "BOOLEAN", "whether it never goes back"),
        ("epoch", "VARCHAR", "its zero, NULL where it has none that means anything"),
        ("scope", "VARCHAR", "device-local, domain-local or global"),
        *BODY,
    ),
    "frames": (
        *PLACE,
        *REGISTERED,
        ("handedness", "VARCHAR", "right or left"),
        ("x", "VARCHAR", "direction of the x axis"),
        ("y", "VARCHAR", "direction of the y axis"),
        ("z", "VARCHAR", "direction of the z axis"),
        ("units", "VARCHAR", "meters, centimeters or millimeters"),
        *BODY,
    ),
    "sensors": (
        *PLACE,
        *REGISTERED,
        ("kind", "VARCHAR", "camera, rangefinder, rf, audio, joint_encoders or scalar"),
        ("type", "VARCHAR", "rgb, point_cloud, pcm, ..."),
        ("frame_peer_id", "VARCHAR", "peer of its frame"),
        ("frame_id", "VARCHAR", "its frame"),
        ("frame_hash", "VARCHAR", "hash of its frame"),
        *BODY,
    ),
    "detectors": (
        *PLACE,
        *REGISTERED,
        ("type", "VARCHAR", "aruco, qr, esl or object_detection"),
        ("output_types", "VARCHAR[]", "types of what it finds"),
        *BODY,
    ),
    "resources": (
        *PLACE,
        ("variant", "VARCHAR", "sensor_log, pose_log, time_transform_log or detection_log"),
        ("source_peer_id", "VARCHAR", "peer the data is from"),
        ("writer_peer_id", "VARCHAR", "peer that serves this copy"),
        ("resource_id", "VARCHAR", "id within its source peer"),
        ("state", "VARCHAR", "live, sealed, ..."),
        ("head", "JSON", "of a live one: what it keeps"),
        ("extent", "JSON", "of a sealed one: first and last time"),
        ("available", "JSON", "bytes, entries and duration"),
        ("sensor", "JSON", "kind, type, id and hash of the sensor"),
        ("pose", "JSON", "writer mode of a pose log"),
        ("manifest", "JSON", "references of its variant"),
    ),
    "poses": (
        *ENTRY,
        ("tx", "DOUBLE", "translation, in units of the frame mapped to"),
        ("ty", "DOUBLE", "translation"),
        ("tz", "DOUBLE", "translation"),
        ("qx", "DOUBLE", "rotation as it stood, not normalised"),
        ("qy", "DOUBLE", "rotation"),
        ("qz", "DOUBLE", "rotation"),
        ("qw", "DOUBLE", "rotation, scalar part"),
        ("from_frame", "VARCHAR", "frame whose points it maps"),
        ("to_frame", "VARCHAR", "frame it maps them to"),
        ("part", "BIGINT", "number of the transform in an entry of the old form, which has several; else 0"),
        *PAYLOAD,
    ),
    "joints": (*ENTRY, ("angles", "FLOAT[]", "radians, a number a joint"), *PAYLOAD),
    "camera_frames": (
        *ENTRY,
        ("fx", "DOUBLE", "focal length in pixels; NULL where the frame has no intrinsics of its own"),
        ("fy", "DOUBLE", "focal length"),
        ("cx", "DOUBLE", "principal point in pixels"),
        ("cy", "DOUBLE", "principal point"),
        ("distortion", "DOUBLE[]", "distortion coefficients"),
        *DATA,
        *PAYLOAD,
    ),
    "audio": (
        *ENTRY,
        ("n_samples", "BIGINT", "samples of each channel; NULL where the format is not known"),
        ("duration_ns", "BIGINT", "time they take, rounded down"),
        *DATA,
        *PAYLOAD,
    ),
    "point_clouds": (
        *ENTRY,
        ("n_points", "BIGINT", "whole points; NULL where the layout is not known"),
        *DATA,
        *PAYLOAD,
    ),
    "detections": (
        *ENTRY,
        ("data", "BLOB", "what the detector wrote"),
        ("sensor_hash", "VARCHAR", "hash of the sensor it looked at"),
        ("type", "VARCHAR", "type of what it found"),
        *PAYLOAD,
    ),
    "clock_offsets": (
        *ENTRY,
        ("offset_ns", "BIGINT", "what to add to a reading of from_clock"),
        ("uncertainty_ns", "BIGINT", "width of the window it was read in"),
        ("from_clock", "VARCHAR", "the clock of ts_ns"),
        ("to_clock", "VARCHAR", "the clock it maps to"),
        ("discontinuous", "BOOLEAN", "10 ms or more from the entry before"),
        *PAYLOAD,
    ),
    "quarantine": (
        *PLACE,
        ("byte_offset", "BIGINT", "0-based offset in the file"),
        ("reason", "VARCHAR", "code: cut_tail, bad_magic, bad_payload, ..."),
        ("detail", "VARCHAR", "the reason in words"),
        ("raw", "BLOB", "the bytes, the first 64 KiB of them"),
    ),
}


def arrow(table: str) -> pa.Schema:
    """Return the Arrow schema of a table; JSON is text."""
    return pa.schema([pa.field(name, ARROW[sql]) for name, sql, _ in TABLES[table]])
