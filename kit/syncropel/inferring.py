"""Asking: how a client puts a question to a thread and waits for its answer (spec/syncropel.md 10)."""

import asyncio
from typing import Any

from kit.errors import ArgumentError, InferError, InferTimeoutError
from kit.syncropel.emitting import Emitting
from kit.syncropel.envelope import encode, random_thread_id
from kit.syncropel.inference import InferOptions, InferPending, InferResult, find_result, question
from kit.syncropel.reading import Reading

__all__ = ["Inferring"]

ANSWERS_LIMIT = 10_000
"""How many records of the thread are looked through for the answer."""


class Inferring(Emitting, Reading):
    """The verb of a client that asks."""

    async def infer(self, request: dict[str, Any], options: InferOptions | None = None) -> InferResult | InferPending:
        """Ask the actors of a thread, and wait for the answer: a `KNOW` that names the question.

        `request` has `input`, `responders` (a list), `fold` (with `function`), and may have `answer_shape`; what else it
        has is sent as well. Fails hard: raises TypeError or ValueError for a request that is none, `InferError`, a
        RuntimeError, where the question is not taken, `InferTimeoutError` where no answer comes in time. `on_emit`
        does not hear of it.
        """
        options = options or InferOptions()
        body = question(request)
        thread = random_thread_id() if options.thread is None else options.thread
        if not thread:
            raise ArgumentError("infer requires a non-empty thread")
        content = encode(
            {
                "act": "INTEND",
                "actor": self.identity.actor_did,
                "body": body,
                "clock": self._clocks.next(thread),
                "data_type": "SCALAR",
                "parents": [],
                "thread": thread,
            }
        )
        taken = await self._post(content, self._attempts(body["kind"], "INTEND", thread))
        if not taken.success or not isinstance(taken.record_id, str):
            raise InferError(f"infer: the question was not taken: {taken.error or 'the server gave it no id'}")
        if not options.wait:
            return InferPending(taken.record_id, thread)
        return await self._answer(taken.record_id, thread, options)

    async def _answer(self, correlation_id: str, thread: str, options: InferOptions) -> InferResult:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + options.poll_timeout_ms / 1000
        while True:
            result = find_result(await self.query_thread(thread, limit=ANSWERS_LIMIT), correlation_id)
            if result is not None:
                return result
            left_s = deadline - loop.time()
            if left_s <= 0:
                raise InferTimeoutError(
                    f"infer timed out after {options.poll_timeout_ms}ms: no answer to {correlation_id!r} in {thread!r}"
                )
            await asyncio.sleep(min(options.poll_interval_ms / 1000, left_s))
