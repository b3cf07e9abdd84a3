"""Effectors: tools that answer TOOL_CALL (spec/cosmonapse.md 5.8)."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kit.errors import ArgumentError
from kit.sim.axon import settled
from kit.sim.distribution import Distribution
from kit.sim.envelope import Json

if TYPE_CHECKING:
    from kit.sim.dendrite import Dendrite


@dataclass(frozen=True)
class ToolOutcome:
    """What a tool gave: a result, or an error in words."""

    tool: str
    result: Any = None
    error: str | None = None
    call_id: str | None = None
    took_ms: int | None = None
    effector_id: str | None = None

    @property
    def ok(self) -> bool:
        """True where there is no error."""
        return self.error is None


class Effector:
    """Tools under one name. `tools` maps a tool to a function of its arguments; `service` is how long a call takes, `fails` the
    probability that its outcome is an error.

    Where a tool is not among them, the functions given with `on_tool_call` are asked, the first answer counts.
    """

    def __init__(
        self,
        *,
        effector_id: str,
        effector_kind: str = "effector",
        tools: Mapping[str, Callable[..., Any]] | None = None,
        version: str | None = None,
        service: Distribution | None = None,
        fails: float = 0.0,
    ) -> None:
        if not 0 <= fails <= 1:
            raise ArgumentError(f"effector {effector_id!r}: fails={fails!r}: give a probability, from 0 to 1")
        self.effector_id = effector_id
        self.fails = fails
        self.effector_kind = effector_kind
        self.version = version
        self.service = service
        self.capabilities: list[str] = []
        self.dendrite: Dendrite | None = None
        self.failing = False
        """True while a fault makes every call fail."""
        self._tools = dict(tools or {})
        for name, tool in self._tools.items():
            if not callable(tool):
                raise ArgumentError(f"tool {name!r} of {effector_id!r} is {tool!r}; give a function")
        self._handlers: list[Callable[..., Any]] = []

    def can_serve(self, tool: str) -> bool:
        """Whether it answers a call at all."""
        return True

    def on_tool_call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Decorate `function(tool, args, **options)`, which returns a result or None."""
        self._handlers.append(function)
        return function

    def begin(self, tool: str, args: Json, call_id: str | None, trace_id: str) -> Any:
        """Return the outcome, or an awaitable of it; what a tool raises is an outcome too."""
        known = self._tools.get(tool)
        if self.failing:
            return ToolOutcome(tool, error="EffectorError: failing", call_id=call_id, effector_id=self.effector_id)
        if known is None:
            return self.invoke(tool, args, call_id=call_id, trace_id=trace_id)
        try:
            result = known(**args)
        except Exception as error:
            return self._failed(tool, error, call_id)
        if inspect.isawaitable(result):
            return self._awaited(tool, result, call_id)
        return ToolOutcome(tool, result, None, call_id, None, self.effector_id)

    async def invoke(
        self,
        tool: str,
        args: Json,
        *,
        call_id: str | None = None,
        deadline_ms: int | None = None,
        trace_id: str | None = None,
    ) -> ToolOutcome:
        """Call a tool and return its outcome."""
        try:
            if tool in self._tools:
                result = await settled(self._tools[tool](**args))
                return ToolOutcome(tool, result, None, call_id, None, self.effector_id)
            for handler in self._handlers:
                options = {"call_id": call_id, "deadline_ms": deadline_ms, "trace_id": trace_id}
                found = await settled(handler(tool, args, **options))
                if found is not None:
                    result = found.result if isinstance(found, ToolOutcome) else found
                    error = found.error if isinstance(found, ToolOutcome) else None
                    return ToolOutcome(tool, result, error, call_id, None, self.effector_id)
        except Exception as error:
            return self._failed(tool, error, call_id)
        said = f"unhandled tool {tool!r}: no on_tool_call handler answered"
        return ToolOutcome(tool, error=said, call_id=call_id, effector_id=self.effector_id)

    async def _awaited(self, tool: str, result: Any, call_id: str | None) -> ToolOutcome:
        try:
            return ToolOutcome(tool, await result, None, call_id, None, self.effector_id)
        except Exception as error:
            return self._failed(tool, error, call_id)

    def _failed(self, tool: str, error: Exception, call_id: str | None) -> ToolOutcome:
        said = f"{type(error).__name__}: {error}"
        return ToolOutcome(tool, error=said, call_id=call_id, effector_id=self.effector_id)

    @staticmethod
    def serve(*, effector_id: str, effector_kind: str = "effector", version: str | None = None) -> "Effector":
        """Return an Effector whose answers come from functions: `on_tool_call`."""
        return Effector(effector_id=effector_id, effector_kind=effector_kind, version=version)

    def __repr__(self) -> str:
        return f"<Effector {self.effector_id}, {self.effector_kind}, {len(self._tools)} tools>"
