"""Statistical neurons: how long they take, how often they fail, what they ask and cost, as distributions.

A model works by callbacks on the virtual clock, without a coroutine a task. Each thing it draws has a stream of its
own (`7/neuron/coder/service`), so that a change in one leaves all others as they were.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_json

from kit.errors import ArgumentError, KitError
from kit.kernel import Scheduled
from kit.sim.axon import POISON, Axon
from kit.sim.distribution import Distribution, constant
from kit.sim.envelope import Envelope, Json
from kit.sim.gate import Job

if TYPE_CHECKING:
    from kit.sim.dendrite import Dendrite

KEYS = 64
"""Entries that a model's recalls and imprints go round."""


@dataclass(frozen=True)
class Behaviour:
    """What a model does with a task, as data.

    It recalls from `recalls`, calls `calls` (Effector, tool), works for `service`, imprints into `imprints`, and
    replies; a part that is None is left out. With `calls_last` it calls after its work. With
    probability `fails` the reply is an ERROR, with `asks` a CLARIFICATION, with `asks_permission` a PERMISSION; it asks once
    a task. `output_bytes` is how much it says, `tokens_in`, `tokens_out` and `cost_micro_usd` go into the
    meta of the reply. `bid` is the cost it bids: drawn, or `load` for the number of tasks before it.
    """

    service: Distribution = field(default_factory=partial(constant, 0))
    fails: float = 0.0
    recoverable: bool = True
    asks: float = 0.0
    output_bytes: Distribution | None = None
    tokens_in: Distribution | None = None
    tokens_out: Distribution | None = None
    cost_micro_usd: Distribution | None = None
    model: str | None = None
    bid: Distribution | Literal["load"] | None = None
    recalls: str | None = None
    calls: tuple[str, str] | None = None
    imprints: str | None = None
    deadline_ms: int | None = None
    calls_last: bool = False
    asks_permission: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if "Distribution" not in str(item.type) or value is None or isinstance(value, Distribution):
                continue
            if item.name != "bid":
                raise ArgumentError(f"{item.name}={value!r}: give a distribution, such as kit.sim.exponential(ms=80)")
            if value != "load":
                raise ArgumentError(f"bid={value!r}: give a distribution, or 'load'")
        for name in ("fails", "asks", "asks_permission"):
            if not 0 <= getattr(self, name) <= 1:
                raise ArgumentError(f"{name}={getattr(self, name)!r}: give a probability, from 0 to 1")
        if self.asks + self.asks_permission > 1 + 1e-9:
            raise ArgumentError(
                f"asks={self.asks!r} and asks_permission={self.asks_permission!r}: a task asks one of them; both "
                "together are at most 1"
            )


class ModelAxon(Axon):
    """An Axon whose neuron is a model; `tasks` and `busy_us` count what it did."""

    def __init__(
        self,
        *,
        neuron_id: str,
        behaviour: Behaviour,
        capabilities: Sequence[str] | None = None,
        version: str | None = None,
        neuron_kind: str = "neuron",
        catch_all: bool = False,
        workers: int | None = None,
    ) -> None:
        super().__init__(
            neuron_id=neuron_id,
            neuron_fn=_nothing,
            capabilities=capabilities,
            version=version,
            neuron_kind=neuron_kind,
            catch_all=catch_all,
            workers=workers,
        )
        self.behaviour = behaviour
        self.tasks = 0
        self.busy_us = 0
        self._draws: _Draws | None = None
        self._curious = behaviour.asks + behaviour.asks_permission
        self._steps = self._planned(behaviour)
        self._output = '{"output":{"ok":true}}'

    def _planned(self, behaviour: Behaviour) -> tuple[Callable[["_Work"], None], ...]:
        """Return the steps of a task, in order."""
        steps: list[Callable[[_Work], None]] = []
        if behaviour.recalls is not None:
            steps.append(self._recall)
        if behaviour.calls is not None and not behaviour.calls_last:
            steps.append(self._call)
        steps.append(self._serve)
        if behaviour.calls is not None and behaviour.calls_last:
            steps.append(self._call)
        if behaviour.imprints is not None:
            steps.append(self._imprint)
        return (*steps, self._reply)

    def _drawing(self, node: "Dendrite") -> "_Draws":
        if self._draws is None:
            self._draws = _Draws(node, self.neuron_id, self.behaviour)
        return self._draws

    def begin(self, node: "Dendrite", task: Envelope, job: Job) -> None:
        """Start on a task."""
        self.tasks += 1
        _Work(self, node, task, job).go()

    def bid(self, node: "Dendrite", offer: Envelope) -> None:
        """Bid for an offer by the rule of the model."""
        rule = self.behaviour.bid
        if rule is None:
            super().bid(node, offer)
            return
        draws = self._drawing(node)
        gate = node.gates[self.neuron_id]
        ahead = gate.busy + len(gate.waiting)
        cost = float(ahead) if draws.cost is None else round(draws.cost(), 6)
        eta = round((ahead + 1) * self.behaviour.service.mean * 1000)
        payload = {"cost": cost, "eta_ms": eta, "confidence": round(1 / (1 + ahead), 3)}
        node.synapse.send(node, "BID", payload, offer.trace_id, offer.id, self.neuron_id)

    # The steps

    def _recall(self, work: "_Work") -> None:
        key = work.draws.key()
        text = f'{{"query":{{"merge_key":"{key}"}},"recall_mode":"first"'
        payload: Json = {"query": {"merge_key": key}, "recall_mode": "first"}
        if self.behaviour.deadline_ms is not None:
            payload["deadline_ms"] = self.behaviour.deadline_ms
            text += f',"deadline_ms":{self.behaviour.deadline_ms}'
        task = work.task
        name = self.behaviour.recalls
        work.node.ask_recall(name, None, payload, task.trace_id, task.id, None, work.answered, text + "}")

    def _call(self, work: "_Work") -> None:
        calls = self.behaviour.calls
        if calls is None:
            return
        task, late = work.task, self.behaviour.deadline_ms
        payload: Json = {"tool": calls[1], "args": {}}
        work.node.ask_tool(calls[0], None, payload, task.trace_id, task.id, None, work.answered, late)

    def _serve(self, work: "_Work") -> None:
        span = round(work.draws.service() * 1e6)
        self.busy_us += span
        work.waits = work.node.synapse.kernel.call(span, work.go)

    def _imprint(self, work: "_Work") -> None:
        key, task = work.draws.key(), work.task
        payload: Json = {"op": "upsert", "entry": {"content": {"by": self.neuron_id}}, "merge_key": key}
        text = f'{{"op":"upsert","entry":{{"content":{{"by":{_text(self.neuron_id)}}}}},"merge_key":"{key}"}}'
        name, late = self.behaviour.imprints, self.behaviour.deadline_ms
        work.node.ask_imprint(name, None, payload, task.trace_id, task.id, None, work.answered, late, text)

    def _reply(self, work: "_Work") -> None:
        draws, behaviour = work.draws, self.behaviour
        node, task, job = work.node, work.task, work.job
        meta = draws.meta() if draws.metered else None
        if POISON in (task.payload.get("input") or ()):
            failed = {"code": "NEURON_EXCEPTION", "message": "poison input", "recoverable": False}
            node.reply(self, task, job, "ERROR", failed, None, meta)
        elif behaviour.fails and draws.chance_to_fail() < behaviour.fails:
            code, message = ("MODEL_ERROR", f"{self.neuron_id} failed")
            failed = {"code": code, "message": message, "recoverable": behaviour.recoverable}
            node.reply(self, task, job, "ERROR", failed, None, meta)
        elif self._curious and not _answered(task) and (chance := draws.chance_to_ask()) < self._curious:
            if chance < behaviour.asks:
                node.reply(self, task, job, "CLARIFICATION", {"question": "which one?"}, None, meta)
            else:
                node.reply(self, task, job, "PERMISSION", {"action": "go on"}, None, meta)
        elif draws.output_bytes is None:
            node.reply(self, task, job, "AGENT_OUTPUT", {"output": {"ok": True}}, self._output, meta)
        else:
            said = "x" * round(draws.output_bytes())
            output = f'{{"output":{{"text":"{said}"}}}}'
            node.reply(self, task, job, "AGENT_OUTPUT", {"output": {"text": said}}, output, meta)


class _Work:
    """A task of a model on its way through the steps."""

    __slots__ = ("at", "axon", "draws", "job", "node", "task", "waits")

    def __init__(self, axon: ModelAxon, node: "Dendrite", task: Envelope, job: Job) -> None:
        self.axon = axon
        self.node = node
        self.task = task
        self.job = job
        self.draws = axon._drawing(node)
        self.at = 0
        self.waits: Scheduled | None = None
        job.cancel = self.cancel

    def go(self) -> None:
        """Take the next step."""
        self.waits = None
        step = self.axon._steps[self.at]
        self.at += 1
        step(self)

    def answered(self, answers: list[Envelope], error: KitError | None) -> None:
        """What was asked for is there, or will not come: then the reply is an ERROR."""
        if self.job.over or self.node.down:
            return
        if error is None:
            self.go()
        else:
            failed = {"code": "NEURON_EXCEPTION", "message": str(error), "recoverable": False}
            self.node.reply(self.axon, self.task, self.job, "ERROR", failed)

    def cancel(self) -> None:
        """Stop here."""
        if self.waits is not None:
            self.waits.cancel()


class _Draws:
    """What a model draws, each from a stream of its own."""

    def __init__(self, node: "Dendrite", neuron_id: str, behaviour: Behaviour) -> None:
        def sampler(name: str, of: Distribution | None) -> Callable[[], float] | None:
            return None if of is None else of.sampler(node.synapse.random(f"neuron/{neuron_id}/{name}"))

        random = node.synapse.random
        self.service = behaviour.service.sampler(random(f"neuron/{neuron_id}"))
        self.chance_to_fail = random(f"neuron/{neuron_id}/fails").random
        self.chance_to_ask = random(f"neuron/{neuron_id}/asks").random
        self.cost = sampler("bid", behaviour.bid if isinstance(behaviour.bid, Distribution) else None)
        self.output_bytes = sampler("output_bytes", behaviour.output_bytes)
        self._tokens = [sampler(name, getattr(behaviour, name)) for name in ("tokens_in", "tokens_out")]
        self._spent = sampler("cost_micro_usd", behaviour.cost_micro_usd)
        self._model = behaviour.model
        self.metered = bool(self._model or self._spent or any(self._tokens))
        self._keys = random(f"neuron/{neuron_id}/keys").random

    def key(self) -> str:
        """Return the merge key of an entry."""
        return f"k{int(self._keys() * KEYS)}"

    def meta(self) -> Json:
        """Return what the reply says it has used."""
        tokens = {
            name: round(draw()) for name, draw in zip(("in", "out"), self._tokens, strict=True) if draw is not None
        }
        meta: Json = {"model": self._model} if self._model else {}
        meta |= {"tokens": tokens} if tokens else {}
        return meta | ({} if self._spent is None else {"cost_micro_usd": round(self._spent())})


def _answered(task: Envelope) -> bool:
    """Whether a task is the answer to a question: then a model does not ask again."""
    input: Any = task.payload.get("input")
    return isinstance(input, dict) and ("clarification" in input or "permission" in input)


def _nothing(input: Any, context: Any) -> None:
    """Stand for the function that a model does not have."""


def _text(value: str) -> str:
    return to_json(value).decode()
