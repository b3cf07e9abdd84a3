"""A kernel in this process as an httpx transport, for async and for plain clients."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import NoReturn
from urllib.parse import parse_qsl

import httpx

from kit.syncropel.answer import Answer, Broken, Kernel
from kit.syncropel.watch import Cut, Watch

__all__ = ["KernelTransport"]


class KernelTransport(httpx.MockTransport):
    """Answers each request from a kernel; its faults come as the exceptions that httpx has for them."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(self._respond)
        self._kernel = kernel

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of a plain client."""
        request.read()
        response = self._respond(request)
        wait_s, too_long = self._latency(request)
        if wait_s:
            time.sleep(wait_s)
        return _timed_out(request) if too_long else response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of an async client."""
        await request.aread()
        response = self._respond(request)
        wait_s, too_long = self._latency(request)
        if wait_s:
            await asyncio.sleep(wait_s)
        return _timed_out(request) if too_long else response

    def _respond(self, request: httpx.Request) -> httpx.Response:
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        pairs = dict(parse_qsl(query, keep_blank_values=True))
        last_event_id = request.headers.get("last-event-id")
        try:
            answer = self._kernel.answer(request.method, path, pairs, request.content, last_event_id)
        except Broken as broken:
            kind = httpx.ReadError if broken.stored else httpx.ConnectError
            raise kind(str(broken), request=request) from None
        return _response(answer, request)

    def _latency(self, request: httpx.Request) -> tuple[float, bool]:
        """Return how long to hold the answer back, and whether the client will not wait for it."""
        wait_s = self._kernel.latency_s
        patience_s = request.extensions.get("timeout", {}).get("read")
        return (wait_s, False) if patience_s is None or wait_s <= patience_s else (patience_s, True)


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The stream of a watcher as httpx reads it."""

    def __init__(self, watch: Watch, request: httpx.Request) -> None:
        self._watch = watch
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._watch
        except Cut as cut:
            raise httpx.ReadError(str(cut), request=self._request) from None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._watch:
                yield chunk
        except Cut as cut:
            raise httpx.ReadError(str(cut), request=self._request) from None


def _response(answer: Answer, request: httpx.Request) -> httpx.Response:
    if isinstance(answer.content, Watch):
        headers = {"content-type": "text/event-stream"}
        return httpx.Response(answer.status, headers=headers, stream=_Stream(answer.content, request), request=request)
    return httpx.Response(
        answer.status, headers={"content-type": "application/json"}, content=answer.content, request=request
    )


def _timed_out(request: httpx.Request) -> NoReturn:
    raise httpx.ReadTimeout("mock-injected latency", request=request)
