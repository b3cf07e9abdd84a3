"""Made-up missions of a robot, captured three ways, with faults planted and the truth about them.

A robot drives from place to place, a camera takes pictures there, agents say so in signals and write it into records.
Everything is drawn from the seed: names, map, clocks and their drift, times, and which leg a fault strikes.
"""

import hashlib
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kit.auki import manifest, payload, registry
from kit.auki.writer import LogWriter
from kit.syncropel.canonical import server_id

FAULTS = (
    "early_arrival",
    "arrival_elsewhere",
    "wrong_instant",
    "wrong_log",
    "wrong_label",
    "forged_record",
    "other_reading",
    "other_picture",
)
"""What can be planted in one leg each."""

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "jetty", "knoll", "lotus")
LABELS = ("valve", "crate", "ladder", "tank", "sign", "door", "cone", "barrel", "bench", "hose", "lamp", "gate")
POSE_HZ, FRAME_HZ, CLOCK_HZ = 50, 5, 1
SPEED = 1.1
PAD_S = 3.0


@dataclass
class Mission:
    """Where the captures of a mission are, and what was planted: (fault, signal id, record id)."""

    folder: Path
    planted: list[tuple[str, str, str | None]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    """One a tool call: signal_id, wall_ns, sdk_ns and the true x, y, yaw of the robot at that moment."""
    pose_log: str = ""
    image_log: str = ""
    robot: str = ""
    body: str = ""
    world: str = ""
    session_clock: str = ""

    @property
    def sources(self) -> list[str]:
        """What to load."""
        return [str(self.folder / name) for name in ("signals.jsonl", "records.jsonl", "robot")]


class _Clocks:
    """True time in seconds to the readings of three clocks in nanoseconds."""

    def __init__(self, draw: random.Random, step_at: float | None, shift_s: float) -> None:
        self.wall0 = 1_790_000_000_000_000_000 + draw.randrange(10**15)
        self.session0, self.camera0 = draw.randrange(10**11, 10**13), draw.randrange(10**10, 10**12)
        self.session_ppm, self.camera_ppm = draw.uniform(-40, 40), draw.uniform(-60, 60)
        self.step_at, self.step_ns = step_at, draw.randrange(15_000_000, 40_000_000)
        self.shift_ns = round(shift_s * 1e9)

    def session(self, t: float) -> int:
        return self.session0 + round(t * 1e9) + round(t * 1e3 * self.session_ppm)

    def camera(self, t: float) -> int:
        return self.camera0 + round(t * 1e9) + round(t * 1e3 * self.camera_ppm)

    def wall(self, t: float) -> int:
        stepped = self.step_ns if self.step_at is not None and t >= self.step_at else 0
        return self.wall0 + round(t * 1e9) + stepped


class _Path:
    """Where the robot is: it stands, then drives a straight line with a soft start and stop, and stands again."""

    def __init__(self, start: tuple[float, float, float]) -> None:
        self.legs: list[tuple[float, float, tuple[float, float, float], tuple[float, float, float]]] = []
        self.at_rest = start

    def drive(self, begin: float, goal: tuple[float, float, float]) -> float:
        """Drive to `goal` from `begin` on; return when it stands there."""
        distance = math.dist(self.at_rest[:2], goal[:2])
        end = begin + math.pi / 2 * distance / SPEED + 0.5
        self.legs.append((begin, end, self.at_rest, goal))
        self.at_rest = goal
        return end

    def pose(self, t: float) -> tuple[float, float, float]:
        found = self.legs[0][2]
        for begin, end, start, goal in self.legs:
            if t < begin:
                break
            share = min((t - begin) / (end - begin), 1.0)
            eased = (1 - math.cos(math.pi * share)) / 2
            turn = math.remainder(goal[2] - start[2], math.tau)
            found = (
                start[0] + eased * (goal[0] - start[0]),
                start[1] + eased * (goal[1] - start[1]),
                math.remainder(start[2] + eased * turn, math.tau),
            )
        return found


def mission(
    folder: Path,
    seed: int,
    *,
    faults: tuple[str, ...] = (),
    shift_s: float = 0.0,
    cut_logs: bool = False,
    legs: int = 8,
) -> Mission:
    """Write a mission of `legs` legs below `folder`, each of `faults` planted in a leg of its own.

    `shift_s` shifts what the clock log says of the wall clock; with `cut_logs` the robot's logs end after half of the legs.
    """
    return _Writer(folder, seed, faults, shift_s, cut_logs, legs).write()


class _Writer:
    def __init__(
        self, folder: Path, seed: int, faults: tuple[str, ...], shift_s: float, cut_logs: bool, legs: int
    ) -> None:
        self.draw = random.Random(f"mission {seed}")
        words = self.draw.sample(WORDS, 8)
        self.robot, self.space, self.camera = f"{words[0]}-{seed % 7}", f"{words[1]}_map", f"{words[2]}_cam"
        self.base, self.detector, self.agent = f"{words[3]}_base", f"{words[4]}_net", f"{words[5]}-agent"
        self.move_tool, self.image_tool = self.draw.choice(
            [("move_to", "capture_image"), ("go_to", "take_picture"), ("drive", "snapshot")]
        )
        self.cut_logs, self.count = cut_logs, legs
        self.struck = dict(zip(self.draw.sample(range(legs), len(faults)), faults, strict=True))
        step_at = self.draw.uniform(15, 30) if self.draw.random() < 0.5 else None
        self.clocks = _Clocks(self.draw, step_at, shift_s)
        self.signals: list[tuple[float, dict[str, Any]]] = []
        self.records: list[dict[str, Any]] = []
        self.frames: dict[float, list[str]] = {}
        self.made = Mission(
            folder, pose_log=f"{self.space}->{self.base}", image_log=self.camera, body=self.base, world=self.space,
            session_clock="session/sdk_clock", robot=self.robot,
        )  # fmt: skip
        self.ids = 0

    def write(self) -> Mission:
        end = self._act()
        self.made.folder.mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps(signal, separators=(",", ":")) for _, signal in sorted(self.signals, key=lambda item: item[0])
        ]
        (self.made.folder / "signals.jsonl").write_text("\n".join(lines) + "\n")
        (self.made.folder / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in self.records))
        self._write_logs(end / 2 if self.cut_logs else end + PAD_S)
        return self.made

    # What happens

    def _act(self) -> float:
        self.path = _Path((self.draw.uniform(-2, 2), self.draw.uniform(-2, 2), self.draw.uniform(-3, 3)))
        thread = f"th_{self.draw.getrandbits(256):064x}"
        now = 1.0
        last = self._record("INTEND", thread, now, {"goal": "a round"}, [])
        for leg in range(self.count):
            now, last = self._leg(leg, now, thread, last)
        return now

    def _leg(self, leg: int, now: float, thread: str, last: str) -> tuple[float, str]:
        fault = self.struck.get(leg)
        name = f"{self.draw.choice(WORDS)}_{leg}"
        goal = (self.draw.uniform(-12, 12), self.draw.uniform(-12, 12), self.draw.uniform(-3.1, 3.1))
        if math.dist(goal[:2], self.path.at_rest[:2]) < 3:
            goal = (goal[0] + 6, goal[1], goal[2])
        now, last = self._move(fault, now, thread, last, name, goal)
        return self._look(fault, now, thread, last, name)

    def _move(
        self, fault: str | None, now: float, thread: str, last: str, name: str, goal: tuple[float, float, float]
    ) -> tuple[float, str]:
        claimed = {"x": round(goal[0], 3), "y": round(goal[1], 3), "yaw": round(goal[2], 3)}
        if fault == "arrival_elsewhere":
            goal = (goal[0] + 1.5, goal[1] - 0.8, goal[2])
        trace, task = self._task(now, "navigator", {"to": name})
        called = now + 0.01 + self.draw.uniform(0, 0.05)
        begin = called + self.draw.uniform(0.05, 0.2)
        arrived = self.path.drive(begin, goal)
        told = begin + (arrived - begin) * 0.8 if fault == "early_arrival" else arrived + self.draw.uniform(0.1, 0.4)
        call = self._tool(trace, task, called, told, self.move_tool, {"waypoint": name, **claimed}, {
            "reached": name, "pose": claimed, "log": self.made.pose_log, "ts_ns": self.clocks.session(told),
            "took_s": round(told - called, 3),
        })  # fmt: skip
        record = self._record("DO", thread, told + 0.01, {
            "site": name, "tool": self.move_tool, "peer": self.robot, "trace_id": trace, "signal_id": call[0],
            "log": self.made.pose_log, "ts_ns": self.clocks.session(told), "kind": "tour.round.move", "_v": 1,
        }, [last])  # fmt: skip
        if fault in ("early_arrival", "arrival_elsewhere"):
            self.made.planted.append((fault, call[1], record))
        return max(arrived, told) + self.draw.uniform(0.1, 0.5), record

    def _look(self, fault: str | None, now: float, thread: str, last: str, name: str) -> tuple[float, str]:
        label, other = self.draw.sample(LABELS, 2)
        trace, task = self._task(now, self.agent, {"site": name})
        called = now + self.draw.uniform(0.02, 0.1)
        # Cameras take a frame when they can, not when they are asked.
        taken = called + self.draw.uniform(0.06, 0.15)
        told = taken + self.draw.uniform(0.05, 0.2)
        self.frames[taken] = [label]
        picture = _picture(self.clocks.camera(taken))
        digest = hashlib.sha256(picture).hexdigest()
        value = round(self.draw.uniform(1, 9), 3)
        result = {
            "log": self.camera, "ts_ns": self.clocks.camera(taken), "sdk_ns": self.clocks.session(taken),
            "detections": [{"label": label, "score": 0.9}], "sha256": digest, "value": value, "unit": "bar",
        }  # fmt: skip
        call = self._tool(trace, task, called, told, self.image_tool, {"site": name}, result)
        body = {
            "site": name, "label": label, "value": value, "unit": "bar", "peer": self.robot, "trace_id": trace,
            "signal_id": call[0], "log": self.camera, "ts_ns": result["ts_ns"], "kind": "tour.inspection.finding",
            "_v": 1, "_refs": [{"kind": "@media.photo", "id": f"sha256:{digest}"}],
        }  # fmt: skip
        if fault == "wrong_instant":
            body["ts_ns"] -= 3_000_000_000
        elif fault == "wrong_log":
            body |= {"log": self.made.pose_log, "ts_ns": result["sdk_ns"]}
        elif fault == "wrong_label":
            body["label"] = other
        elif fault == "other_reading":
            body["value"] = value + 4
        elif fault == "other_picture":
            body["_refs"] = [{"kind": "@media.photo", "id": f"sha256:{hashlib.sha256(b'x').hexdigest()}"}]
        record = self._record("KNOW", thread, told + 0.5, body, [last], forged=fault == "forged_record")
        if fault not in (None, "early_arrival", "arrival_elsewhere"):
            self.made.planted.append((fault, call[0], record))
        return told + 0.6 + self.draw.uniform(0.2, 1.0), record

    # What is said

    def _id(self, prefix: str, t: float) -> str:
        self.ids += 1
        number = (self.clocks.wall(t) // 1_000_000) << 80 | self.ids
        digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
        return prefix + "".join(digits[number >> 5 * place & 31] for place in range(25, -1, -1))

    def _signal(
        self, t: float, type: str, trace: str, parent: str | None, directed: str, payload: dict[str, Any]
    ) -> str:
        id = self._id("evt_", t)
        stamp = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.clocks.wall(t) // 1000)
        self.signals.append((t, {
            "v": "1", "id": id, "trace_id": trace, "parent_id": parent, "type": type,
            "directed": {"id": directed, "type": None, "capabilities": []},
            "ts": stamp.isoformat(timespec="microseconds").replace("+00:00", "Z"), "payload": payload, "meta": {},
        }))  # fmt: skip
        return id

    def _task(self, t: float, neuron: str, input: dict[str, Any]) -> tuple[str, str]:
        trace = self._id("trc_", t)
        return trace, self._signal(t, "TASK", trace, None, neuron, {"input": input})

    def _tool(
        self, trace: str, task: str, called: float, told: float, tool: str, args: dict[str, Any], result: dict[str, Any]
    ) -> tuple[str, str]:
        payload = {"tool": tool, "args": args, "call_id": f"call_{self.ids}"}
        call = self._signal(called, "TOOL_CALL", trace, task, self.robot, payload)
        x, y, yaw = self.path.pose(called)
        self.made.calls.append({
            "signal_id": call, "wall_ns": self.clocks.wall(called) // 1000 * 1000, "sdk_ns": self.clocks.session(called),
            "x": x, "y": y, "yaw": yaw,
        })  # fmt: skip
        answer = {"tool": tool, "result": result, "call_id": payload["call_id"]}
        return call, self._signal(told, "TOOL_RESULT", trace, call, self.robot, answer)

    def _record(
        self, act: str, thread: str, t: float, body: dict[str, Any], parents: list[str], *, forged: bool = False
    ) -> str:
        record = {
            "act": act, "actor": "did:example:agent", "body": body, "clock": self.clocks.wall(t) // 1_000_000,
            "data_type": "SCALAR", "parents": parents, "thread": thread,
        }  # fmt: skip
        id = server_id(record)
        if forged:
            record = {**record, "body": {**body, "site": "elsewhere"}}
        self.records.append({"object": "record", "id": id, **record})
        return id

    # What the sensors show

    def _write_logs(self, end: float) -> None:
        root = self.made.folder / "robot" / "tour"
        refs = self._register(root)
        times = _times(-PAD_S, end, POSE_HZ)
        self._log(root, self.made.pose_log, refs["pose"], "pose", self.clocks.session, times, self._pose)
        frames = sorted({*_times(-PAD_S, end, FRAME_HZ), *(t for t in self.frames if t < end)})
        self._log(root, self.camera, refs["camera"], "camera", self.clocks.camera, iter(frames), self._frame)
        self._log(
            root, f"{self.detector}@{self.camera}", refs["detection"], "detection", self.clocks.camera, iter(frames),
            self._found,
        )  # fmt: skip
        seconds = list(_times(-PAD_S - 1, end + 1, CLOCK_HZ))
        self._log(
            root, "session/sdk_clock->wall_clock", refs["wall"], "time_transform", self.clocks.session, iter(seconds),
            lambda t: {
                "offset_ns": self.clocks.wall(t) + self.clocks.shift_ns - self.clocks.session(t),
                "uncertainty_ns": self.draw.randrange(500, 2400),
            },
        )  # fmt: skip
        self._log(
            root, f"{self.camera}_clock->session/sdk_clock", refs["camera_clock"], "time_transform", self.clocks.camera,
            iter(seconds),
            lambda t: {
                "offset_ns": self.clocks.session(t) - self.clocks.camera(t),
                "uncertainty_ns": self.draw.randrange(500, 2400),
            },
        )  # fmt: skip

    def _register(self, root: Path) -> dict[str, dict[str, Any]]:
        def entry(section: registry.Section, **body: Any) -> dict[str, str]:
            made = registry.write(root, section, body)
            return {"peer_id": made.peer_id, "id": made.id, "hash": made.hash}

        def frame(peer: str, name: str, axes: tuple[str, str, str]) -> dict[str, str]:
            return entry(
                "frames", peer_id=peer, frame_id=name, handedness="right", axes=dict(zip("xyz", axes, strict=True)),
                units="meters",
            )  # fmt: skip

        def clock(name: str, kind: str, epoch: str | None) -> dict[str, str]:
            return entry(
                "clocks", peer_id=self.robot, clock_id=name, type=kind, unit="ns", monotonic=kind != "utc_clock",
                epoch=epoch, scope="device-local" if epoch is None else "global",
            )  # fmt: skip

        body_axes = ("forward", "left", "up")
        world, base = frame(self.space, self.space, body_axes), frame(self.robot, self.base, body_axes)
        optical = frame(self.robot, f"{self.camera}_optical", ("right", "down", "forward"))
        session = clock("session/sdk_clock", "monotonic_clock", None)
        camera_clock = clock(f"{self.camera}_clock", "monotonic_clock", None)
        wall = clock("wall_clock", "utc_clock", "1970-01-01T00:00:00Z")
        sensor = entry(
            "sensors", peer_id=self.robot, sensor_id=self.camera, kind="camera", type="mono", width=16, height=12,
            frame_rate_hz=FRAME_HZ, pixel_format="mono8", color_space="gray", intrinsics_model="pinhole",
            distortion_model="none", frame=optical,
        )  # fmt: skip
        detector = entry(
            "detectors", peer_id=self.robot, detector_id=self.detector, type="object_detection", model="m",
            output_types=["object_detection"],
        )  # fmt: skip
        offsets = {"source": {"kind": "local_clock_read"}}
        return {
            "pose": {
                "from_frame": world, "to_frame": base, "clock": session, "source": {"kind": "manual"},
                "writer_mode": "movable", "expected_rate_hz": POSE_HZ,
            },
            "camera": {"sensor": sensor, "clock": camera_clock, "frame": optical},
            "detection": {
                "detector": detector, "input_log": {"source_peer_id": self.robot, "resource_id": self.camera},
                "input_sensor": sensor, "clock": camera_clock,
            },
            "wall": {"from_clock": session, "to_clock": wall, **offsets},
            "camera_clock": {"from_clock": camera_clock, "to_clock": session, **offsets},
        }  # fmt: skip

    def _log(
        self,
        root: Path,
        resource: str,
        refs: dict[str, Any],
        kind: Any,
        clock: Callable[[float], int],
        times: Iterator[float],
        values: Callable[[float], dict[str, Any]],
    ) -> None:
        session = "01K99WFT3RTESTR0VND0000001"
        body = {
            "source_peer_id": self.robot, "writer_peer_id": self.robot, "app_id": "tour", "session_id": session,
            "segment_duration_ns": 20_000_000_000, "retention_ns": 0, **refs,
        }  # fmt: skip
        codec = self.draw.choice(["pb", "cbor"])
        with LogWriter(manifest.log_folder(root, session, self.robot, resource), body) as log:
            for t in times:
                log.append(clock(t), payload.encode(kind, values(t), codec))

    def _pose(self, t: float) -> dict[str, Any]:
        """World points to base points: the inverse of where the base is."""
        x, y, yaw = self.path.pose(t)
        cos, sin = math.cos(yaw), math.sin(yaw)
        return {
            "tx": -(cos * x + sin * y), "ty": -(-sin * x + cos * y), "tz": 0.0,
            "qx": 0.0, "qy": 0.0, "qz": math.sin(-yaw / 2), "qw": math.cos(yaw / 2),
        }  # fmt: skip

    def _frame(self, t: float) -> dict[str, Any]:
        return {"data": _picture(self.clocks.camera(t)), **dict.fromkeys(("fx", "fy", "cx", "cy", "distortion"))}

    def _found(self, t: float) -> dict[str, Any]:
        boxes = [
            {"bbox_xywh": [1, 1, 3, 3], "label": label, "score": 0.9, "track_id": 1} for label in self.frames.get(t, ())
        ]
        data = json.dumps({"detections": boxes}, separators=(",", ":")).encode()
        return {"data": data, "sensor_hash": "", "type": "object_detection"}


def _times(begin: float, end: float, rate: int) -> Iterator[float]:
    return (number / rate for number in range(math.ceil(begin * rate), math.floor(end * rate) + 1))


def _picture(ts_ns: int) -> bytes:
    return hashlib.sha256(str(ts_ns).encode()).digest() * 6
