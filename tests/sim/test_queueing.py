"""Models under Poisson arrivals behave as queueing theory says: M/M/1, M/M/c, M/G/1."""

import math

import numpy as np
import pytest

from kit import sim

Z = 3.5
"""Standard errors that a mean may be off; runs are seeded, so this holds or it does not."""


def latencies(rate_per_s: float, service: sim.Distribution, workers: int, requests: int, seed: int) -> np.ndarray:
    """Return the seconds each request took, without the first tenth."""
    ns = sim.Namespace(seed=seed, stamp_us=(1, 1), heartbeat=0, keep=False)
    ns.model("m", capabilities=["x"], service=service, workers=workers)
    caller = ns.arrivals(rate_per_s=rate_per_s, capabilities=["x"], count=requests, timeout="1h")
    ns.run(until=1.2 * requests / rate_per_s, drain="1h")
    assert caller.completed == requests
    return np.frombuffer(caller.latencies_us, np.int64)[requests // 10 :] / 1e6


def interval(values: np.ndarray, batches: int = 20) -> tuple[float, float]:
    """Return the mean and its standard error, by batch means: neighbours in a queue are not independent."""
    means = np.array([batch.mean() for batch in np.array_split(values, batches)])
    return float(means.mean()), float(means.std(ddof=1) / math.sqrt(batches))


def erlang_c(servers: int, offered: float) -> float:
    """Return the probability that an arrival has to wait."""
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)


@pytest.mark.parametrize(("load", "seed"), [(0.5, 1), (0.8, 2)])
def test_one_worker_is_an_m_m_1_queue(load: float, seed: int) -> None:
    mean, error = interval(latencies(load * 10, sim.exponential(ms=100), 1, 3000, seed))
    assert mean == pytest.approx(0.1 / (1 - load), abs=Z * error)


@pytest.mark.parametrize(("servers", "load", "seed"), [(3, 0.7, 1), (8, 0.85, 2)])
def test_several_workers_are_an_m_m_c_queue(servers: int, load: float, seed: int) -> None:
    rate = servers * load * 10
    mean, error = interval(latencies(rate, sim.exponential(ms=100), servers, 3000, seed))
    wait = erlang_c(servers, servers * load) / (servers * 10 - rate)
    assert mean == pytest.approx(0.1 + wait, abs=Z * error)


@pytest.mark.parametrize(
    ("service", "square"),
    [(sim.constant(ms=100), 0.0), (sim.gamma(ms=100, shape=4), 0.25), (sim.lognormal(ms=100, sigma=0.5), None)],
    ids=["constant", "gamma", "lognormal"],
)
def test_other_service_times_follow_pollaczek_and_khinchine(service: sim.Distribution, square: float | None) -> None:
    variation = math.exp(0.25) - 1 if square is None else square
    rate, mean_service = 6.0, service.mean
    load = rate * mean_service
    mean, error = interval(latencies(rate, service, 1, 3000, 5))
    wait = load * mean_service * (1 + variation) / (2 * (1 - load))
    assert mean == pytest.approx(mean_service + wait, abs=Z * error)


def test_an_m_m_1_queue_has_exponential_times_in_system() -> None:
    values = latencies(5.0, sim.exponential(ms=100), 1, 3000, 9)
    for q in (0.5, 0.9, 0.99):
        assert float(np.quantile(values, q)) == pytest.approx(-0.2 * math.log(1 - q), rel=0.12)
