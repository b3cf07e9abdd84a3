"""What a Dendrite has at stake in a trace: open requests, running tasks, a Pathway, journals of its Engrams."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kit.errors import EffectorCancelled, EffectorTimeout, EngramCancelled, EngramTimeout, KitError
from kit.kernel import Scheduled
from kit.sim.envelope import Envelope
from kit.sim.gate import Job
from kit.sim.pathway import TERMINAL, Pathway

if TYPE_CHECKING:
    from kit.sim.node import Node

Done = Callable[[list[Envelope], KitError | None], None]
"""Called with the answers of a request, or with why there are none."""

_ANSWER = {"RECALL": "RECALLED", "IMPRINT": "IMPRINTED", "TOOL_CALL": "TOOL_RESULT"}


class Request:
    """A RECALL, IMPRINT or TOOL_CALL that waits for its answers."""

    __slots__ = ("answer", "answers", "collects", "done", "kind", "late")

    def __init__(self, kind: str, collects: bool, done: Done) -> None:
        self.kind = kind
        self.answer = _ANSWER[kind]
        self.collects = collects
        self.done = done
        self.answers: list[Envelope] = []
        self.late: Scheduled | None = None

    def end(self, error: KitError | None = None) -> None:
        """It is over, with its answers or with an error."""
        if self.late is not None:
            self.late.cancel()
        self.done(self.answers, error)


class Stake:
    """The part of one Dendrite in one trace."""

    __slots__ = ("journals", "node", "pathway", "requests", "running", "trace_id")

    def __init__(self, node: "Node", trace_id: str) -> None:
        self.node = node
        self.trace_id = trace_id
        self.requests: dict[str, Request] = {}
        self.running: list[Job] = []
        self.pathway: Pathway | None = None
        self.journals: set[str] = set()

    def ask(self, envelope: Envelope, request: Request, deadline_us: int | None) -> None:
        """Wait for the answers to a signal that was sent."""
        self.requests[envelope.id] = request
        if deadline_us is not None:
            request.late = self.node.synapse.kernel.call(deadline_us, self._late, envelope.id)

    def _late(self, id: str) -> None:
        request = self.requests.pop(id, None)
        if request is None:
            return
        request.late = None
        error: KitError | None = None
        if not request.collects:
            if request.kind == "TOOL_CALL":
                error = EffectorTimeout("TOOL_CALL elapsed its deadline without TOOL_RESULT")
            else:
                error = EngramTimeout(f"{request.kind} elapsed its deadline without any responder")
        request.end(error)
        self.release()

    def see(self, envelope: Envelope) -> None:
        """Take a signal of the trace."""
        kind = envelope.kind
        if self.requests and envelope.parent_id in self.requests:
            request = self.requests[envelope.parent_id]
            if kind == request.answer:
                request.answers.append(envelope)
                if not request.collects:
                    del self.requests[envelope.parent_id]
                    request.end()
        if self.pathway is not None and kind != "TASK":
            for handler in self.pathway.see(envelope):
                self.node.call(handler, envelope)
        if kind in TERMINAL:
            self._ended(envelope)
            self.release()
        elif not (self.requests or self.running or self.journals):
            self.release()

    def _ended(self, envelope: Envelope) -> None:
        self.cancel_requests("terminated")
        self.running.clear()
        if envelope.kind == "FINAL":
            for engram_id in sorted(self.journals):
                self.node.engrams[engram_id].commit(self.trace_id)
            self.journals.clear()

    def cancel_requests(self, why: str) -> int:
        """Fail every open request; how many that were."""
        requests, self.requests = self.requests, {}
        for request in requests.values():
            kind = EffectorCancelled if request.kind == "TOOL_CALL" else EngramCancelled
            request.end(kind(f"trace {why} while {request.kind} was in flight"))
        return len(requests)

    def stop(self, rollback: bool) -> tuple[int, int, bool] | None:
        """Cancel all of it; tasks cancelled, imprints undone, and whether there was anything; None for nothing."""
        running = [task for task in self.running if not task.over]
        worked = bool(self.running)
        for job in running:
            if job.cancel is not None:
                job.cancel()
            job.end()
        self.running.clear()
        asked = self.cancel_requests("stopped")
        compensated = 0
        for engram_id in [name for name in self.node.engrams if name in self.journals]:
            engram = self.node.engrams[engram_id]
            if rollback:
                compensated += engram.compensate(self.trace_id)
            else:
                engram.commit(self.trace_id)
        self.journals.clear()
        open_pathway = self.pathway is not None and not self.pathway.closed
        if self.pathway is not None:
            self.pathway.close()
        self.release()
        did = worked or asked > 0 or compensated > 0 or open_pathway
        return (len(running), compensated, did) if did else None

    def release(self) -> None:
        """Leave the trace when nothing is at stake any more."""
        if self.pathway is not None and self.pathway.closed:
            self.pathway = None
        if not (self.requests or self.running or self.pathway or self.journals):
            self.node.release(self.trace_id)
