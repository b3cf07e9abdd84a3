"""What an emit came to."""

from dataclasses import dataclass

__all__ = ["EmitResult"]


@dataclass
class EmitResult:
    """The outcome of one emit: `success`, and why not where it is false (spec/syncropel.md 7).

    `record_id` and `clock` are as the server gave them, None where it gave none. `error` is
    `HTTP <status>: <text>` or `<ExceptionName>: <message>`. `retried` counts the tries before the last one.
    `kind`, `act` and `thread` are those of the call.
    """

    success: bool
    record_id: str | None = None
    clock: int | None = None
    error: str | None = None
    retried: int = 0
    kind: str = ""
    act: str = ""
    thread: str = ""
