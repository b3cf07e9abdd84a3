"""Colours, markers and hatches as data: what a type, a span or a status looks like in every view.

The nine group colours are Okabe and Ito's set, moved as little as needed so that each one stands out from
white by 3:1 or more (WCAG 2.2, 1.4.11) and any two differ by 9 or more in OKLab (x 100) for normal sight,
deuteranopia and protanopia (Machado 2009). No view depends on colour alone: `MARKERS`, `HATCHES` and
`DASHES` are the second channel. Nothing here imports a plotting library.
"""

from typing import NamedTuple

BLUE, ORANGE, PURPLE = "#0072B2", "#D08007", "#642896"
BROWN, PINK, GREEN = "#593704", "#CA78A8", "#2D6F5C"
GREY, RED, SKY = "#80856B", "#B3352E", "#069AE3"

INK = "#1A1A1A"
"""Text, critical paths and outlines."""
MUTED = "#6B6B6B"
"""Secondary text and axes; 5.3:1 on white."""
FAINT = "#D9D9D9"
"""Grid lines and lane borders: decoration only."""
PAPER = "#FFFFFF"

GROUPS: dict[str, str] = {
    "lifecycle": BLUE,
    "routing": ORANGE,
    "cognition": PURPLE,
    "memory": BROWN,
    "coordination": PINK,
    "engram": GREEN,
    "management": GREY,
    "control": RED,
    "discovery": SKY,
    "unknown": MUTED,
}
"""Colour of each group of signal types, in the order in which groups are stacked and listed."""

MARKERS: dict[str, str] = {
    "lifecycle": "o",
    "routing": "D",
    "cognition": "s",
    "memory": "p",
    "coordination": "^",
    "engram": "v",
    "management": "X",
    "control": "P",
    "discovery": "*",
    "unknown": "h",
}
"""Matplotlib marker of each group: the second channel of a dot."""

HATCHES: dict[str, str] = {
    "lifecycle": "",
    "routing": "//",
    "cognition": "\\\\",
    "memory": "xx",
    "coordination": "..",
    "engram": "--",
    "management": "||",
    "control": "++",
    "discovery": "oo",
    "unknown": "**",
}
"""Matplotlib hatch of each group: the second channel of an area."""

TYPES: dict[str, str] = {
    "TASK": "lifecycle",
    "AGENT_OUTPUT": "lifecycle",
    "FINAL": "lifecycle",
    "ERROR": "lifecycle",
    "TASK_OFFER": "routing",
    "BID": "routing",
    "TASK_AWARDED": "routing",
    "TASK_DECLINED": "routing",
    "AUDIT": "cognition",
    "THOUGHT_DELTA": "cognition",
    "PLAN": "cognition",
    "TOOL_CALL": "cognition",
    "TOOL_RESULT": "cognition",
    "MEMORY_APPEND": "memory",
    "ESCALATION": "memory",
    "CONSENSUS": "coordination",
    "CONTEXT_SYNC": "coordination",
    "CRITIQUE": "coordination",
    "CLARIFICATION": "coordination",
    "CLARIFICATION_ANSWER": "coordination",
    "PERMISSION": "coordination",
    "PERMISSION_DECISION": "coordination",
    "RECALL": "engram",
    "RECALLED": "engram",
    "IMPRINT": "engram",
    "IMPRINTED": "engram",
    "REGISTER": "management",
    "DEREGISTER": "management",
    "HEARTBEAT": "management",
    "DISCOVER": "discovery",
    "STOP": "control",
    "STOPPED": "control",
}
"""Group of each of the 32 signal types (spec/cosmonapse.md 2.2)."""


class Look(NamedTuple):
    """How a kind of mark is drawn: colour, marker, hatch, dashes (points on and off; empty is solid)."""

    colour: str
    marker: str
    hatch: str
    dash: tuple[float, ...]


ACTS: dict[str, Look] = {
    "INTEND": Look(BLUE, "o", "", ()),
    "DO": Look(ORANGE, "D", "//", ()),
    "KNOW": Look(GREEN, "s", "--", ()),
    "LEARN": Look(PURPLE, "^", "\\\\", ()),
    "GET": Look(SKY, "v", "oo", ()),
    "PUT": Look(BROWN, "p", "xx", ()),
    "CALL": Look(PINK, "P", "..", ()),
    "MAP": Look(GREY, "X", "||", ()),
}
"""Look of each act of a record (spec/syncropel.md 3), in the order in which they are listed."""

STATES: dict[str, Look] = {
    "open": Look(ORANGE, ">", "//", (4.0, 2.0)),
    "cancelled": Look(RED, "X", "xx", (1.0, 2.0)),
    "closed": Look(GREEN, "o", "", ()),
    "no_intent": Look(GREY, "s", "..", (1.0, 1.0)),
    "unknown": Look(MUTED, "h", "**", (1.0, 1.0)),
}
"""Look of each state of a thread."""

KINDS: dict[str, Look] = {
    "task": Look(BLUE, "o", "", ()),
    "tool": Look(PURPLE, "s", "////", ()),
    "recall": Look(GREEN, "v", "----", ()),
    "imprint": Look(BROWN, "^", "xxxx", ()),
    "clarification": Look(PINK, "D", "....", ()),
    "permission": Look(SKY, "P", "||||", ()),
    "auction": Look(ORANGE, "X", "\\\\\\\\", ()),
    "unknown": Look(MUTED, "h", "++++", ()),
}
"""Look of each kind of span."""

STATUSES: dict[str, Look] = {
    "completed": Look(GREEN, "o", "", ()),
    "failed": Look(RED, "X", "xx", ()),
    "stopped": Look(ORANGE, "s", "//", (4.0, 2.0)),
    "open": Look(GREY, ">", "..", (1.0, 2.0)),
    "unknown": Look(MUTED, "h", "**", (1.0, 1.0)),
}
"""Look of each status of a trace or a span."""

ALARMS: dict[str, Look] = {"ERROR": STATUSES["failed"]}
"""Look of each type of signal that must not be taken for the others of its group: in that of `ERROR` is `FINAL`."""

PRESENCE: dict[str, Look] = {
    "registered": Look(BLUE, "o", "", ()),
    "ok": Look(GREEN, "o", "", ()),
    "busy": Look(PURPLE, "s", "\\\\", ()),
    "draining": Look(ORANGE, "D", "//", (4.0, 2.0)),
    "deregistered": Look(GREY, "X", "..", (1.0, 2.0)),
    "unknown": Look(MUTED, "h", "**", (1.0, 1.0)),
}
"""Look of each status of a registry entry."""

FINDINGS: dict[str, Look] = {
    "root": Look(INK, "o", "", ()),
    "attached": Look(INK, "o", "", ()),
    "cross_trace": Look(INK, "o", "", ()),
    "phantom": Look(GREY, "o", "..", (3.0, 2.0)),
    "missing_parent": Look(ORANGE, "^", "//", (5.0, 2.0)),
    "outside": Look(SKY, "v", "--", (2.0, 2.0)),
    "cycle": Look(RED, "s", "xx", (1.0, 1.5)),
    "self_parent": Look(RED, "D", "xx", (1.0, 1.5)),
    "conflicting_duplicate": Look(PURPLE, "X", "\\\\", (6.0, 2.0, 1.0, 2.0)),
    "unknown": Look(MUTED, "h", "**", (1.0, 1.0)),
}
"""Look of each structure label; the first three are in order, the rest is what a reader should notice."""

DASHES: dict[str, tuple[float, ...]] = {
    "parent": (),
    "answer": (5.0, 1.5),
    "target": (1.0, 1.5),
    "retry": (6.0, 1.5, 1.0, 1.5),
    "delegation": (9.0, 2.0),
    "offer": (3.0, 1.5),
    "call": (3.0, 1.5, 1.0, 1.5),
    "result": (2.0, 1.0),
    "decline": (4.0, 3.0),
    "award": (7.0, 1.5, 1.0, 1.5, 1.0, 1.5),
    "fulfills": (5.0, 1.5, 1.0, 1.5),
    "cancels": (2.0, 2.5),
}
"""Dash pattern of an edge by its `why`; a reason not listed gets `OTHER_DASH`."""

OTHER_DASH: tuple[float, ...] = (2.0, 4.0)

SERIES: tuple[Look, ...] = (
    Look(BLUE, "o", "", ()),
    Look(ORANGE, "D", "//", (6.0, 1.5)),
    Look(GREEN, "v", "--", (2.0, 1.2)),
    Look(PURPLE, "s", "\\\\", (6.0, 1.5, 1.0, 1.5)),
    Look(PINK, "^", "..", ()),
    Look(BROWN, "X", "xx", (4.0, 1.0)),
    Look(SKY, "P", "++", (1.0, 1.0)),
    Look(GREY, "p", "||", (8.0, 2.0, 2.0, 2.0)),
)
"""Looks for groups without a meaning of their own, in the order of use."""


def group_of(type: str | None) -> str:
    """Return the group of a signal type; `unknown` for a type outside the vocabulary."""
    return TYPES.get(type or "", "unknown")


def mark_of(type: str | None) -> str:
    """Return what an event is marked as, a key of `MARKS`: its act for a record, else the group of its type.

    A type that stands out from its group is marked as itself.

    >>> mark_of("KNOW"), mark_of("TASK"), mark_of("ERROR")
    ('KNOW', 'lifecycle', 'ERROR')
    """
    return type if type is not None and (type in ACTS or type in ALARMS) else group_of(type)


MARKS: dict[str, Look] = {
    **{group: Look(colour, MARKERS[group], HATCHES[group], ()) for group, colour in GROUPS.items()},
    **ALARMS,
    **ACTS,
}
"""Look of everything that an event can be marked as, in the order in which they are stacked and listed."""


def look_of(looks: dict[str, Look], name: str | None) -> Look:
    """Return the look of `name`, or that of `unknown`."""
    return looks.get(name or "", looks["unknown"])


def tint(colour: str, share: float) -> str:
    """Return `colour` mixed with white; `share` is the part of the colour, 0 to 1.

    >>> tint("#000000", 0.5)
    '#808080'
    """
    channels = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(255 - share * (255 - channel)):02X}" for channel in channels)
