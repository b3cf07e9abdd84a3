"""Signal types, the sets that say who may emit what, and the payload fields a type must carry.

The Python SDK has AUDIT, the TypeScript SDK has THOUGHT_DELTA; the kit knows both, 32 types in all.
The sets without a profile are unions; `profile=` gives the 31 types, and the sets over them, of one SDK
(spec/cosmonapse.md 2.1).
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Literal

from kit.errors import ArgumentError

Profile = Literal["python", "typescript"]


class SignalType(str, Enum):  # noqa: UP042  the reference page says (str, Enum); StrEnum prints differently
    """Every legal type, in the order of the published enum, with THOUGHT_DELTA after AUDIT."""

    TASK = "TASK"
    AGENT_OUTPUT = "AGENT_OUTPUT"
    FINAL = "FINAL"
    ERROR = "ERROR"
    TASK_OFFER = "TASK_OFFER"
    BID = "BID"
    TASK_AWARDED = "TASK_AWARDED"
    TASK_DECLINED = "TASK_DECLINED"
    AUDIT = "AUDIT"
    THOUGHT_DELTA = "THOUGHT_DELTA"
    PLAN = "PLAN"
    TOOL_CALL = "TOOL_CALL"
    TOOL_RESULT = "TOOL_RESULT"
    MEMORY_APPEND = "MEMORY_APPEND"
    ESCALATION = "ESCALATION"
    RECALL = "RECALL"
    RECALLED = "RECALLED"
    IMPRINT = "IMPRINT"
    IMPRINTED = "IMPRINTED"
    CONSENSUS = "CONSENSUS"
    CONTEXT_SYNC = "CONTEXT_SYNC"
    CRITIQUE = "CRITIQUE"
    CLARIFICATION = "CLARIFICATION"
    PERMISSION = "PERMISSION"
    PERMISSION_DECISION = "PERMISSION_DECISION"
    CLARIFICATION_ANSWER = "CLARIFICATION_ANSWER"
    REGISTER = "REGISTER"
    DEREGISTER = "DEREGISTER"
    HEARTBEAT = "HEARTBEAT"
    DISCOVER = "DISCOVER"
    STOP = "STOP"
    STOPPED = "STOPPED"


_ABSENT: Mapping[Profile, frozenset[SignalType]] = MappingProxyType(
    {
        "python": frozenset({SignalType.THOUGHT_DELTA}),
        "typescript": frozenset({SignalType.AUDIT}),
    }
)

SIGNAL_TYPES: frozenset[SignalType] = frozenset(SignalType)
"""All 32 types."""

AXON_TYPES: frozenset[SignalType] = frozenset(
    {
        SignalType.AGENT_OUTPUT,
        SignalType.CLARIFICATION,
        SignalType.PERMISSION,
        SignalType.ERROR,
        SignalType.REGISTER,
        SignalType.DEREGISTER,
        SignalType.HEARTBEAT,
    }
)
"""The 7 types an Axon emits; the same in both profiles."""

SYNAPSE_TYPES: frozenset[SignalType] = SIGNAL_TYPES - AXON_TYPES | {SignalType.ERROR}
"""The 26 types a Dendrite may emit; ERROR is an Axon type too."""

PATHWAY_TYPES: frozenset[SignalType] = SIGNAL_TYPES - {
    SignalType.TASK,
    SignalType.REGISTER,
    SignalType.DEREGISTER,
    SignalType.HEARTBEAT,
    SignalType.DISCOVER,
}
"""The 27 types a Pathway observes (26 in each profile)."""


def check_profile(profile: Profile | None) -> None:
    """Nothing, or ArgumentError when `profile` names no SDK."""
    if profile is not None and profile not in _ABSENT:
        raise ArgumentError(f"no profile {profile!r}; use 'python', 'typescript', or None for both")


def _within(types: frozenset[SignalType], profile: Profile | None) -> frozenset[SignalType]:
    check_profile(profile)
    return types if profile is None else types - _ABSENT[profile]


def signal_types(profile: Profile | None = None) -> frozenset[SignalType]:
    """All 32 types, or the 31 of one profile."""
    return _within(SIGNAL_TYPES, profile)


def axon_types(profile: Profile | None = None) -> frozenset[SignalType]:
    """The 7 types an Axon emits, whatever the profile."""
    return _within(AXON_TYPES, profile)


def synapse_types(profile: Profile | None = None) -> frozenset[SignalType]:
    """The 26 types a Dendrite may emit, or the 25 of one profile."""
    return _within(SYNAPSE_TYPES, profile)


def pathway_types(profile: Profile | None = None) -> frozenset[SignalType]:
    """The 27 types a Pathway observes, or the 26 of one profile."""
    return _within(PATHWAY_TYPES, profile)


REQUIRED_PAYLOAD: Mapping[SignalType, tuple[str, ...]] = MappingProxyType(
    {
        SignalType.TASK: ("input",),
        SignalType.AGENT_OUTPUT: ("output",),
        SignalType.FINAL: ("result",),
        SignalType.ERROR: ("code", "message"),
        SignalType.TASK_OFFER: ("input",),
        SignalType.BID: ("cost",),
        SignalType.TASK_AWARDED: ("input",),
        SignalType.TASK_DECLINED: (),
        SignalType.AUDIT: ("kind", "domain", "outcome"),
        SignalType.THOUGHT_DELTA: ("delta",),
        SignalType.PLAN: ("steps",),
        SignalType.TOOL_CALL: ("tool", "args"),
        SignalType.TOOL_RESULT: ("tool",),
        SignalType.MEMORY_APPEND: ("key", "value"),
        SignalType.ESCALATION: ("reason",),
        SignalType.RECALL: ("query",),
        SignalType.RECALLED: ("engram_id", "hits"),
        SignalType.IMPRINT: ("op", "entry"),
        SignalType.IMPRINTED: ("engram_id", "op"),
        SignalType.CONSENSUS: ("members", "verdict"),
        SignalType.CONTEXT_SYNC: ("snapshot",),
        SignalType.CRITIQUE: ("target_event_id", "issues", "verdict"),
        SignalType.CLARIFICATION: ("question",),
        SignalType.PERMISSION: ("action",),
        SignalType.PERMISSION_DECISION: ("granted",),
        SignalType.CLARIFICATION_ANSWER: ("answer",),
        SignalType.REGISTER: ("role", "capabilities"),
        SignalType.DEREGISTER: (),
        SignalType.HEARTBEAT: (),
        SignalType.DISCOVER: (),
        SignalType.STOP: (),
        SignalType.STOPPED: (),
    }
)
"""The payload keys each type must carry; a key whose value is null is there (spec/cosmonapse.md 2.2)."""
