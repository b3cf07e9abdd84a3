"""The course of one emit: what is tried again, how long to wait, and what it came to (spec/syncropel.md 7, 8).

No input or output happens here, so the async and the sync client keep the same rules.
"""

from typing import TYPE_CHECKING, Any

from kit.errors import ClientClosedError
from kit.syncropel.result import EmitResult

if TYPE_CHECKING:
    import httpx

__all__ = ["Attempts"]

ERROR_TEXT_LENGTH = 200


class Attempts:
    """The tries of one emit. Feed it each answer or error; it gives the result, or None to try again.

    Tried again: timeouts, transport errors, and every status outside 200 to 299 and 400 to 499. `wait_s` doubles
    from try to try; there is no jitter. `strict_compat` raises where the published package raises.
    """

    def __init__(
        self, kind: str, act: str, thread: str, max_retries: int, backoff_ms: float, *, strict_compat: bool = False
    ) -> None:
        self._kind, self._act, self._thread = kind, act, thread
        self._retries = max(0, max_retries)
        self._backoff_s = backoff_ms / 1000
        self._strict_compat = strict_compat
        self.failed_tries = 0
        self.wait_s = 0.0

    def answered(self, response: "httpx.Response") -> EmitResult | None:
        """The result after an answer, or None to wait `wait_s` and try again."""
        if response.is_success:
            return self._accepted(response)
        error = f"HTTP {response.status_code}: {response.text[:ERROR_TEXT_LENGTH]}"
        return self.failure(error) if response.is_client_error else self._again(error)

    def raised(self, error: Exception) -> EmitResult | None:
        """The result after an exception, or None to wait `wait_s` and try again; raises it if it is no network fault."""
        import httpx

        text = f"{type(error).__name__}: {error}"
        if isinstance(error, httpx.TransportError):
            return self._again(text)
        if isinstance(error, httpx.HTTPError):
            return self.failure(text)
        if self._strict_compat or not isinstance(error, OSError | httpx.InvalidURL | ClientClosedError):
            raise error
        return self._again(text) if isinstance(error, OSError) else self.failure(text)

    def failure(self, error: str) -> EmitResult:
        """A result that tells `error`."""
        return self._result(success=False, error=error)

    def _again(self, error: str) -> EmitResult | None:
        if self.failed_tries >= self._retries:
            return self.failure(error)
        self.wait_s = self._backoff_s * 2**self.failed_tries
        self.failed_tries += 1
        return None

    def _accepted(self, response: "httpx.Response") -> EmitResult:
        try:
            answer: Any = response.json()
        except (ValueError, RecursionError):
            # The record was taken; what the answer says of it cannot be read.
            answer = {}
        if not isinstance(answer, dict):
            if self._strict_compat:
                raise AttributeError(f"{type(answer).__name__!r} object has no attribute 'get'")
            return self.failure(f"BadAnswer: the server answered with a JSON {type(answer).__name__}, not an object")
        id = answer.get("id") or answer.get("record_id")
        return self._result(success=True, record_id=id, clock=answer.get("clock"))

    def _result(self, **came: Any) -> EmitResult:
        return EmitResult(**came, retried=self.failed_tries, kind=self._kind, act=self._act, thread=self._thread)
