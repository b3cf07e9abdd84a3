"""How commands that act take effect: each begins as something that happens at this moment of virtual time."""

from collections.abc import Callable, Coroutine
from typing import Any

from kit.errors import ArgumentError, NotFoundError, PathwayClosedError
from kit.sim.command import Answer, Command, Dispatch, Finish, Inject, Rate, StopTrace, Workers
from kit.sim.dendrite import Dendrite
from kit.sim.namespace import Namespace
from kit.sim.onlooker import QUESTIONS, Onlooker, Stopped
from kit.sim.pathway import Pathway


def act(ns: Namespace, onlooker: Onlooker, command: Command) -> Any:
    """Do a command to a namespace; ArgumentError or NotFoundError where its target is not there."""
    return _ACTS[type(command)](ns, onlooker, command)


def _soon(ns: Namespace, verb: Callable[[], Coroutine[Any, Any, Any]], name: str) -> None:
    """Let the orchestrator do something, as the next thing that happens."""
    ns.orchestrator.spawn(verb, name)


def _dispatch(ns: Namespace, onlooker: Onlooker, command: Dispatch) -> str:
    """Send a TASK or hold an auction, see the trace through, and return its id."""
    trace_id = ns.synapse.new_id("trc_")
    _soon(ns, lambda: _seen_through(ns.orchestrator, command, trace_id), f"by hand {trace_id}")
    return trace_id


async def _seen_through(node: Dendrite, command: Dispatch, trace_id: str) -> None:
    """Be the caller of one task: wait for its reply, and after a question that was answered say that it is done."""
    given = {"input": command.input, "trace_id": trace_id, "capabilities": list(command.capabilities) or None}
    if command.offer is None:
        pathway = await node.dispatch(neuron=command.neuron, finalize=True, **given)
    else:
        pathway = await node.dispatch_offer(
            select=command.offer, deadline_ms=command.deadline_ms, finalize=True, **given
        )
    try:
        await _ended(node, pathway)
    except PathwayClosedError:
        pass  # stopped, or over
    finally:
        node.leave(pathway)


async def _ended(node: Dendrite, pathway: Pathway) -> None:
    reply = await pathway.wait()
    asked = False
    while reply.kind in QUESTIONS:
        asked = True
        reply = await pathway.wait()
    if asked and reply.kind == "AGENT_OUTPUT":
        # A follow-up TASK does not carry `finalize`, so the caller says that it is done (spec/cosmonapse.md 5.5).
        await node.emit_final(trace_id=reply.trace_id, parent_id=reply.id, result=reply.payload["output"])


def _answer(ns: Namespace, onlooker: Onlooker, command: Answer) -> str:
    """Answer a question as the one who asked waits for it, and return the id of the question."""
    waiting = onlooker.questions
    asked = waiting.get(command.signal_id) if command.signal_id else next(iter(waiting.values()), None)
    if asked is None:
        raise NotFoundError(
            f"answer: no question {command.signal_id!r} waits for an answer; there are "
            f"{', '.join(waiting) or 'none'} (others were answered, or their trace is over)"
        )
    permission = asked.kind == "PERMISSION"
    if permission != (command.granted is not None):
        want = "granted=True or False" if permission else "answer="
        raise ArgumentError(f"answer: {asked.id!r} is a {asked.kind}; give {want}")
    desk = ns.orchestrator
    discrete = any(node.awaits(asked.id) for node in ns.dendrites.values())
    verb: Callable[..., Coroutine[Any, Any, Any]]
    said: dict[str, Any] = {"answer": command.answer} if not permission else {"reason": command.reason}
    if not permission:
        verb = desk.answer_clarification if discrete else desk.respond_to_clarification
    elif discrete:
        verb = desk.grant_permission if command.granted else desk.deny_permission
    else:
        verb, said["granted"] = desk.respond_to_permission, bool(command.granted)
    _soon(ns, lambda: verb(asked, **said), f"answer {asked.id}")
    return asked.id


def _inject(ns: Namespace, onlooker: Onlooker, command: Inject) -> None:
    ns.faults.add(command.fault)


def _stop(ns: Namespace, onlooker: Onlooker, command: StopTrace) -> None:
    onlooker.stops.setdefault(command.trace_id, Stopped())
    said: dict[str, Any] = {"trace_id": command.trace_id, "rollback": command.rollback, "reason": command.reason}
    _soon(ns, lambda: ns.orchestrator.emit_stop(**said), f"stop {command.trace_id}")


def _workers(ns: Namespace, onlooker: Onlooker, command: Workers) -> None:
    for node in ns.dendrites.values():
        if command.neuron in node.axons:
            node.axons[command.neuron].workers = command.count
            ns.synapse.kernel.call(0, node.gates[command.neuron].resize, command.count)
            return
    raise NotFoundError(f"workers: no neuron {command.neuron!r}; there are {', '.join(ns.axons)}")


def _rate(ns: Namespace, onlooker: Onlooker, command: Rate) -> None:
    if command.stream not in ns.callers:
        raise NotFoundError(f"rate: no arrivals {command.stream!r}; there are {', '.join(ns.callers) or 'none'}")
    ns.callers[command.stream].retime(command.per_s)


def _finish(ns: Namespace, onlooker: Onlooker, command: Finish) -> Any:
    return ns.finish(drain=command.drain)


_ACTS: dict[type[Command], Callable[..., Any]] = {
    Dispatch: _dispatch,
    Answer: _answer,
    Inject: _inject,
    StopTrace: _stop,
    Workers: _workers,
    Rate: _rate,
    Finish: _finish,
}
