"""Where a task that is done again parts from the capture, and why, in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from kit.replay.content import Step, difference, key_of, shown, without
from kit.replay.recording import REPLIES, REQUESTS, Work


@dataclass(frozen=True)
class Divergence:
    """The first step of a task at which the new neuron does something else than the captured one.

    `kind` is changed (the same request, other content), output, exception (an ERROR where there was none, or none where
    there was one), reply (another kind of reply), extra, missing, order, other (another request) or unanswered (a request
    that the recording has no answer to, under miss="stop"). `place` counts the steps of the task from 1.
    """

    kind: str
    reason: str
    trace_id: str
    task_id: str
    neuron: str
    place: int
    recorded: Step | None
    replayed: Step | None
    at_us: int

    def __str__(self) -> str:
        return f"trace {self.trace_id}, task {self.task_id}, step {self.place}: {self.reason}"


def part(
    work: Work, done: Sequence[Step], *, stopped_at: str | None = None, ignore: tuple[str, ...] = ()
) -> tuple[int, Divergence | None]:
    """Return how many steps of a task agree, and where it parts from the capture.

    `done` are the steps of the new neuron; `stopped_at` is the id of one that had no recorded answer. A task without a
    reply in the capture (stopped, or cut off) is compared as far as the capture goes.
    """
    before, keys = work.steps, [key_of(step, ignore) for step in work.steps]
    now = [key_of(step, ignore) for step in done]
    agreed = 0
    for was, other in zip(keys, now, strict=False):
        if was != other and not _both_timed_out(work, before[agreed], done[agreed], agreed):
            break
        agreed += 1
    if agreed == len(before) and (agreed == len(done) or not work.replied):
        return agreed, None
    unanswered = next((n for n, step in enumerate(done) if step.id == stopped_at), None)
    if agreed == len(done) and unanswered == agreed - 1:
        return agreed - 1, None
    old = before[agreed] if agreed < len(before) else None
    new = done[agreed] if agreed < len(done) else None
    kind, reason = _reason(work, old, new, keys[agreed:], now[agreed:], ignore)
    if new is not None and new.id == stopped_at:
        kind = "extra" if kind == "other" else kind
        reason += "; the recording has no answer to that, and the task ends here"
    at = old.at_us if old is not None and old.at_us is not None else work.at_us
    return agreed, Divergence(
        kind, f"{work.neuron} {reason}", work.trace_id, work.task_id, work.neuron, agreed + 1, old, new, at
    )


def _both_timed_out(work: Work, old: Step, new: Step, at: int) -> bool:
    """Whether both failed at a request that nobody answered: how a timeout is worded says nothing of the neuron."""
    if not (old.kind == new.kind == "ERROR" and old.payload.get("code") == new.payload.get("code") and at):
        return False
    asked = work.steps[at - 1]
    return asked.kind in REQUESTS and not work.answers.get(asked.id)


def _reason(
    work: Work,
    old: Step | None,
    new: Step | None,
    keys: Sequence[tuple[object, ...]],
    now: Sequence[tuple[object, ...]],
    ignore: tuple[str, ...],
) -> tuple[str, str]:
    if new is None:
        if old is not None and old.kind in REPLIES:
            return "reply", f"does not reply any more; it {_past(old)}"
        return "missing", f"does not come to the step where it {_past(old)}"
    if old is None:
        return "extra", f"goes on where it had replied: it {new.name}"
    if new.kind == "ERROR" and old.kind != "ERROR":
        said = f"{new.payload.get('code')}: {new.payload.get('message')!s}"
        return "exception", f"fails ({said[:120]}) where it {_past(old)}"
    if old.kind == "ERROR" and new.kind != "ERROR":
        failed = f"{old.payload.get('code')}: {old.payload.get('message')!s}"
        return "exception", f"{new.name} where it had failed ({failed[:120]})"
    ahead = now[0] in keys[1:]
    later = keys[0] in now[1:]
    if ahead and later:
        return "order", f"{new.name} before it {old.name}: the order is another, what is asked the same"
    if ahead or (new.kind in REPLIES and old.kind not in REPLIES):
        return "missing", f"does not do what it did: {_past(old)}{_tail(old)}"
    if later or (old.kind in REPLIES and new.kind not in REPLIES):
        return "extra", f"{new.name}, which it did not{_tail(new)}"
    if old.kind in REPLIES and old.kind != new.kind:
        return "reply", f"{new.name} where it {_past(old)}"
    if old.about == new.about:
        told = difference(without(old.content, ignore), without(new.content, ignore))
        kind = "output" if old.kind == "AGENT_OUTPUT" else "changed"
        what = "replies something else" if kind == "output" else f"{new.name} with something else"
        return kind, f"{what}: {told}"
    return "other", f"{new.name}{_tail(new)} where it {_past(old)}"


def _past(step: Step | None) -> str:
    if step is None:
        return "was through"
    words = {
        "recalls from": "recalled from", "writes to": "wrote to", "calls": "called", "hands on to": "handed on to",
        "replies": "replied", "fails": "failed", "asks back": "asked back", "asks for permission": "asked for permission",
        "says": "said",
    }  # fmt: skip
    for now, then in words.items():
        if step.name.startswith(now):
            return then + step.name[len(now) :]
    return step.name


def _tail(step: Step) -> str:
    """Return the content of a request in few words."""
    return f" {shown(step.content)}" if step.kind in REQUESTS else ""
