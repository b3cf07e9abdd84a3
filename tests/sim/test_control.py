"""A simulation driven by hand: places, commands, the log and what it makes again."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kit
from kit import sim
from kit.errors import ArgumentError, InvariantError, KernelError, NotFoundError
from kit.sim import Controller, ControlLog
from kit.sim.command import Play
from kit.sim.control import Goal


def desk(seed: int = 7) -> sim.Namespace:
    """The shipped office, new."""
    return sim.scenario("desk").namespace(seed)


def lab(seed: int = 7) -> sim.Namespace:
    """A namespace that is built by hand: a writer who asks, a tester, memory, requests."""
    ns = sim.Namespace("lab", seed=seed)

    @ns.neuron("writer", capabilities=["write"], workers=2)
    async def writer(input: Any, context: Any, *, imprint: Any, sleep: Any, dendrite: Any) -> Any:
        if input.get("ask") == "permission" and "permission" not in input:
            return {"__permission__": True, "action": "publish"}
        if input.get("ask") and "clarification" not in input and "permission" not in input:
            return {"__clarification__": True, "question": "for whom?"}
        for n in range(3):
            await imprint("notes", op="upsert", entry={"content": n}, merge_key=f"n{n}", await_ack=True)
            await sleep("100ms")
        if input.get("q") == "raise":
            raise RuntimeError("no ink")
        return {"id": kit.sim.Envelope.__name__, "said": input.get("clarification", input.get("permission"))}

    ns.model("tester", capabilities=["test"], service=sim.exponential(ms=150), bid=sim.uniform(1, 5))
    ns.model("second", capabilities=["test", "slow"], service=sim.exponential(ms=300), bid=sim.uniform(1, 5))
    ns.engram("notes")
    ns.effector("disk")
    ns.arrivals(name="request", rate_per_s=3, capabilities=["test"])
    ns.arrivals(name="steady", every="2s", neuron="writer")
    ns.arrivals(name="once", at=["1s"], neuron="writer")
    return ns


def kinds(control: Controller, kind: str) -> list[dict[str, Any]]:
    """The payloads of all signals of a type."""
    rows = control.snapshot().signals.sql(f"SELECT payload FROM self WHERE type = '{kind}' ORDER BY line").rows()
    return [json.loads(row["payload"]) for row in rows]


def test_driven_to_a_time_and_its_end_it_is_the_run_of_that_time() -> None:
    control = Controller(desk())
    control.run_until("1m")
    assert control.finish().digest == desk().run("1m").digest


def test_how_time_is_sliced_changes_nothing() -> None:
    control = Controller(desk())
    for count in (1, 7, 1, 300):
        control.step(count, "events")
    control.step(25)
    for time in ("20s", "20.5s", "21s", "1m"):
        control.run_until(time)
    assert control.finish().digest == desk().run("1m").digest


def test_ids_that_a_neuron_draws_do_not_depend_on_the_slices() -> None:
    def made() -> sim.Namespace:
        ns = sim.Namespace("ids", seed=1)
        ns.neuron("minter", capabilities=["mint"])(lambda input, context: {"ids": [kit.ids.ulid() for _ in range(3)]})
        ns.arrivals(every="10ms", neuron="minter")
        return ns

    control = Controller(made())
    while control.us < 300_000:
        control.step(1, "events")
    control.run_until("1s")
    assert control.finish().digest == made().run("1s").digest


def test_signals_and_events_are_counted_exactly() -> None:
    control = Controller(desk())
    before = control.signals
    control.step(13)
    assert control.signals == before + 13
    before = control.events
    control.step(101, "events")
    assert control.events == before + 101


def test_everything_done_by_hand_is_done_again_by_the_log() -> None:
    control = Controller(lab())
    control.run_until("3s")
    control.crash("tester", for_="2s")
    control.inject("slow", "writer", by="50ms", for_="1s")
    control.inject("drop", p=0.5, receiver="second", for_="3s")
    control.rate("request", 9)
    control.workers("tester", 4)
    control.dispatch("a", neuron="writer")
    control.dispatch("b", capabilities=["slow"])
    control.dispatch({"n": 1}, capabilities=["test"], offer="lowest_cost", deadline_ms=60)
    control.step(40)
    trace = control.dispatch({"ask": "who"}, neuron="writer")
    control.run_until("6s")
    assert [one.trace_id for one in control.onlooker.questions.values()] == [trace]
    control.answer(answer="ana")
    control.step(3, "events")
    control.stop_trace(control.dispatch("c", neuron="writer"), rollback=True, reason="enough")
    control.run_until("8s")
    control.rate("request", 0)
    control.run_until("10s")
    run = control.finish()
    log = ControlLog.from_json(control.log.to_json())
    assert log == control.log == run.control
    assert len(log.acts) == 14
    again = log.replay(lab())
    assert again.digest == run.digest == log.digest
    assert (again.events, again.us) == (log.events, log.us)
    assert again.log.acts == log.acts


def test_a_log_does_not_fit_a_namespace_of_another_making() -> None:
    control = Controller(lab())
    control.run_until("3s")
    control.step(20)
    with pytest.raises(KernelError, match=r"is not at .* the namespace is not of the same making"):
        control.log.replay(lab(seed=8))


def test_a_dispatched_task_ends_in_a_final_also_after_a_question() -> None:
    control = Controller(lab())
    plain = control.dispatch("a", neuron="writer")
    asked = control.dispatch({"ask": "who"}, neuron="writer")
    control.run_until("1s")
    control.answer(answer={"name": "ana"})
    control.run_until("3s")
    finals = (
        control.snapshot().signals.sql("SELECT trace_id, payload FROM self WHERE type = 'FINAL' ORDER BY line").rows()
    )
    results = {row["trace_id"]: json.loads(row["payload"])["result"].get("said") for row in finals}
    assert results[plain] is None
    assert results[asked] == {"question": "for whom?", "answer": {"name": "ana"}}
    assert asked not in control.onlooker.open


@pytest.mark.parametrize("granted", [True, False])
def test_a_permission_is_decided(granted: bool) -> None:
    control = Controller(lab())
    control.dispatch({"ask": "permission"}, neuron="writer")
    control.run_until("1s")
    with pytest.raises(ArgumentError, match="is a PERMISSION; give granted="):
        control.answer(answer="yes")
    control.answer(granted=granted, reason="because")
    control.run_until("3s")
    said = [final["result"]["said"] for final in kinds(control, "FINAL") if final["result"].get("said")]
    assert said == [{"action": "publish", "granted": granted, "reason": "because"}]


def test_who_waits_for_a_decision_gets_it_as_a_signal() -> None:
    ns, decided = lab(), []

    @ns.orchestrator.on_clarification
    async def handle(signal: Any) -> None:
        decision = await ns.orchestrator.await_decision(signal, timeout_s=None)
        decided.append(decision.payload["answer"])

    control = Controller(ns)
    control.dispatch({"ask": "who"}, neuron="writer")
    control.run_until("1s")
    control.answer(answer="this")
    control.run_until("2s")
    assert kinds(control, "CLARIFICATION_ANSWER") == [{"answer": "this"}]
    assert decided == ["this"]


def test_a_stop_with_rollback_undoes_what_was_written_and_the_answers_are_counted() -> None:
    control = Controller(lab())
    trace = control.dispatch("a", neuron="writer")
    control.run_until("0.15s")
    notes = control.namespace.engrams["notes"]
    assert len(notes.look({})) == 2  # type: ignore[attr-defined]
    control.stop_trace(trace, rollback=True)
    control.run_until("0.2s")
    assert notes.look({}) == []  # type: ignore[attr-defined]
    told = control.onlooker.stops[trace]
    assert (told.cancelled, told.compensated) == (1, 2)
    assert len(kinds(control, "STOPPED")) == told.answers == 3


def test_breakpoints_stand_still_right_after_the_signal() -> None:
    control = Controller(desk())
    control.break_at("ERROR", neuron="courier")
    control.next()
    assert control.why == "breakpoint: ERROR courier"
    last = control.onlooker.recent[-1]
    assert (last.kind, last.to) == ("ERROR", "courier")
    first = control.us
    control.next()
    assert control.us > first
    control.break_at()
    control.play()
    for _ in range(20):
        control.turn()
    assert control.playing
    control.pause()
    assert control.log.replay(desk()).digest == control.digest


def test_the_next_fault_is_where_it_begins_and_where_it_ends() -> None:
    control = Controller(lab())
    control.namespace.faults.crash("tester", at="2s", for_="3s")
    control.next()
    assert (control.why, control.us) == ("fault crash/tester begins", 2_000_000)
    control.next()
    assert (control.why, control.us) == ("fault crash/tester ends", 5_000_000)


def test_real_time_is_kept_and_does_not_run_away() -> None:
    wall = [0.0]
    control = Controller(lab(), clock=lambda: wall[0])
    control.speed(10.0)
    control.play()
    rests = []
    for _ in range(40):
        rest = control.turn()
        assert rest is not None
        rests.append(rest)
        wall[0] += 0.025
    assert control.us == pytest.approx(10 * 39 * 25_000, abs=2)
    assert max(rests) <= 0.1
    control.speed(1.0)
    wall[0] += 1.0
    control.turn()
    assert control.us == pytest.approx(10 * 39 * 25_000 + 1_000_000, abs=2)
    control.pause()
    assert control.turn() is None
    assert control.log.replay(lab()).digest == control.digest


def test_an_error_that_comes_out_of_the_simulation_stands_it_still_and_the_log_goes_past_it() -> None:
    def made() -> sim.Namespace:
        ns = lab()
        sim.watch(ns, lambda ns: ns.now_s < 3, every="1s", name="early")
        return ns

    control = Controller(made())
    with pytest.raises(InvariantError, match="'early' does not hold at 3 s"):
        control.run_until("5s")
    assert "InvariantError" in control.why
    control.run_until("6s")
    control.crash("tester")
    control.run_until("7s")
    again = control.log.replay(made())
    assert again.digest == control.digest
    assert [type(error) for error in again.failures] == [InvariantError]


def test_an_exception_of_a_neuron_is_kept_with_its_place() -> None:
    control = Controller(lab())
    control.dispatch("raise", neuron="writer")
    control.run_until("1s")
    (raised,) = control.namespace.synapse.raised
    assert (raised.neuron, str(raised.error)) == ("writer", "no ink")
    assert raised.error.__traceback__ is not None


def test_rates_change_at_once_and_can_be_nothing() -> None:
    control = Controller(lab())
    stream = control.namespace.callers["request"]
    control.rate("request", 0)
    control.run_until("10s")
    assert stream.started == 0
    control.rate("request", 50)
    control.run_until("20s")
    assert stream.started == pytest.approx(500, rel=0.2)
    control.rate("steady", 0.25)
    before = control.namespace.callers["steady"].started
    control.run_until("40s")
    assert control.namespace.callers["steady"].started - before == 5
    with pytest.raises(ArgumentError, match="'once' come at given times"):
        control.rate("once", 1)
    with pytest.raises(ArgumentError, match="is no rate"):
        control.rate("request", -1)


def test_workers_change_how_many_tasks_are_worked_on_at_once() -> None:
    control = Controller(lab())
    control.rate("steady", 0)
    control.rate("request", 0)
    control.workers("writer", 1)
    control.run_until("2s")
    for n in range(6):
        control.dispatch(f"t {n}", neuron="writer")
    control.step(1)
    control.run_until("2.05s")
    gate = control.namespace.dendrites["writer"].gates["writer"]
    assert (gate.busy, len(gate.waiting)) == (1, 5)
    control.workers("writer", 4)
    control.run_until("2.06s")
    assert (gate.busy, len(gate.waiting)) == (4, 2)
    control.workers("writer", None)
    control.run_until("2.07s")
    assert gate.busy == 6


@pytest.mark.parametrize(
    ("do", "error", "words"),
    [
        (lambda c: c.crash("nobody"), ArgumentError, "nobody is called 'nobody'"),
        (lambda c: c.workers("nobody", 2), NotFoundError, "no neuron 'nobody'"),
        (lambda c: c.rate("nobody", 2), NotFoundError, "no arrivals 'nobody'"),
        (lambda c: c.answer(answer="x"), NotFoundError, "there are none"),
        (lambda c: c.run_until("1s"), ArgumentError, "is past; it is 2 s"),
        (lambda c: c.at(1, 1), KernelError, "make the namespace again"),
        (lambda c: c.dispatch("x"), ArgumentError, "say for whom"),
        (lambda c: c.dispatch("x", neuron="a", offer="first_bid"), ArgumentError, "an offer goes to"),
        (lambda c: c.dispatch({"x": {1, 2}}, neuron="a"), ArgumentError, "has no JSON form"),
        (lambda c: c.dispatch("x", capabilities=["a"], offer="best"), ArgumentError, "offer 'best' is none of"),
        (lambda c: c.inject("crsh", "tester"), ArgumentError, "fault 'crsh' is none of"),
        (lambda c: c.inject("crash", "tester", fro="1s"), ArgumentError, "fro"),
        (lambda c: c.crash("tester", for_="soon"), ArgumentError, "'soon' is no span of time"),
        (lambda c: c.break_at("TSK"), ArgumentError, "type 'TSK' is none of"),
        (lambda c: c.step(0), ArgumentError, "give a count from 1"),
        (lambda c: c.speed(0), ArgumentError, "speed 0"),
        (lambda c: c.stop_trace(""), ArgumentError, "choose a trace"),
        (lambda c: c.workers("tester", 0), ArgumentError, "give 1 or more"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(do: Any, error: type[Exception], words: str) -> None:
    control = Controller(lab())
    control.run_until("2s")
    before = (control.events, control.us, control.digest)
    with pytest.raises(error, match=words):
        do(control)
    assert (control.events, control.us, control.digest) == before
    control.run_until("3s")
    assert control.finish().digest == lab().run("3s").digest


def test_a_refusal_is_in_the_log_but_not_in_the_code() -> None:
    control = Controller(lab())
    with pytest.raises(ArgumentError):
        control.crash("nobody")
    (entry,) = control.entries
    assert "nobody is called 'nobody'" in str(entry.error)
    assert "nobody" not in control.code("lab")
    assert control.log.replay(lab()).digest == control.digest


def test_a_namespace_has_one_controller_and_is_over_after_its_end() -> None:
    ns = lab()
    control = Controller(ns)
    with pytest.raises(KernelError, match="is driven by hand already"):
        Controller(ns)
    control.finish()
    for do in (lambda: control.run_until("1m"), lambda: control.crash("tester"), control.play):
        with pytest.raises(KernelError, match="has run"):
            do()
    over = lab()
    over.run("1s")
    with pytest.raises(KernelError, match="has run"):
        Controller(over)


MOVES = st.one_of(
    st.tuples(st.just("step"), st.integers(1, 60), st.sampled_from(["signals", "events"])),
    st.tuples(st.just("crash"), st.sampled_from(["tester", "writer", "nobody", "notes"])),
    st.tuples(st.just("dispatch"), st.sampled_from(["a", '{"ask": "who"}', "raise"])),
    st.tuples(st.just("stop"), st.booleans()),
    st.tuples(st.just("answer"), st.sampled_from(["x", "y"])),
    st.tuples(st.just("rate"), st.sampled_from([0.0, 1.0, 20.0])),
    st.tuples(st.just("workers"), st.sampled_from([1, 3, None])),
    st.tuples(st.just("inject"), st.sampled_from(["pause", "drop", "duplicate", "delay", "engram"])),
)


def move(control: Any, what: tuple[Any, ...]) -> None:
    """Do one of `MOVES`; a refusal is part of the game."""
    name, *args = what
    does = {
        "step": lambda: control.step(*args),
        "crash": lambda: control.crash(args[0], for_="1s"),
        "dispatch": lambda: control.dispatch(args[0], neuron="writer"),
        "stop": lambda: control.stop_trace(control.dispatch("s", neuron="writer"), rollback=args[0]),
        "answer": lambda: control.answer(answer=args[0]),
        "rate": lambda: control.rate("request", args[0]),
        "workers": lambda: control.workers("tester", args[0]),
        "inject": lambda: control.inject(
            args[0], "notes" if args[0] == "engram" else "writer" if args[0] == "pause" else None,
            **({"by": "80ms"} if args[0] == "delay" else {}), for_="0.5s", p=0.5,
        ),
    }  # fmt: skip
    try:
        does[name]()
    except (ArgumentError, NotFoundError):
        return


@settings(max_examples=40)
@given(st.lists(MOVES, max_size=25))
def test_any_sequence_of_commands_is_replayed_by_its_log(moves: list[tuple[Any, ...]]) -> None:
    control = Controller(lab())
    for what in moves:
        move(control, what)
    log = ControlLog.from_json(control.log.to_json())
    again = log.replay(lab())
    assert again.digest == control.digest
    assert [replace(entry, events=0) for entry in again.log.acts] == [replace(entry, events=0) for entry in log.acts]


def test_simulations_on_two_threads_do_not_disturb_each_other_or_the_collector() -> None:
    import gc

    before = gc.get_threshold()
    digests: list[str] = []

    def run() -> None:
        digests.append(desk().run("20s").digest)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(digests) == {desk().run("20s").digest}
    assert gc.get_threshold() == before


def test_a_run_of_the_past_stays_as_it_was_while_the_simulation_goes_on() -> None:
    control = Controller(sim.scenario("desk").namespace(7, spill_rows=1000))
    control.run_until("5s")
    early = control.snapshot()
    count, digest = len(early), early.digest
    control.run_until("9m")
    assert control.namespace.synapse.tape.spilled
    assert len(early.arrow()) == count == len(early)
    again = Controller(desk())
    again.run_until("5s")
    assert again.digest == digest
    assert again.snapshot().arrow().equals(early.arrow())


def test_a_goal_that_is_given_up_is_over() -> None:
    control = Controller(lab())
    goal = control.apply(Play())
    assert isinstance(goal, Goal)
    assert not goal.over.is_set()
    control.pause()
    assert goal.over.is_set()
