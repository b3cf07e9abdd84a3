"""What is planted is found, and nothing else: on missions with other names, maps, clocks and faults each."""

import json
from pathlib import Path

import pytest
from missions import FAULTS, mission

import kit
from kit.crosscheck import RULES, Finding, Rule, Tolerances
from kit.errors import ArgumentError, ClockMappingWarning
from kit.syncropel.canonical import server_id

RULE_OF = {
    "early_arrival": "moving_on_arrival",
    "arrival_elsewhere": "not_where_claimed",
    "wrong_instant": "other_instant",
    "wrong_log": "other_log",
    "wrong_label": "label_not_detected",
    "forged_record": "unverified_record",
    "other_reading": "other_reading",
    "other_picture": "other_picture",
}
QUICK = (1, 2)


def seeds(count: int) -> list[object]:
    return [seed if seed in QUICK else pytest.param(seed, marks=pytest.mark.long) for seed in range(1, count + 1)]


@pytest.mark.parametrize("seed", seeds(20))
def test_what_is_planted_is_found_and_nothing_else(tmp_path: Path, seed: int) -> None:
    made = mission(tmp_path, seed, faults=FAULTS)
    with kit.open(threads=1) as study:
        study.load(made.sources)
        found = study.crosscheck().rows()
    struck = {record for _, _, record in made.planted}
    assert [row for row in found if row["record_id"] not in struck] == []
    for fault, signal, record in made.planted:
        about = [row for row in found if row["record_id"] == record and row["rule"] == RULE_OF[fault]]
        assert len(about) == 1, fault
        assert about[0]["signal_id"] == signal
        assert about[0]["log"] and about[0]["ts_ns"] is not None


@pytest.mark.parametrize("seed", seeds(20))
def test_a_mission_without_faults_has_no_finding(tmp_path: Path, seed: int) -> None:
    made = mission(tmp_path, 100 + seed)
    with kit.open(threads=1) as study:
        study.load(made.sources)
        assert study.crosscheck().rows() == []


def test_robots_with_a_wall_clock_each_are_checked_together(tmp_path: Path) -> None:
    made = [mission(tmp_path / str(seed), seed, faults=FAULTS) for seed in (21, 22)]
    with kit.open(threads=1) as study:
        for one in made:
            study.load(one.sources)
        found = study.crosscheck().rows()
    struck = {record for one in made for _, _, record in one.planted}
    assert {row["record_id"] for row in found} == struck


def test_of_two_robots_the_one_with_a_shifted_clock_is_named(tmp_path: Path) -> None:
    right, wrong = mission(tmp_path / "right", 21), mission(tmp_path / "wrong", 22, shift_s=2.0)
    with kit.open(threads=1) as study:
        for one in (right, wrong):
            study.load(one.sources)
        found = study.crosscheck().rows()
        with pytest.warns(ClockMappingWarning) as warned:
            both = study.align(base="signals", others={"right": right.pose_log, "wrong": wrong.pose_log})
    assert [row["rule"] for row in found] == ["clock_mapping"]
    assert found[0]["distance"] == pytest.approx(2.0, abs=0.2)
    robot = wrong.robot
    assert f"by {robot}/wall_clock" in found[0]["detail"]
    assert len(warned) == 1 and f"{robot}/wall_clock" in str(warned[0].message)
    calls = {call["signal_id"]: call for call in right.calls}
    at = {row["signal_id"]: row for row in both.rows() if row["signal_id"] in calls}
    assert all(abs(at[id_]["right_ts_ns"] - call["sdk_ns"]) <= 20_000_000 for id_, call in calls.items())


def test_a_picture_may_be_cited_by_what_was_found_in_it(tmp_path: Path) -> None:
    made = mission(tmp_path, 23)
    records = made.folder / "records.jsonl"
    detections = next(path.name for path in made.folder.rglob(f"*@{made.image_log}"))
    # The ids are made again, so that nothing but the cited log is another.
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    for line in lines:
        if line["body"].get("log") == made.image_log:
            line["body"]["log"] = detections
            line["id"] = server_id({key: value for key, value in line.items() if key not in ("id", "object")})
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with kit.open(threads=1) as study:
        study.load(made.sources)
        found = study.crosscheck().rows()
    assert found == []


def test_what_no_log_covers_is_said_and_not_guessed(tmp_path: Path) -> None:
    made = mission(tmp_path, 3, cut_logs=True)
    with kit.open(threads=1) as study:
        study.load(made.sources)
        found = study.crosscheck().rows()
    assert {row["rule"] for row in found} == {"outside_coverage"}
    assert {row["severity"] for row in found} == {"info"}
    assert all(row["distance"] > 0 and row["unit"] == "s" for row in found)


def test_rules_can_be_picked_added_and_given_other_tolerances(tmp_path: Path) -> None:
    made = mission(tmp_path, 4, faults=("early_arrival", "other_reading"))
    mine = Rule("too_far", "info", "nobody drives", lambda evidence: iter([Finding(None, None, None, None, "it does")]))
    with kit.open(threads=1) as study:
        study.load(made.sources)
        assert [row["rule"] for row in study.crosscheck(["other_reading"])] == ["other_reading"]
        loose = Tolerances(speed_m_s=50, turn_rad_s=50, position_m=500, yaw_rad=10)
        assert study.crosscheck(["moving_on_arrival", "not_where_claimed"], tolerances=loose).rows() == []
        assert [row["rule"] for row in study.crosscheck([mine])] == ["too_far"]
        with pytest.raises(ArgumentError, match="no rule 'haste': there are clock_mapping"):
            study.crosscheck(["haste"])


def test_a_correction_of_a_reading_is_heard(tmp_path: Path) -> None:
    import json

    from kit.syncropel.canonical import server_id

    made = mission(tmp_path, 5, faults=("other_reading",))
    [(_, _, record)] = made.planted
    lines = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    wrong = next(line for line in lines if line["id"] == record)
    body = {
        "corrects": [record], "revised_fields": {"value": round(wrong["body"]["value"] - 4, 3)}, "reason": "misread",
        "kind": "core.correction", "_v": 1,
    }  # fmt: skip
    fields = {name: wrong[name] for name in ("act", "actor", "data_type", "parents", "thread")}
    correction = {**fields, "act": "PUT", "body": body, "clock": wrong["clock"] + 1}
    with (tmp_path / "records.jsonl").open("a") as file:
        file.write(json.dumps({"object": "record", "id": server_id(correction), **correction}) + "\n")
    with kit.open(threads=1) as study:
        study.load(made.sources)
        assert study.crosscheck().rows() == []


def test_without_logs_or_signals_there_is_nothing_to_find(small_capture: Path) -> None:
    with kit.open(threads=1) as study:
        assert study.crosscheck().rows() == []
        study.load(small_capture)
        assert study.crosscheck().rows() == []


def test_every_rule_says_what_must_hold() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.statement and rule.check.__doc__ for rule in RULES)
