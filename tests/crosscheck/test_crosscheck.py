"""What is planted is found, and nothing else: on missions with other names, maps, clocks and faults each."""

from pathlib import Path

import pytest
from missions import FAULTS, mission

import kit
from kit.crosscheck import RULES, Finding, Rule, Tolerances
from kit.errors import ArgumentError

RULE_OF = {
    "early_arrival": "moving_on_arrival",
    "arrival_elsewhere": "not_where_claimed",
    "wrong_instant": "other_instant",
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
