"""The sheet of a panel: what it shows of a simulation, as HTML and as text. Nothing in it tells the hour or the machine."""

import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from kit.sim.control import Controller, Entry
from kit.sim.duration import START_US
from kit.sim.envelope import Envelope
from kit.sim.onlooker import Opened, Stopped
from kit.sim.status import Member, Status, status
from kit.sim.tap import Raised

MOST_MEMBERS = 60
MOST_ENTRIES = 200
MOST_OPEN = 50
LONGEST = 160
"""Characters of a payload or message that are shown."""
LOOKS = {
    "up": ("●", "kit-good"),
    "crashed": ("✖", "kit-bad"),
    "failing": ("✖", "kit-bad"),
    "paused": ("‖", "kit-warn"),
    "slow": ("◐", "kit-warn"),
    "not started": ("○", "kit-quiet"),
}
"""Sign and class of each state: the sign tells it without colour."""


@dataclass(frozen=True)
class Sheet:
    """A copy of all that a panel shows, taken on the thread of the owner."""

    name: str
    seed: int | str
    status: Status
    playing: bool
    why: str
    open: tuple[Opened, ...]
    """Open traces, the latest first."""
    questions: tuple[Envelope, ...]
    recent: tuple[Envelope, ...]
    entries: tuple[Entry, ...]
    stops: dict[str, Stopped]
    breaks: tuple[str, ...]
    raised: tuple[Raised, ...]
    errors: tuple[str, ...]


def sheet(control: Controller) -> Sheet:
    """Return what there is to see of a simulation now."""
    ns, onlooker = control.namespace, control.onlooker
    return Sheet(
        ns.name,
        ns.seed,
        status(ns),
        control.playing,
        control.why,
        tuple(reversed(onlooker.open.values()))[:MOST_OPEN],
        tuple(onlooker.questions.values()),
        tuple(onlooker.recent),
        tuple(control.entries),
        {trace: Stopped(told.answers, told.cancelled, told.compensated) for trace, told in onlooker.stops.items()},
        tuple(point.type or point.neuron or point.trace_id or "" for point in onlooker.breaks),
        tuple(ns.synapse.raised),
        (
            *(f"{who}: {error!r:.{LONGEST}}" for who, error in ns.synapse.errors[-5:]),
            *(f"{type(error).__name__}: {error}" for error in control.failures[-5:]),
        ),
    )


def seconds(us: float) -> str:
    """Return a virtual time as it is shown.

    >>> seconds(1_500_000), seconds(83_000_001), seconds(3_723_000_000)
    ('1.500 s', '1:23.000', '1:02:03.000')
    """
    ms = int(us) // 1000
    rest, ms = divmod(ms, 1000)
    if rest < 60:
        return f"{rest}.{ms:03} s"
    minutes, s = divmod(rest, 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}.{ms:03}" if hours else f"{m}:{s:02}.{ms:03}"


def short(id: str) -> str:
    """Return the end of an id, which tells it from its neighbours."""
    return f"…{id[-6:]}"


# HTML


def counters(of: Sheet, rate: float | None = None) -> str:
    """Return the line of counters; `rate`, in signals a second of real time, only where somebody looks on."""
    now = of.status
    figures = [
        ("virtual time", seconds(now.virtual_s * 1e6)),
        ("events", f"{now.events:,}"),
        ("signals", f"{now.signals:,}"),
        *([] if rate is None else [("signals/s", f"{rate:,.0f}")]),
        ("tasks in flight", f"{now.in_flight:,}"),
        ("open traces", f"{len(of.open)}{'+' if len(of.open) == MOST_OPEN else ''}"),
    ]
    cells = "".join(
        f'<span><span class="kit-name">{name}</span> <span class="kit-figure">{value}</span></span>'
        for name, value in figures
    )
    return f'<div class="kit-strip"><b>{escape(of.name)}</b><span class="kit-name">seed {escape(str(of.seed))}</span>{cells}</div>'


def state(of: Sheet) -> str:
    """Return in words whether it goes on, and what is wrong with whom."""
    words = ["▶ goes on" if of.playing else f"‖ {escape(of.why)}"]
    if of.status.faults:
        words.append(f'<span class="kit-bad">faults: {escape(", ".join(of.status.faults))}</span>')
    if of.questions:
        words.append(f'<span class="kit-warn">questions that wait: {len(of.questions)}</span>')
    if of.breaks:
        words.append(f"stands still at {escape(', '.join(of.breaks))}")
    return f'<div class="kit-strip" role="status">{"".join(f"<span>{word}</span>" for word in words)}</div>'


def registry(of: Sheet) -> str:
    """Return the table of who is there."""
    head = (
        *("name", "state", "registry", "heard at"),
        *('<span class="kit-number">at work</span>', "waiting", "workers", "capabilities or kind"),
    )
    shown = of.status.members[:MOST_MEMBERS]
    rows = "".join(_member(member) for member in shown)
    more = len(of.status.members) - len(shown)
    note = f'<p class="kit-quiet">and {more} more</p>' if more else ""
    names = "".join(f"<th>{name}</th>" for name in head)
    return f'<table class="kit-table"><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>{note}'


def _member(member: Member) -> str:
    sign, look = LOOKS[member.state]
    neuron = member.role == "neuron"
    heard = "" if member.heard_s is None else seconds(member.heard_s * 1e6)
    numbers = (member.working, member.waiting, member.workers or "any") if neuron else ("", "", "")
    cells = [
        f"<td>{escape(member.name)}</td>",
        f'<td class="{look}">{sign} {member.state}</td>',
        f"<td>{escape(member.registered or ('' if neuron else member.role))}</td>",
        f'<td class="kit-number">{heard}</td>',
        *(f'<td class="kit-number">{value}</td>' for value in numbers),
        f'<td class="kit-wrap">{escape(member.what)}</td>',
    ]
    return f"<tr>{''.join(cells)}</tr>"


def latest(of: Sheet) -> str:
    """Return the table of the latest signals, newest first."""
    rows = "".join(
        f'<tr><td class="kit-number">{seconds(one.ts_us - START_US)}</td><td>{one.kind}</td>'
        f"<td>{escape(one.to or one.to_type or '')}</td><td>{short(one.trace_id)}</td></tr>"
        for one in reversed(of.recent)
    )
    head = "".join(f"<th>{name}</th>" for name in ("at", "signal", "neuron", "trace"))
    return f'<table class="kit-table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def log(of: Sheet) -> str:
    """Return the control log, the latest first."""
    if not of.entries:
        return '<p class="kit-quiet">Nothing was done by hand yet.</p>'
    items = "".join(
        f'<li><span class="kit-when">{when}</span>{escape(what)}{_outcome(told, bad)}</li>'
        for when, what, told, bad in reversed(list(_told(of, of.entries[-MOST_ENTRIES:])))
    )
    more = len(of.entries) - MOST_ENTRIES
    note = f'<p class="kit-quiet">and {more:,} before these</p>' if more > 0 else ""
    return f'<ol class="kit-log">{items}</ol>{note}'


def _outcome(told: str, bad: bool) -> str:
    return f' <span class="{"kit-bad" if bad else "kit-name"}">{escape(told)}</span>' if told else ""


def _told(of: Sheet, entries: Sequence[Entry]) -> Iterable[tuple[str, str, str, bool]]:
    """Yield when, what, what came of it, and whether that is an error, for each entry."""
    for entry in entries:
        told = "" if entry.error is None else f"refused: {entry.error}"
        stopped = of.stops.get(getattr(entry.command, "trace_id", None) or "")
        if entry.command.word == "stop_trace" and stopped is not None and not told:
            told = (
                f"{stopped.answers} STOPPED: {stopped.cancelled} cancelled, {stopped.compensated} undone"
                if stopped.answers
                else "no STOPPED yet"
            )
        yield seconds(entry.us), entry.command.call(), told, entry.error is not None


def troubles(of: Sheet, message: str = "") -> str:
    """Return what went wrong, a refusal of the panel first; empty where nothing did."""
    parts = [f'<div class="kit-message" role="alert">{escape(message)}</div>'] if message else []
    for one in reversed(of.raised[-3:]):
        text = "".join(traceback.format_exception(one.error, limit=-4)) if one.error.__traceback__ else ""
        parts.append(
            f'<div class="kit-message"><span class="kit-bad">{escape(one.neuron)}</span> raised '
            f"{escape(type(one.error).__name__)} at {seconds(one.us - START_US)}: {escape(str(one.error)[:LONGEST])}"
            f"<details><summary>where</summary><pre>{escape(text)}</pre></details></div>"
        )
    parts += [f'<div class="kit-message">{escape(error)}</div>' for error in of.errors]
    return "".join(parts)


def twin(of: Sheet, css: str) -> str:
    """Return the whole sheet as HTML that needs no kernel; tracebacks, which name paths, are left out."""
    still = "".join(
        f'<div class="kit-message">{escape(one.neuron)} raised {escape(type(one.error).__name__)}: '
        f"{escape(str(one.error)[:LONGEST])}</div>"
        for one in of.raised[-3:]
    )
    return (
        f'<style>{css}</style><div class="kit-panel">{counters(of)}{state(of)}<h4>Who is there</h4>{registry(of)}'
        f"<h4>Latest signals</h4>{latest(of)}<h4>Control log</h4>{log(of)}{still}</div>"
    )


# Text


def text(of: Sheet) -> str:
    """Return the sheet as text."""
    now = of.status
    state = "goes on" if of.playing else of.why
    lines = [
        f"panel of {of.name!r}, seed {of.seed!r}: {now.virtual_s:g} s, {now.events:,} events, {now.signals:,} signals, "
        f"{now.in_flight} tasks in flight; {state}"
    ]
    width = max((len(member.name) for member in now.members), default=0)
    for member in now.members[:MOST_MEMBERS]:
        work = f", {member.working} at work, {member.waiting} waiting" if member.role == "neuron" else ""
        lines.append(f"  {member.name:<{width}}  {member.state}{work}")
    for when, what, told, _ in _told(of, of.entries[-MOST_ENTRIES:]):
        lines.append(f"  {when:>12}  {what}{f'  ({told})' if told else ''}")
    return "\n".join(lines)
