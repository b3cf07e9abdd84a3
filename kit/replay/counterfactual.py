"""Counterfactual replay: captured tasks drive new neurons, and everybody else answers from the recording."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Literal

import orjson

from kit.errors import ArgumentError
from kit.replay.comparison import Divergence, part
from kit.replay.content import Step, key_of
from kit.replay.outcome import Replay, Track
from kit.replay.recording import REPLIES, REQUESTS, SAID, Answer, Pool, Work, recording
from kit.sim import Axon, Dendrite, Effector, Engram, ImprintReceipt, Namespace
from kit.sim.duration import START_US
from kit.sim.envelope import Envelope
from kit.store.store import Store

Miss = Literal["stop", "live", "model"]
MISSES = ("stop", "live", "model")
WAYS = ("content", "elsewhere", "position", "live", "model", "silent", "missed")
"""How a request was answered, see `replay`."""
PATIENCE_US = 60_000_000
RECEIPT = {item.name for item in fields(ImprintReceipt)}
DEFAULTS: dict[str, dict[str, Any]] = {
    "RECALLED": {"hits": [], "truncated": False},
    "IMPRINTED": {"op": "upsert"},
    "TOOL_RESULT": {},
}
KEPT = {
    "RECALLED": {"engram_id", "hits", "truncated"},
    "IMPRINTED": RECEIPT,
    "TOOL_RESULT": {"tool", "result", "error", "call_id"},
}
Neurons = Mapping[str, "Callable[..., Any] | Axon"]


def replay(
    store: Store,
    neurons: "Neurons | Callable[..., Any] | Axon",
    *,
    run: str | None = None,
    traces: Sequence[str] | None = None,
    miss: Miss = "stop",
    live: Mapping[str, Any] | None = None,
    context: Callable[[str], Any] | None = None,
    ignore: Sequence[str] = (),
    seed: int | str = 0,
) -> Replay:
    """Return what new neurons make of the tasks of a capture, held against what the captured ones made of them.

    `neurons` maps the name of a neuron to its new function (or Axon), or is one function that is called as the neuron
    is. Each TASK that one of them had is sent to it again, at its time, in a simulated namespace. What it asks of
    memories, tools and other neurons is answered from the recording: by `content`, from the same task, else from any
    other (`elsewhere`); then by `position`, the nth request of this task to the same target. A request that had no answer
    has none again (`silent`). Where all of that fails, `miss` decides: "stop" leaves it unanswered, and the task ends there;
    "live" asks `live`, which maps names to an Effector, an Engram, a mapping of tools to functions, or the function of a
    neuron; "model" draws one of the recorded answers of the same target, by `seed`.

    `context` is called with the context_ref of a task, as an Axon's context_fetcher. `ignore` are patterns of paths in
    payloads that do not count, as `args.stamp`. Raises NotFoundError for a neuron that never worked.
    """
    if miss not in MISSES:
        raise ArgumentError(f"miss={miss!r} is none of {', '.join(MISSES)}")
    if isinstance(ignore, str):
        raise ArgumentError(f"ignore={ignore!r}: give a list, [{ignore!r}]")
    wanted = named(neurons)
    recorded = recording(store, wanted, run=run, traces=traces)
    ns = Namespace("replay", seed=seed, heartbeat=0, stamp_us=(1, 1))
    theatre = Theatre(ns, recorded.works, wanted, miss, live or {}, seed)
    for kind, address in sorted(recorded.addresses):
        table = ns.synapse.effectors if kind == "TOOL_CALL" else ns.synapse.engrams
        ns.synapse.add(table, address, theatre)
    for name, given in wanted.items():
        _host(ns, name, given, recorded.capabilities.get(name, ()), context)
    ns.start()
    first = min((work.at_us for work in recorded.works), default=0)
    for work in recorded.works:
        if work.within is None:
            ns.synapse.kernel.call(max(1, work.at_us - first + 1000), theatre.send, work)
    for us, line in recorded.interrupts:
        ns.synapse.kernel.call(max(1, us - first + 1000), theatre.interrupt, line)
    last = max((work.at_us for work in recorded.works), default=0)
    last = max([last, *(us for us, _ in recorded.interrupts)])
    slowest = max((_span_us(work) for work in recorded.works), default=0)
    ns.synapse.run((last - first + slowest + PATIENCE_US) / 1e6)
    return _judged(theatre, recorded.works, recorded.run, tuple(recorded.notes), tuple(ignore), tuple(wanted))


def named(neurons: "Neurons | Callable[..., Any] | Axon") -> "dict[str, Callable[..., Any] | Axon]":
    """Return neurons by name: a function alone has the name it is defined under, an Axon its id."""
    if isinstance(neurons, Axon):
        return {neurons.neuron_id: neurons}
    if callable(neurons):
        name = getattr(neurons, "__name__", "")
        if not name.isidentifier():
            raise ArgumentError(f"a function without a name stands for no neuron: give neurons={{'coder': {name}}}")
        return {name: neurons}
    found = dict(neurons)
    if not found:
        raise ArgumentError("neurons={}: give the new function of at least one neuron")
    for name, given in found.items():
        if not callable(given) and not isinstance(given, Axon):
            raise ArgumentError(f"neuron {name!r} is {given!r:.60}; give its function, or an Axon")
    return found


def _host(
    ns: Namespace, name: str, given: Any, capabilities: Sequence[str], context: Callable[[str], Any] | None
) -> None:
    axon = given if isinstance(given, Axon) else Axon(
        neuron_id=name, neuron_fn=given, capabilities=capabilities, context_fetcher=context
    )  # fmt: skip
    axon.neuron_id = name
    bound = bool(axon.engram_bindings or axon.effector_bindings)
    ns._host(axon, None, None)
    axon.unbound = not bound


def _span_us(work: Work) -> int:
    return max([0, *((step.at_us or work.at_us) - work.at_us for step in work.steps)])


class Theatre(Dendrite):
    """Sends the captured tasks, notes what the new neurons do, and answers them from the recording."""

    def __init__(
        self,
        ns: Namespace,
        works: Sequence[Work],
        wanted: Mapping[str, Any],
        miss: Miss,
        live: Mapping[str, Any],
        seed: int | str,
    ) -> None:
        super().__init__(synapse=ns.synapse, namespace=ns.name, dendrite_id="recording", heartbeat_s=0)
        ns.dendrites[self.dendrite_id] = self
        self._ns = ns
        self._wanted = wanted
        self._miss = miss
        self._seed = seed
        self._works = {work.task_id: work for work in works}
        self._pool: Pool | None = None
        self._all = works
        self.done: dict[str, list[Step]] = defaultdict(list)
        """The steps of the new neurons, by the captured task."""
        self.stopped_at: dict[str, str] = {}
        self.ways: Counter[str] = Counter()
        self.answered: dict[str, str] = {}
        """Which way each request of the replay was answered, by its id."""
        self.started: set[str] = set()
        self._task_of: dict[str, str] = {}
        """The captured task that a task of the replay is."""
        self._used: dict[str, set[str]] = defaultdict(set)
        self._asked: Counter[tuple[Any, ...]] = Counter()  # type: ignore[assignment]
        self._live = _live_node(ns, live)
        for kind in sorted(REQUESTS | REPLIES | SAID):
            self.synapse.add(self.synapse.listeners, kind, self)
        self.duties = {}

    # Driving

    def send(self, work: Work) -> None:
        """Send a captured TASK to its neuron, with its ids."""
        self._task_of[work.task_id] = work.task_id
        self.started.add(work.task_id)
        payload = {**work.payload, "input": work.payload.get("input") or {}}
        payload.pop("winning_bid", None)
        self._publish("TASK", work.task_id, work.trace_id, work.parent_id, work.neuron, None, payload, work.meta)

    def interrupt(self, line: Mapping[str, Any]) -> None:
        """Send what ended requests in the capture."""
        address = (line["trace_id"], line["parent_id"], line["to"], line["to_type"])
        self._publish(line["kind"], line["id"], *address, line["payload"], {})

    def _publish(
        self, kind: str, id: str, trace_id: str, parent_id: str | None, to: str | None, to_type: str | None,
        payload: dict[str, Any], meta: dict[str, Any],
    ) -> None:  # fmt: skip
        us = self.synapse.stamp(self)
        capabilities = None if kind == "STOP" else ()
        self.synapse.publish(
            Envelope(id, trace_id, parent_id, kind, to, to_type, capabilities, us, payload, meta, self, None)
        )

    # Noting and answering

    def take(self, envelope: Envelope) -> None:
        """Note a step of a new neuron, and answer it where it is a request."""
        kind = envelope.kind
        if envelope.sender is self or envelope.sender is self._live:
            return
        task = self._task_of.get(envelope.parent_id or "")
        if task is None or (kind in REPLIES | SAID and envelope.to != self._works[task].neuron):
            return
        payload = orjson.loads(envelope.text or "{}")
        target = (None, None) if kind in REPLIES or kind in SAID else (envelope.to, envelope.to_type)
        step = Step(kind, *target, payload, envelope.id, envelope.ts_us)
        self.done[task].append(step)
        if kind in REQUESTS:
            self._answer(self._works[task], step, envelope)

    def _answer(self, work: Work, step: Step, envelope: Envelope) -> None:
        way, found, original = self._recorded(work, step)
        if step.kind == "TASK" and self._passed_on(step, envelope, original):
            return
        if way == "missed" and self._miss == "live":
            if self._live.serve(envelope):
                way = "live"
        elif way == "missed" and self._miss == "model":
            pool = self._pooled().by_target.get(step.about)
            if pool:
                way, found = "model", random.Random(f"{self._seed}/{step.about}/{len(self.answered)}").choice(pool)
        self.ways[way] += 1
        self.answered[step.id] = way
        if way == "missed":
            self.stopped_at.setdefault(work.task_id, step.id)
        for answer in found:
            self.synapse.kernel.call(answer.delay_us, self._tell, answer, envelope)

    def _recorded(self, work: Work, step: Step) -> tuple[str, list[Answer], Step | None]:
        """Return how a request is answered, with what, and the captured request it stands for."""
        used = self._used[work.task_id]
        key, about = key_of(step), step.about
        nth = self._asked[work.task_id, about]
        self._asked[work.task_id, about] += 1
        alike = [own for own in work.steps if own.about == about]
        same = next((own for own in alike if own.id not in used and key_of(own) == key), None)
        if same is not None:
            used.add(same.id)
            answers = work.answers.get(same.id, [])
            return ("content" if answers else "silent"), answers, same
        if step.kind != "TASK":
            known = self._pooled().by_content.get(key)
            if known:
                return "elsewhere", known[0], None
        if nth < len(alike) and alike[nth].id not in used:
            used.add(alike[nth].id)
            answers = work.answers.get(alike[nth].id, [])
            return ("position" if answers else "silent"), answers, alike[nth]
        return "missed", [], None

    def _pooled(self) -> Pool:
        if self._pool is None:
            self._pool = Pool(self._all)
        return self._pool

    def _passed_on(self, step: Step, envelope: Envelope, original: Step | None) -> bool:
        """Whether a TASK of a new neuron goes to another new one, who works on it here."""
        captured = self._works.get(original.id) if original is not None else None
        if captured is not None:
            self._task_of[envelope.id] = captured.task_id
            self.started.add(captured.task_id)
            return True
        return step.to in self._wanted

    def _tell(self, answer: Answer, envelope: Envelope) -> None:
        """Publish a recorded answer to a request of the replay."""
        payload = {**DEFAULTS.get(answer.kind, {}), **answer.payload}
        kept = KEPT.get(answer.kind)
        if kept is not None:
            payload = {name: value for name, value in payload.items() if name in kept}
        if answer.kind in ("RECALLED", "IMPRINTED"):
            payload.setdefault("engram_id", answer.to or "")
        if answer.kind == "TOOL_RESULT":
            payload.setdefault("tool", envelope.payload.get("tool", ""))
            payload.pop("call_id", None)
            if envelope.payload.get("call_id") is not None:
                payload["call_id"] = envelope.payload["call_id"]
        sent = self.synapse.send(
            self, answer.kind, payload, envelope.trace_id, envelope.id, answer.to, answer.to_type, ()
        )
        if answer.kind == "AGENT_OUTPUT" and envelope.payload.get("finalize"):
            result = {"result": payload.get("output") or {}}
            self.synapse.send(self, "FINAL", result, envelope.trace_id, sent.id, answer.to, None, ())


class Live(Dendrite):
    """What answers by itself where the recording has no answer."""

    def serve(self, envelope: Envelope) -> bool:
        """Have a request answered; False where nobody is there for it."""
        kind = envelope.kind
        if kind == "TASK":
            axon = self.axons.get(envelope.to or "")
            if axon is not None:
                self.work(axon, envelope, "TASK")
            return axon is not None
        hosted: Mapping[str, Any] = self.effectors if kind == "TOOL_CALL" else self.engrams
        if not self._asked(dict(hosted), envelope, "effector_kind" if kind == "TOOL_CALL" else "engram_kind"):
            return False
        {"TOOL_CALL": self.asked_tool, "RECALL": self.asked_recall, "IMPRINT": self.asked_imprint}[kind](envelope)
        return True


def _live_node(ns: Namespace, live: Mapping[str, Any]) -> Live:
    node = Live(synapse=ns.synapse, namespace=ns.name, dendrite_id="live", heartbeat_s=0, role="orchestrator")
    node.place = 1 << 30
    node.settle()
    for name, given in live.items():
        if isinstance(given, Engram):
            node.engrams[name] = given
            given.dendrite = node
        elif isinstance(given, Effector | Mapping):
            made = given if isinstance(given, Effector) else Effector(effector_id=name, effector_kind=name, tools=given)
            node.effectors[name] = made
            made.dendrite = node
        elif callable(given):
            axon = Axon(neuron_id=name, neuron_fn=given)
            axon.unbound = True
            node._host(axon)
        else:
            raise ArgumentError(
                f"live[{name!r}] is {given!r:.60}: give an Effector, an Engram, {{tool: function}}, or a neuron's function"
            )
    return node


def _judged(
    theatre: Theatre,
    works: Sequence[Work],
    run: str,
    notes: tuple[str, ...],
    ignore: tuple[str, ...],
    neurons: tuple[str, ...],
) -> Replay:
    """Hold what was done against what was captured."""
    tracks = []
    for work in works:
        done = theatre.done.get(work.task_id, [])
        if work.task_id not in theatre.started:
            tracks.append(Track(work, (), "not reached", 0, None, None))
            continue
        at = theatre.stopped_at.get(work.task_id)
        agreed, parted = part(work, done, stopped_at=at, ignore=ignore)
        if parted is None and at is not None and work.replied and len(done) < len(work.steps) + 1 and not _ended(done):
            parted = _unanswered(work, done, at)
        state = "parts" if parted else "agrees" if work.replied else "open"
        tracks.append(Track(work, tuple(done), state, agreed, parted, at))
    errors = tuple(
        f"{who}: {type(error).__name__}: {error}"
        for who, error in theatre.synapse.errors
        if who not in ("recording", "live")
    )
    ways = {way: theatre.ways[way] for way in WAYS}
    return Replay(run, neurons, tuple(tracks), ways, notes, errors, theatre._ns)


def _ended(done: Sequence[Step]) -> bool:
    return bool(done) and done[-1].kind in REPLIES


def _unanswered(work: Work, done: Sequence[Step], at: str) -> Divergence:
    place = next(n for n, step in enumerate(done) if step.id == at)
    reason = (
        f"{work.neuron} {done[place].name}, and the recording has no answer to that; the task ends here (miss='stop')"
    )
    was = work.steps[place] if place < len(work.steps) else None
    us = work.at_us if was is None or was.at_us is None else was.at_us
    return Divergence("unanswered", reason, work.trace_id, work.task_id, work.neuron, place + 1, was, done[place], us)


__all__ = ["MISSES", "START_US", "WAYS", "Live", "Theatre", "named", "replay"]
