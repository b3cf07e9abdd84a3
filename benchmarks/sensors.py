"""Sensor logs: loading poses, indexing images and looking up poses, beside cbor2, protobuf, polars and SciPy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import compute

from benchmarks import sensor_logs
from benchmarks.measure import Case, Summary
from benchmarks.peers import pose_lookup
from kit.auki.load import scan, table
from kit.auki.segment import index, segment_paths
from kit.auki.track import track
from kit.notebook.study import Study

HERE = "benchmarks.sensors"
PEERS = "benchmarks.peers"
POSES = 1_000_000
IMAGES = 9_000
MIXED = (33_670, 330)
"""Poses and images of a recording of 36 MB."""
SAMPLES, QUERIES = 10_000_000, 1_000_000

PAIRS = (("kit, CBOR", "cbor2 loop"), ("kit, protobuf", "protobuf loop"))
"""Cases that load the same log."""

Run = Callable[[dict[str, Case], int], dict[str, Summary]]
Goal = Callable[..., str]


def load_poses(folder: str) -> dict[str, Any]:
    """Load a pose log to Arrow; return the number of rows and a sum over one column."""
    (log,) = scan(folder).logs
    rows: pa.Table = table(log)
    return {"rows": rows.num_rows, "tx": round(float(rows["tx"].to_numpy().sum()), 6)}


def index_images(folder: str) -> dict[str, Any]:
    """Index an image log; return the number of entries and the bytes of their payloads."""
    found = [index(path) for path in segment_paths(Path(folder) / "segments")]
    return {"entries": sum(map(len, found)), "bytes": int(sum(part.length.sum() for part in found))}


def load_images(folder: str) -> dict[str, Any]:
    """Load an image log to Arrow, images left in the files; return the number of rows and the bytes of their payloads."""
    (log,) = scan(folder, kinds={"cam": "camera"}).logs
    rows = table(log)
    return {"entries": rows.num_rows, "bytes": compute.sum(rows["length"]).as_py()}


def load_recording(folder: str) -> dict[str, Any]:
    """Load a recording into a study; return the number of rows."""
    with Study() as study:
        return {"rows": study.load(folder).rows}


def look_up(given: pose_lookup.Samples) -> dict[str, Any]:
    """Return sums over the poses that a track has at the instants."""
    found = track(given.ts_ns, given.t, given.q).at(given.query)
    return pose_lookup.told(found.poses.t, found.poses.q)


def section(data: Path, run: Run, goal: Goal, markdown: Callable[..., str], rounds: int) -> str:
    """Measure all cases and return the section of the page."""
    cbor = sensor_logs.poses(data / "poses-cbor", "cbor", POSES)
    pb = sensor_logs.poses(data / "poses-pb", "pb", POSES)
    images = sensor_logs.images(data / "images-cbor", IMAGES)
    paths = {folder: segment_paths(folder / "segments") for folder in (cbor, pb, images)}
    poses = run(
        {
            "kit, CBOR": Case(f"{HERE}:load_poses", [str(cbor)], warm=paths[cbor]),
            "kit, protobuf": Case(f"{HERE}:load_poses", [str(pb)], warm=paths[pb]),
            "cbor2 loop": Case(f"{PEERS}.cbor2_logs:poses", [str(cbor)], warm=paths[cbor]),
            "protobuf loop": Case(f"{PEERS}.cbor2_logs:protobuf_poses", [str(pb)], warm=paths[pb]),
        },
        rounds,
    )
    indexed = run(
        {
            "kit, index": Case(f"{HERE}:index_images", [str(images)], warm=paths[images]),
            "kit, table": Case(f"{HERE}:load_images", [str(images)], warm=paths[images]),
            "cbor2 loop": Case(f"{PEERS}.cbor2_logs:images", [str(images)], warm=paths[images]),
            "floor: 12 bytes an image": Case(
                f"{PEERS}.cbor2_logs:framings", [str(images)], f"{PEERS}.cbor2_logs:places", warm=paths[images]
            ),
            "floor: every byte copied": Case(
                f"{PEERS}.cbor2_logs:bandwidth", [str(images)], f"{PEERS}.cbor2_logs:places", warm=paths[images]
            ),
        },
        rounds,
    )
    mixed = sensor_logs.recording(data / "recording", *MIXED)
    files = [path for path in mixed.rglob("*") if path.is_file()]
    loaded = run({"kit.open().load": Case(f"{HERE}:load_recording", [str(mixed)], warm=files)}, rounds)
    size = sum(path.stat().st_size for path in files) / 1e6
    prepare = f"{PEERS}.pose_lookup:samples"
    found = run(
        {
            "kit": Case(f"{HERE}:look_up", [SAMPLES, QUERIES], prepare),
            "polars join_asof, then slerp": Case(f"{PEERS}.pose_lookup:polars", [SAMPLES, QUERIES], prepare),
            "scipy Slerp": Case(f"{PEERS}.pose_lookup:scipy", [SAMPLES, QUERIES], prepare),
        },
        rounds,
    )
    seconds = [{name: summary.seconds for name, summary in part.items()} for part in (poses, indexed, found)]
    goals = [
        goal("cbor2 loop / kit", seconds[0]["cbor2 loop"] / seconds[0]["kit, CBOR"], 8, least=True),
        goal("kit protobuf / CBOR", seconds[0]["kit, protobuf"] / seconds[0]["kit, CBOR"], 2, least=False),
        goal("cbor2 loop / kit's index", seconds[1]["cbor2 loop"] / seconds[1]["kit, index"], 40, least=True),
        f"- cbor2 loop / {IMAGES:,} reads of 12 bytes whose places are known, the floor: "
        f"{seconds[1]['cbor2 loop'] / seconds[1]['floor: 12 bytes an image']:.1f}; "
        f"kit's index / floor: {seconds[1]['kit, index'] / seconds[1]['floor: 12 bytes an image']:.2f}",
        goal("memory of the index, MB", indexed["kit, index"].rss_increment_mb, 50, least=False),
        goal("memory of the table of images, MB", indexed["kit, table"].rss_increment_mb, 50, least=False),
        goal("seconds of loading a recording", loaded["kit.open().load"].seconds, 2, least=False),
        goal("memory of that / its size", loaded["kit.open().load"].rss_increment_mb / size, 4, least=False),
        goal("kit / polars with slerp", seconds[2]["kit"] / seconds[2]["polars join_asof, then slerp"], 3, least=False),
        goal("scipy / kit", seconds[2]["scipy Slerp"] / seconds[2]["kit"], 1, least=True),
    ]
    equal = [len({str(summary.result) for summary in part.values()}) for part in (indexed, found)]
    equal += [len({str(poses[name].result) for name in pair}) for pair in PAIRS]
    return "\n".join(
        [
            f"## Sensor logs: {POSES:,} poses to Arrow",
            "",
            markdown(poses, of="kit, CBOR"),
            "",
            f"## Sensor logs: {IMAGES:,} images, 900 MB",
            "",
            markdown(indexed, of="kit, index"),
            "",
            f"## Sensor logs: a recording of {size:.0f} MB, {sum(MIXED):,} entries, into a study",
            "",
            markdown(loaded),
            "",
            f"## Sensor logs: {QUERIES:,} instants among {SAMPLES:,} poses, interpolated",
            "",
            markdown(found, of="kit"),
            "",
            *goals,
            f"- answers of all cases {'are equal' if max(equal) == 1 else 'DIFFER'}",
        ]
    )
