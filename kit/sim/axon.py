"""An Axon: a neuron with its name and capabilities; it turns a TASK into one reply (spec/cosmonapse.md 5.2)."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kit.errors import ArgumentError, EffectorNotBound, EngramNotBound
from kit.sim.envelope import Envelope, Json
from kit.sim.gate import Job

if TYPE_CHECKING:
    from kit.sim.dendrite import Dendrite

POISON = "__poison__"
"""The key of an input that no neuron can bear."""
NeuronFunction = Callable[..., Any]
Reply = tuple[str, Json]
"""The type of a reply and its payload."""


@dataclass(frozen=True)
class EngramBinding:
    """A name under which a neuron knows an Engram, by its id or by its kind."""

    name: str
    directed_id: str | None = None
    directed_type: str | None = None
    default_deadline_ms: int | None = None
    default_recall_mode: str = "first"


@dataclass(frozen=True)
class EffectorBinding:
    """A name under which a neuron knows an Effector, by its id or by its kind."""

    name: str
    directed_id: str | None = None
    directed_type: str | None = None
    default_deadline_ms: int | None = None


class Axon:
    """A neuron as a Dendrite hosts it.

    `neuron_fn(input, context)` is a function or coroutine function; of the keywords `recall`, `imprint`,
    `call_tool`, `dispatch`, `sleep` and `dendrite` it gets those it names. What it returns is the reply: an object
    becomes AGENT_OUTPUT, any other value `{"value": ...}`, and an object with a true `__error__`,
    `__clarification__` or `__permission__` that kind of reply with the other keys for its payload. `workers` limits
    how many tasks it works on at once; the others wait in the order they came.
    """

    def __init__(
        self,
        *,
        neuron_id: str,
        neuron_fn: NeuronFunction,
        capabilities: Sequence[str] | None = None,
        catch_all: bool = False,
        version: str | None = None,
        neuron_kind: str = "neuron",
        context_fetcher: Callable[[str], Any] | None = None,
        engrams: Sequence[EngramBinding] | None = None,
        effectors: Sequence[EffectorBinding] | None = None,
        output_parser: Callable[[Any], Any] | None = None,
        workers: int | None = None,
    ) -> None:
        if not neuron_id or not isinstance(neuron_id, str):
            raise ArgumentError(f"neuron_id {neuron_id!r}: a name is needed")
        if workers is not None and workers < 1:
            raise ArgumentError(f"workers {workers!r} of {neuron_id!r}: give 1 or more, or None for no limit")
        self.neuron_id = neuron_id
        self.neuron_fn = neuron_fn
        self.capabilities = several("capabilities", capabilities or ())
        self.covers = frozenset(self.capabilities)
        self.catch_all = catch_all
        self.version = version
        self.neuron_kind = neuron_kind
        self.workers = workers
        self.dendrite: Dendrite | None = None
        self.engram_bindings = {binding.name: binding for binding in engrams or ()}
        self.effector_bindings = {binding.name: binding for binding in effectors or ()}
        self.unbound = False
        """True where any name of an Engram or Effector will do: an id, else a kind."""
        self._fetch = context_fetcher
        self._parser = output_parser
        self._before: list[Callable[[Json], Any]] = []
        self._detectors: dict[str, list[Callable[[Any], Any]]] = {kind: [] for kind in _DETECTED}
        self.wants = _keywords(neuron_id, neuron_fn)
        """The helpers that the function asks for."""

    # Hooks

    def before_task(self, function: Callable[[Json], Any]) -> Callable[[Json], Any]:
        """Decorate a function that gets the input of each task first; what it returns, if anything, replaces it."""
        self._before.append(function)
        return function

    def detects_output(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Decorate a function that finds the output in what the neuron returned, or returns None."""
        self._detectors["output"].append(function)
        return function

    def detects_clarification(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Decorate a function that finds a question in what the neuron returned, or returns None."""
        self._detectors["clarification"].append(function)
        return function

    def detects_permission(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Decorate a function that finds an action to be allowed in what the neuron returned, or returns None."""
        self._detectors["permission"].append(function)
        return function

    def detects_error(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Decorate a function that finds an error in what the neuron returned, or returns None."""
        self._detectors["error"].append(function)
        return function

    # Work

    def begin(self, node: "Dendrite", task: Envelope, job: Job) -> None:
        """Start on a task; the reply is published when it is there."""
        process = node.spawn(partial(self._worked, node, task, job), self.neuron_id, task)
        job.cancel = partial(node.kill, process)

    async def _worked(self, node: "Dendrite", task: Envelope, job: Job) -> None:
        kind, payload = await self.handle(node, task)
        node.reply(self, task, job, kind, payload)

    def bid(self, node: "Dendrite", offer: Envelope) -> None:
        """Bid for an offer without being asked how."""
        payload = {"cost": 0.0, "confidence": 1.0}
        node.synapse.send(node, "BID", payload, offer.trace_id, offer.id, self.neuron_id, None, (), {"auto_bid": True})

    async def handle(self, node: "Dendrite", task: Envelope) -> Reply:
        """Return the reply to a task; what the neuron raises becomes an ERROR."""
        try:
            input = task.payload.get("input") or {}
            if isinstance(input, dict) and input.get(POISON):
                raise ArgumentError("poison input")
            context = await self._context(task.payload.get("context_ref"))
            for hook in self._before:
                changed = await settled(hook(input))
                if isinstance(changed, dict):
                    input = changed
            raw = await settled(self.neuron_fn(input, context, **node.tools_for(self, task, self.wants)))
            return self._recognised(raw)
        except Exception as error:
            node.synapse.note(self.neuron_id, task, error)
            return "ERROR", {"code": "NEURON_EXCEPTION", "message": str(error), "recoverable": False}

    async def _context(self, reference: str | None) -> Any:
        if not reference or self._fetch is None:
            return []
        try:
            return await settled(self._fetch(reference))
        except Exception:
            return []

    def _recognised(self, raw: Any) -> Reply:
        if self._parser is not None:
            raw = self._parser(raw)
        for kind, detectors in self._detectors.items():
            for detector in detectors:
                found = detector(raw)
                if found is not None:
                    raw = found if kind == "output" else {**_fields(kind, found), f"__{kind}__": True}
                    return reply_of(raw)
        return reply_of(raw)

    def engram(self, name: str) -> EngramBinding:
        """Return the binding of a name; EngramNotBound where there is none."""
        found = self.engram_bindings.get(name)
        if found is None and self.unbound:
            return EngramBinding(name, directed_id=name)
        if found is None:
            known = sorted(self.engram_bindings)
            raise EngramNotBound(f"Axon {self.neuron_id!r}: no Engram binding named {name!r}; available: {known!r}")
        return found

    def effector(self, name: str) -> EffectorBinding:
        """Return the binding of a name; EffectorNotBound where there is none."""
        found = self.effector_bindings.get(name)
        if found is None and self.unbound:
            return EffectorBinding(name, directed_id=name)
        if found is None:
            known = sorted(self.effector_bindings)
            raise EffectorNotBound(f"Axon {self.neuron_id!r}: no Effector binding named {name!r}; available: {known!r}")
        return found

    def __repr__(self) -> str:
        return f"<Axon {self.neuron_id}, {', '.join(self.capabilities) or 'no capabilities'}>"


_DETECTED = ("error", "clarification", "permission", "output")
_MAIN = {"error": "message", "clarification": "question", "permission": "action"}
HELPERS = ("recall", "imprint", "call_tool", "dispatch", "sleep", "dendrite")


def reply_of(raw: Any) -> Reply:
    """Return the reply that a neuron's result stands for, by its markers.

    >>> reply_of({"__clarification__": True, "question": "which?"}), reply_of(3)
    (('CLARIFICATION', {'question': 'which?'}), ('AGENT_OUTPUT', {'output': {'value': 3}}))
    """
    if not isinstance(raw, Mapping):
        return "AGENT_OUTPUT", {"output": {"value": raw}}
    if raw.get("__error__"):
        return "ERROR", {
            "code": raw.get("code") or "NEURON_ERROR",
            "message": str(raw.get("message") or ""),
            "recoverable": bool(raw.get("recoverable")),
        }
    if raw.get("__clarification__"):
        context = {"context": raw["context"]} if raw.get("context") else {}
        return "CLARIFICATION", {"question": raw.get("question") or "", **context}
    if raw.get("__permission__"):
        scope = {"scope": raw["scope"]} if raw.get("scope") else {}
        reason = {"reason": raw["reason"]} if raw.get("reason") is not None else {}
        context = {"context": raw["context"]} if raw.get("context") else {}
        return "PERMISSION", {"action": raw.get("action") or "", **scope, **reason, **context}
    return "AGENT_OUTPUT", {"output": dict(raw)}


def _fields(kind: str, found: Any) -> Json:
    return dict(found) if isinstance(found, Mapping) else {_MAIN[kind]: str(found)}


def _keywords(neuron_id: str, function: NeuronFunction) -> tuple[str, ...]:
    """Return which helpers a function asks for by name; ArgumentError where it could not be called."""
    signature = inspect.signature(function)
    parameters = signature.parameters.values()
    all_of_them = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    wanted = HELPERS if all_of_them else tuple(parameter.name for parameter in parameters if parameter.name in HELPERS)
    try:
        signature.bind({}, [], **dict.fromkeys(wanted))
    except TypeError as error:
        raise ArgumentError(
            f"neuron {neuron_id!r}: {error}; its function takes (input, context), and of the keywords "
            f"{', '.join(HELPERS)} those it needs"
        ) from None
    return wanted


def several(name: str, values: Any) -> tuple[Any, ...]:
    """Return several values as a tuple; ArgumentError for a text, which would be taken letter by letter."""
    if isinstance(values, str):
        raise ArgumentError(f"{name}={values!r}: give a list, [{values!r}]")
    return tuple(values)


async def settled(value: Awaitable[Any] | Any) -> Any:
    """Return a value, or what an awaitable gives."""
    return await value if inspect.isawaitable(value) else value
