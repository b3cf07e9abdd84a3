"""What every builder does: leave out what was not given, and make the Signal."""

from typing import Any

from kit.cosmonapse.signal import Directed, Signal, new_trace_id
from kit.cosmonapse.types import Profile, SignalType, check_profile

Json = dict[str, Any]


def given(**optional: object) -> Json:
    """The arguments that are not None, in the order they were named."""
    return {key: value for key, value in optional.items() if value is not None}


def truthy(profile: Profile, **optional: object) -> Json:
    """The arguments that are true; to JavaScript empty lists and objects are true as well."""
    check_profile(profile)
    if profile == "python":
        return {key: value for key, value in optional.items() if value}
    return {key: value for key, value in optional.items() if value or isinstance(value, list | tuple | dict)}


def build(
    type: SignalType,
    payload: Json,
    *,
    trace_id: str | None = None,
    parent_id: str | None = None,
    directed: Directed | None = None,
    meta: Json | None = None,
) -> Signal:
    """The signal; without a trace it opens one of its own."""
    return Signal(
        trace_id=new_trace_id() if trace_id is None else trace_id,
        parent_id=parent_id,
        type=type,
        directed=directed,
        payload=payload,
        meta=meta or {},
    )
