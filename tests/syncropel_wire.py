"""A client whose requests are written down, and answers from a list."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from kit.syncropel import Client, Identity

ME = Identity.static("did:test:me")


class Wire:
    """Answers each request with the next of `answers`, the last one again and again; keeps the requests."""

    def __init__(self, *answers: "httpx.Response | Exception | Callable[[], httpx.Response]") -> None:
        self.answers = list(answers) or [httpx.Response(200, json={"id": "x", "clock": 5})]
        self.requests: list[httpx.Request] = []

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self._respond)

    def client(self, **settings: Any) -> Client:
        return Client(**{"identity": ME, "endpoint": "http://mock", "transport": self.transport(), **settings})

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests if request.content]

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return answer()
