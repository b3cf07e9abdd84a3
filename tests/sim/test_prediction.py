"""The published package under load, as a black box: a model of one half of its capture predicts the other half, at another load."""

import numpy as np
import pytest
from package_load import captured

import kit
from kit import sim
from kit.compare import compare_runs

BEFORE, AFTER = 5.0, 8.0
MEASURES = ("p50_ms", "p95_ms")


def quantiles(study: kit.Study) -> list[float]:
    """Return the median and the 95% quantile of the durations of completed traces, in ms."""
    took = [row["duration_ms"] for row in study.traces().rows() if row["status"] == "completed"]
    return [float(value) for value in np.quantile(took, [0.5, 0.95])]


def predicted(seed: int, seconds: float, replications: int) -> tuple[bool, float, float]:
    """Return whether both quantiles of the second half are in their intervals, and the mean error (of logarithms) of the prediction and
    of "same as before"."""
    first, second = (kit.load(lines) for lines in captured(seed, [BEFORE, AFTER], seconds))
    model = sim.calibrate(first)
    answer = model.what_if(load=AFTER / BEFORE, until=seconds, least=replications, most=replications)
    was, came = quantiles(first), quantiles(second)
    effects = [answer[name] for name in MEASURES]
    inside = all(effect.after_low <= value <= effect.after_high for effect, value in zip(effects, came, strict=True))
    off = [abs(np.log(effect.after / value)) for effect, value in zip(effects, came, strict=True)]
    same = [abs(np.log(before / value)) for before, value in zip(was, came, strict=True)]
    return inside, float(np.mean(off)), float(np.mean(same))


def test_how_the_package_works_is_read_from_its_bus() -> None:
    (lines,) = captured(3, [7.0], 60)
    study = kit.load(lines)
    made = sim.calibrate(study)
    assert {model.id: model.workers for model in made.models} == {
        "planner": 2,
        "worker-1": 1,
        "worker-2": 1,
        "worker-3": 1,
    }
    models = {model.id: model.behaviour for model in made.models}
    assert models["planner"].recalls == "notes" and models["worker-2"].calls == ("fs", "read")
    assert models["planner"].service.mean == pytest.approx(0.060 * np.exp(0.4**2 / 2), rel=0.12)
    assert models["worker-1"].service.mean == pytest.approx(0.180, rel=0.2)
    found = compare_runs(study, made.run(seed=1, until=60), conformance=False)
    assert [d.measure for d in found.distances if not d.within] == []


@pytest.mark.long
def test_simulations_of_models_are_within_the_halves_of_captures_of_the_package() -> None:
    for seed in range(10):
        (lines,) = captured(50 + seed, [(5.0, 7.0, 8.0)[seed % 3]], 120)
        study = kit.load(lines)
        found = compare_runs(study, sim.calibrate(study).run(seed=seed, until=120), conformance=False)
        assert [d.measure for d in found.distances if not d.within] == [], seed


def test_another_load_is_predicted_better_than_by_no_change() -> None:
    _, off, same = predicted(1, 60, 6)
    assert off < same


@pytest.mark.long
def test_another_load_is_predicted_inside_the_interval_for_eight_seeds_of_ten() -> None:
    found = [predicted(seed, 120, 12) for seed in range(10)]
    assert sum(inside for inside, _, _ in found) >= 8
    assert np.mean([off for _, off, _ in found]) < np.mean([same for _, _, same in found]) / 2
