"""The rules of `crosscheck`: what a statement in a signal or a record must have for it in the logs."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from kit.align.citations import Citation, Result, Statement
from kit.align.logs import LogEntry
from kit.crosscheck.evidence import LABELS, Evidence, Motion
from kit.crosscheck.rule import Finding, Rule
from kit.errors import SourceError

ARRIVED = (
    "reached",
    "arrived",
    "arrived_at",
    "at",
    "destination",
    "docked",
    "docked_at",
    "parked",
    "stopped_at",
    "goal_reached",
)
"""Keys of a tool's result that say that a move has ended."""
DONE = {"reached", "arrived", "done", "succeeded", "completed", "success"}
NS = 1e9


def moving_on_arrival(evidence: Evidence) -> Iterator[Finding]:
    """A tool that says it has arrived, at an instant at which the pose still moves."""
    for result, cited, log in _moves(evidence):
        motion = evidence.motion(log, cited.ts_ns)
        if motion is None or not _claims_arrival(result.said):
            continue
        moving = _moving(evidence, motion)
        if moving is None:
            continue
        distance, limit, unit = moving
        off = _off(motion, result.said)
        told = f", and {off[0]:.3f} m from where it says it is" if off is not None and off[0] > 0.01 else ""
        yield Finding(
            result.id,
            evidence.record_of(result),
            log.resource_id,
            cited.ts_ns,
            f"{result.tool or 'the tool'} says it arrived{_name(result.said)}, but at that instant {log.resource_id!r} still "
            f"moves at {distance:.3f} {unit}{told}",
            distance,
            limit,
            unit,
        )


def not_where_claimed(evidence: Evidence) -> Iterator[Finding]:
    """A tool that names a pose, where the log of poses has another at that instant."""
    tolerances = evidence.tolerances
    for result, cited, log in _moves(evidence):
        motion = evidence.motion(log, cited.ts_ns)
        off = None if motion is None else _off(motion, result.said)
        if motion is None or off is None or (_claims_arrival(result.said) and _moving(evidence, motion)):
            continue
        limit = tolerances.position_m + tolerances.noise * motion.noise_m
        distance, turned = off
        if distance > limit:
            yield Finding(
                result.id, evidence.record_of(result), log.resource_id, cited.ts_ns,
                f"{result.tool or 'the tool'} says it is at ({_shown(result.said)}){_name(result.said)}; {log.resource_id!r} has "
                f"({motion.x:.3f}, {motion.y:.3f}), {distance:.3f} m away",
                distance, limit, "m",
            )  # fmt: skip
        elif turned is not None and turned > tolerances.yaw_rad:
            yield Finding(
                result.id, evidence.record_of(result), log.resource_id, cited.ts_ns,
                f"{result.tool or 'the tool'} says it looks along another direction than {log.resource_id!r} has, {turned:.3f} rad "
                "away",
                turned, tolerances.yaw_rad, "rad",
            )  # fmt: skip


def other_instant(evidence: Evidence) -> Iterator[Finding]:
    """A record that cites a log and an instant other than the one its signal was about."""
    for said, cited, log in _cited(evidence):
        result = evidence.by_signal.get(said.signal_id or "")
        about = None if result is None else result.cited
        other = None if about is None else evidence.log(about)
        if about is None or other is None or result is None:
            continue
        same = (cited.ts_ns, 0) if log.log_id == other.log_id else evidence.convert(cited.ts_ns, log, other)
        if same is None:
            continue
        away, limit = abs(same[0] - about.ts_ns), evidence.tolerances.instant_ns + same[1]
        if away > limit:
            yield Finding(
                said.signal_id, said.id, log.resource_id, cited.ts_ns,
                f"the record cites {log.resource_id!r} at {cited.ts_ns}, its signal was about {other.resource_id!r} at "
                f"{about.ts_ns}, {away / NS:.6f} s away",
                away / NS, limit / NS, "s",
            )  # fmt: skip


def other_log(evidence: Evidence) -> Iterator[Finding]:
    """A record that cites another log than its signal was about, which does not show the same."""
    for said, cited, log in _cited(evidence):
        result = evidence.by_signal.get(said.signal_id or "")
        about = None if result is None else result.cited
        other = None if about is None else evidence.log(about)
        if other is None or evidence.shows_the_same(log, other):
            continue
        whose = "" if log.peer == other.peer else f" of {log.peer!r}"
        of_whom = "" if log.peer == other.peer else f" of {other.peer!r}"
        yield Finding(
            said.signal_id, said.id, log.resource_id, cited.ts_ns,
            f"the record cites {log.resource_id!r}{whose}, its signal was about {other.resource_id!r}{of_whom}",
        )  # fmt: skip


def outside_job(evidence: Evidence) -> Iterator[Finding]:
    """A record about a job that cites an instant at which nobody was at work on it."""
    spans = _spans(evidence)
    for said, cited, log in _cited(evidence):
        span = spans.get(said.signal_id or "")
        if span is None or said.signal_id in evidence.by_signal:
            continue
        begin, end = (evidence.on_clock(at, log) for at in span)
        if begin is None or end is None or evidence.suspect(log):
            continue
        away = max(begin[0] - begin[1] - cited.ts_ns, cited.ts_ns - end[0] - end[1])
        if away > evidence.tolerances.instant_ns:
            yield Finding(
                said.signal_id, said.id, log.resource_id, cited.ts_ns,
                f"the record is about a job of another time: it cites {log.resource_id!r} {away / NS:.3f} s "
                f"{'before its signal' if cited.ts_ns < begin[0] else 'after the last signal of its trace'}",
                away / NS, evidence.tolerances.instant_ns / NS, "s",
            )  # fmt: skip


def label_not_detected(evidence: Evidence) -> Iterator[Finding]:
    """A label that no detection at the cited frame carries."""
    for signal_id, record_id, said, cited, log in _seen(evidence):
        claimed = _claimed_labels(said)
        found = evidence.labels(log, cited.ts_ns) if claimed else None
        if found is None:
            continue
        for label in sorted(claimed - found):
            there = ", ".join(map(repr, sorted(found))) or "nothing"
            yield Finding(
                signal_id, record_id, log.resource_id, cited.ts_ns,
                f"{label!r} is said to be in {log.resource_id!r} at {cited.ts_ns}; the detector found {there} there",
            )  # fmt: skip


def other_picture(evidence: Evidence) -> Iterator[Finding]:
    """A picture's SHA-256 that is not the one of the cited frame."""
    for signal_id, record_id, said, cited, log in _seen(evidence):
        claimed = _claimed_hashes(said) if log.kind == "camera" else set()
        if not claimed:
            continue
        try:
            held = evidence.picture(log, cited.ts_ns)
        except SourceError:
            continue
        if held is None:
            detail = f"{log.resource_id!r} has no frame at {cited.ts_ns}, of which a picture's SHA-256 is given"
        elif held in claimed:
            continue
        else:
            detail = f"the frame of {log.resource_id!r} at {cited.ts_ns} has the SHA-256 {held[:12]}…, not {min(claimed)[:12]}…"
        yield Finding(signal_id, record_id, log.resource_id, cited.ts_ns, detail)


def other_reading(evidence: Evidence) -> Iterator[Finding]:
    """A record with another value, or unit, than its signal reported."""
    for said in evidence.statements:
        result = evidence.by_signal.get(said.signal_id or "")
        if result is None:
            continue
        cited = said.cited
        log, ts_ns = _place(cited)
        told, noted = result.said, said.said
        if _number(told.get("value")) and _number(noted.get("value")):
            away = abs(float(told["value"]) - float(noted["value"]))
            limit = evidence.tolerances.reading * max(abs(float(told["value"])), 1e-9)
            if away > limit:
                unit = told.get("unit") if isinstance(told.get("unit"), str) else None
                detail = f"the record has {noted['value']}, its signal reported {told['value']}"
                yield Finding(said.signal_id, said.id, log, ts_ns, detail, away, limit, unit)
                continue
        units = (told.get("unit"), noted.get("unit"))
        if all(isinstance(unit, str) for unit in units) and units[0] != units[1]:
            detail = f"the record has the unit {units[1]!r}, its signal reported {units[0]!r}"
            yield Finding(said.signal_id, said.id, log, ts_ns, detail)


def unverified_record(evidence: Evidence) -> Iterator[Finding]:
    """A record about evidence whose id is not that of its content."""
    for said in evidence.statements:
        if said.integrity in ("ok", "no_id", "redacted"):
            continue
        cited = said.cited
        log, ts_ns = _place(cited)
        detail = f"line {said.line} of its source: the content does not have the id (integrity {said.integrity!r})"
        yield Finding(said.signal_id, said.id, log, ts_ns, detail)


def outside_coverage(evidence: Evidence) -> Iterator[Finding]:
    """A statement about an instant for which there is no log: it can be neither confirmed nor denied."""
    for signal_id, record_id, _, cited in _all_cited(evidence):
        log = evidence.log(cited)
        if log is None:
            yield Finding(
                signal_id, record_id, cited.log, cited.ts_ns, f"no log {cited.log!r} is loaded, or several are"
            )
        elif (away := evidence.beyond(log, cited.ts_ns)) > 0:
            detail = f"{log.resource_id!r} has no entry within {away / NS:.3f} s of {cited.ts_ns}"
            yield Finding(signal_id, record_id, log.resource_id, cited.ts_ns, detail, away / NS, 0.0, "s")
    yield from _uncovered_calls(evidence)


def instant_outside_call(evidence: Evidence) -> Iterator[Finding]:
    """A tool that cites an instant before it was called, or after it had answered."""
    for found in evidence.residuals:
        if found.suspect:
            continue
        for id_, low, high in zip(found.ids, found.low.tolist(), found.high.tolist(), strict=True):
            away = max(low, -high)
            if away > 0:
                result = evidence.by_signal[id_]
                cited = result.cited
                assert cited is not None  # noqa: S101  only results that cite are in the residuals
                detail = f"the instant is {away / NS:.3f} s {'before the call' if low > 0 else 'after the answer'}"
                yield Finding(id_, evidence.record_of(result), cited.log, cited.ts_ns, detail, away / NS, 0.0, "s")


def clock_mapping(evidence: Evidence) -> Iterator[Finding]:
    """Clocks that do not fit what was said: most tools cite instants that are not between their calls and answers."""
    for found in evidence.residuals:
        if found.suspect:
            _, low, high = found.consensus
            detail = f"the wall clock of the logs and the times of the signals do not fit: {found}"
            yield Finding(None, None, None, None, detail, abs(low + high) / 2 / NS, 0.0, "s")
    for clock, log in evidence.without_utc.items():
        detail = f"no log leads from the clock of {log.resource_id!r}, {clock}, to one that is declared as UTC"
        yield Finding(None, None, log.resource_id, None, detail)
    if evidence.utc is None and evidence.logs and evidence.results:
        detail = (
            "no clock of the logs is declared as UTC, so times of signals say nothing about them; give "
            "clock=kit.align.Utc(...) where it is known how far one is from UTC"
        )
        yield Finding(None, None, None, None, detail)


RULES: tuple[Rule, ...] = (
    Rule("clock_mapping", "warning", "the clocks of logs and signals fit each other", clock_mapping),
    Rule("moving_on_arrival", "error", "who says it has arrived stands still", moving_on_arrival),
    Rule("not_where_claimed", "error", "who names a pose is there", not_where_claimed),
    Rule(
        "instant_outside_call", "error", "a tool cites an instant between its call and its answer", instant_outside_call
    ),
    Rule("other_instant", "error", "a record cites the instant that its signal was about", other_instant),
    Rule("other_log", "error", "a record cites the log that its signal was about", other_log),
    Rule("outside_job", "error", "a record about a job cites an instant of that job", outside_job),
    Rule("label_not_detected", "error", "what is said to be seen was detected in that frame", label_not_detected),
    Rule("other_picture", "error", "a picture's hash is that of the cited frame", other_picture),
    Rule("other_reading", "error", "a record has the value that its signal reported", other_reading),
    Rule("unverified_record", "warning", "a record about evidence has the id of its content", unverified_record),
    Rule("outside_coverage", "info", "there is a log of the instant that is spoken of", outside_coverage),
)


def _place(cited: Citation | None) -> tuple[str | None, int | None]:
    return (None, None) if cited is None else (cited.log, cited.ts_ns)


def _moves(evidence: Evidence) -> Iterator[tuple[Result, Citation, LogEntry]]:
    """Yield the tool results that cite a pose log."""
    for result in evidence.results:
        cited = result.cited
        log = None if cited is None else evidence.log(cited)
        if cited is not None and log is not None and log.kind == "pose":
            yield result, cited, log


def _cited(evidence: Evidence) -> Iterator[tuple[Statement, Citation, LogEntry]]:
    """Yield the records that cite a log that is there."""
    for said in evidence.statements:
        cited = said.cited
        log = None if cited is None else evidence.log(cited)
        if cited is not None and log is not None:
            yield said, cited, log


def _all_cited(evidence: Evidence) -> Iterator[tuple[str | None, str | None, Mapping[str, Any], Citation]]:
    for result in evidence.results:
        if (cited := result.cited) is not None:
            yield result.id, None, result.said, cited
    for said in evidence.statements:
        if (cited := said.cited) is not None:
            yield said.signal_id, said.id, said.said, cited


def _seen(evidence: Evidence) -> Iterator[tuple[str | None, str | None, Mapping[str, Any], Citation, LogEntry]]:
    """Yield the results and records that cite a camera or detection log which covers the instant."""
    for signal_id, record_id, said, cited in _all_cited(evidence):
        log = evidence.log(cited)
        if log is not None and log.kind in ("camera", "detection") and evidence.beyond(log, cited.ts_ns) == 0:
            yield signal_id, record_id, said, cited, log


def _claims_arrival(said: Mapping[str, Any]) -> bool:
    return any(said.get(key) for key in ARRIVED) or str(said.get("status", "")).lower() in DONE


def _name(said: Mapping[str, Any]) -> str:
    found = next((said[key] for key in ARRIVED if isinstance(said.get(key), str)), None)
    return "" if found is None else f" at {found!r:.60}"


def _moving(evidence: Evidence, motion: Motion) -> tuple[float, float, str] | None:
    """Return how fast it moves, what would be standing still, and the unit; None where it stands still."""
    tolerances = evidence.tolerances
    seconds = 2 * tolerances.window_ns / NS
    still = max(tolerances.speed_m_s, tolerances.noise * motion.noise_m * math.sqrt(2) / seconds)
    if motion.speed_m_s > still:
        return motion.speed_m_s, still, "m/s"
    if motion.turn_rad_s > tolerances.turn_rad_s:
        return motion.turn_rad_s, tolerances.turn_rad_s, "rad/s"
    return None


def _off(motion: Motion, said: Mapping[str, Any]) -> tuple[float, float | None] | None:
    """Return how far a claimed pose is from where the body is, in metres and radians; None where none is claimed."""
    claimed = said.get("pose") if isinstance(said.get("pose"), dict) else said
    assert isinstance(claimed, Mapping)  # noqa: S101
    if not (_number(claimed.get("x")) and _number(claimed.get("y"))):
        return None
    away = math.hypot(float(claimed["x"]) - motion.x, float(claimed["y"]) - motion.y)
    yaw = claimed.get("yaw", claimed.get("theta"))
    turned = abs(math.remainder(float(yaw) - motion.yaw, math.tau)) if _number(yaw) and yaw is not None else None
    return away, turned


def _shown(said: Mapping[str, Any]) -> str:
    claimed = said.get("pose") if isinstance(said.get("pose"), dict) else said
    return f"{claimed['x']:.3f}, {claimed['y']:.3f}" if claimed else ""


def _claimed_labels(said: Mapping[str, Any]) -> set[str]:
    """Return the labels that are said to be seen: `label`, `labels`, and those of the items of `detections`."""
    listed = [said.get("label")]
    for key in ("labels", "detections"):
        listed += said[key] if isinstance(said.get(key), list) else []
    named = [
        next((item[name] for name in LABELS if name in item), None) if isinstance(item, dict) else item
        for item in listed
    ]
    return {item for item in named if isinstance(item, str)}


def _claimed_hashes(said: Mapping[str, Any]) -> set[str]:
    found = {said["sha256"].lower()} if isinstance(said.get("sha256"), str) else set()
    refs = said.get("_refs")
    for ref in refs if isinstance(refs, list) else []:
        if (
            isinstance(ref, dict)
            and str(ref.get("kind")) == "@media.photo"
            and str(ref.get("id")).startswith("sha256:")
        ):
            found.add(str(ref["id"])[7:].strip().lower())
    return found


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


SPANS = """
SELECT s.id, epoch_ns(s.ts), epoch_ns(t.last) FROM signals s
JOIN (SELECT run, trace_id, max(ts) AS last FROM signals WHERE canonical GROUP BY run, trace_id) t
  ON t.run = s.run AND t.trace_id = s.trace_id
WHERE s.canonical AND s.run = $run AND list_contains($ids, s.id) AND s.ts IS NOT NULL
"""


def _spans(evidence: Evidence) -> Mapping[str, tuple[int, int]]:
    """Return for the signals that records are about when they were said, and when the last one of their trace was."""
    ids = sorted({said.signal_id for said in evidence.statements if said.signal_id is not None})
    found = evidence.store.execute(SPANS, {"run": evidence.paths.run, "ids": ids})
    return {id_: (begin, end) for id_, begin, end in found}


def _uncovered_calls(evidence: Evidence) -> Iterator[Finding]:
    """Yield the tool calls at a time for which their robot has no log at all."""
    for result in evidence.results:
        own = [log for log in evidence.logs if log.peer == result.peer and log.kind not in (None, "time_transform")]
        own = [log for log in own if len(evidence.times(log)) > 1]
        if result.call_ns is None or not own or result.cited is not None:
            continue
        away = []
        for log in own:
            at = evidence.on_clock(result.call_ns, log)
            if at is None:
                break
            away.append((evidence.beyond(log, at[0]) - at[1], log, at[0]))
        if len(away) == len(own) and min(item[0] for item in away) > 0:
            distance, log, at_ns = min(away, key=lambda item: item[0])
            yield Finding(
                result.call_id, evidence.record_of(result), log.resource_id, at_ns,
                f"no log of {result.peer!r} covers the call of {result.tool or 'the tool'}: the nearest, {log.resource_id!r}, is "
                f"{distance / NS:.3f} s away",
                distance / NS, 0.0, "s",
            )  # fmt: skip
