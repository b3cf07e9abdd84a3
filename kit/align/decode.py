"""Payloads as arrays: images, sound, points and detections, by what the registry says of their sensor."""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kit.align.logs import LogEntry, find_log, payload
from kit.errors import ArgumentError, PayloadError
from kit.store.store import Store

Decoder = Callable[[bytes, Mapping[str, Any]], Any]
"""Takes the data and the registered body of the sensor (empty where there is none), returns what it is."""

SENSOR = """
SELECT s.body FROM logs l JOIN sensors s ON s.run = l.run AND s.id = l.sensor_id
WHERE l.run = $run AND l.log_id = $log ORDER BY s.peer_id = l.source_peer_id DESC, s.source_id LIMIT 1
"""
POINT_TYPES = {
    "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4",
    "float32": "f4", "float64": "f8",
}  # fmt: skip
SAMPLE_TYPES = {"s16le": "<i2", "s32le": "<i4", "f32le": "<f4", "f64le": "<f8"}
PIXEL_TYPES = {"mono8": ("<u1", 1), "rgb8": ("<u1", 3), "bgr8": ("<u1", 3), "16uc1": ("<u2", 1), "32fc1": ("<f4", 1)}


def decoded(
    store: Store, name: str, seq: int, run: str | None = None, decoders: Mapping[str, Decoder] | None = None
) -> Any:
    """Return an entry's data as what it is.

    An image as an array of shape (height, width) or (height, width, channels), sound as (samples, channels), points as a
    structured array with the fields of the registry, detections as the JSON value they hold. `decoders` adds or
    replaces one, by pixel format (as "yuv_nv12"), sample format, detection type, or kind of log ("camera"). Raises
    PayloadError where the data is not what the registry says, and ArgumentError for a format without a decoder.
    """
    log = find_log(store, name, run)
    sensor = _sensor(store, log)
    data = payload(store, name, seq, log.run)
    form = _form(log, sensor)
    own = {key.lower(): value for key, value in (decoders or {}).items()}
    decoder = own.get(form) or own.get(str(log.kind)) or DECODERS.get(str(log.kind))
    if decoder is None:
        raise ArgumentError(
            f"log {log.log_id!r} holds {log.kind}: there is nothing to decode; its values are in a table"
        )
    try:
        return decoder(data, sensor)
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise PayloadError(
            f"log {log.log_id!r}, entry {seq}: {len(data):,} bytes are no {form or log.kind} ({error})"
        ) from error


def _sensor(store: Store, log: LogEntry) -> Mapping[str, Any]:
    found = store.execute(SENSOR, {"run": log.run, "log": log.log_id})
    body = json.loads(found[0][0]) if found else {}
    return body if isinstance(body, dict) else {}


def _form(log: LogEntry, sensor: Mapping[str, Any]) -> str:
    key = {"camera": "pixel_format", "audio": "sample_format"}.get(str(log.kind))
    return str(sensor.get(key, "")).lower() if key else ""


def image(data: bytes, sensor: Mapping[str, Any]) -> Any:
    """Return an image of a raw pixel format, or of a file format that Pillow knows."""
    form = str(sensor.get("pixel_format", "")).lower()
    if form in PIXEL_TYPES:
        kind, channels = PIXEL_TYPES[form]
        shape = (int(sensor["height"]), int(sensor["width"]), *((channels,) if channels > 1 else ()))
        pixels = np.frombuffer(data, kind).reshape(shape)
        return pixels[..., ::-1] if form == "bgr8" else pixels
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened)


def sound(data: bytes, sensor: Mapping[str, Any]) -> Any:
    """Return interleaved PCM as (samples, channels)."""
    form = str(sensor["sample_format"]).lower().removeprefix("pcm_")
    channels = int(sensor["channels"])
    if form == "s24le":
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return (wide.view("<i4")[:, 0] >> 8).reshape(-1, channels)
    return np.frombuffer(data, SAMPLE_TYPES[form]).reshape(-1, channels)


def points(data: bytes, sensor: Mapping[str, Any]) -> Any:
    """Return a point cloud as a structured array; a point that is cut at the end is left out."""
    order, step = (">" if sensor.get("is_bigendian") else "<"), int(sensor["point_step"])
    fields = sensor["fields"]
    form = np.dtype(
        {
            "names": [str(field["name"]) for field in fields],
            "formats": [
                (order + POINT_TYPES[str(field["datatype"]).lower()], (int(field.get("count", 1)),))
                if int(field.get("count", 1)) > 1
                else order + POINT_TYPES[str(field["datatype"]).lower()]
                for field in fields
            ],
            "offsets": [int(field["offset"]) for field in fields],
            "itemsize": step,
        }
    )
    return np.frombuffer(data, form, len(data) // step)


def findings(data: bytes, sensor: Mapping[str, Any]) -> Any:
    """Return what a detector wrote as JSON."""
    return json.loads(data)


DECODERS: dict[str, Decoder] = {"camera": image, "audio": sound, "point_cloud": points, "detection": findings}
