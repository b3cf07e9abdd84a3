"""Subscriptions: tails that run by themselves and call back."""

import asyncio
from typing import Any

import httpx
import pytest
from syncropel_wire import ME, Wire

from kit.syncropel import Client, SubscribeError
from kit.syncropel.testing import MockKernel

QUICK: dict[str, Any] = {"reconnect_base_s": 0.001, "reconnect_max_s": 0.01}


@pytest.fixture
def kernel() -> MockKernel:
    return MockKernel.full()


def numbers(records: list[dict[str, Any]]) -> list[int]:
    return [record["body"]["n"] for record in records]


def test_a_subscription_calls_back_through_cuts(kernel: MockKernel) -> None:
    opened: list[int] = []
    errors: list[SubscribeError] = []

    async def course(url: str) -> list[int]:
        got: list[dict[str, Any]] = []
        enough = asyncio.Event()

        def callback(record: dict[str, Any]) -> None:
            got.append(record)
            if len(got) == 3:
                enough.set()
            raise KeyError("a callback that fails")

        async with Client(identity=ME, endpoint=url) as client:
            kernel.cut_next_watch(1)
            subscription = client.subscribe(
                "t", callback, since_clock=0, on_error=errors.append, on_open=lambda: opened.append(1), **QUICK
            )
            assert (subscription.thread, subscription.transport_name, subscription.closed) == ("t", "sse", False)
            for number in (1, 2, 3):
                await client.emit(act="PUT", kind="a.b.c", body={"n": number}, thread="t", clock=number)
            await asyncio.wait_for(enough.wait(), 20)
            await subscription.wait_closed(timeout=0)
            assert not subscription.closed
        # The end of the client is the end of its subscriptions.
        assert subscription.closed
        assert subscription.cursor in ("2", "3")
        return numbers(got)

    with kernel.serve() as served:
        assert asyncio.run(course(served.url)) == [1, 2, 3]
    assert (len(opened), [error.reason for error in errors]) == (2, ["transport_error"])


def test_what_cannot_be_followed_is_refused_at_once() -> None:
    client = Wire().client()

    async def course() -> None:
        with pytest.raises(ValueError, match="subscribe requires a non-empty thread id"):
            client.subscribe("", print)
        with pytest.raises(TypeError, match="subscribe requires a callback"):
            client.subscribe("t", None)  # type: ignore[arg-type]
        await client.close()
        with pytest.raises(RuntimeError, match="closed"):
            client.subscribe("t", print)

    with pytest.raises(RuntimeError):
        client.subscribe("t", print)
    for follow in (client.tail, client.tail_sync):
        with pytest.raises(ValueError):
            follow("")
    asyncio.run(course())


def test_a_subscription_may_have_a_transport_of_its_own(kernel: MockKernel) -> None:
    async def course() -> list[int]:
        got: list[dict[str, Any]] = []
        async with Wire(httpx.ConnectError("m")).client() as client:
            subscription = client.subscribe("t", got.append, since_clock=0, transport=kernel.transport())
            async with Client(identity=ME, transport=kernel.transport()) as other:
                await other.emit(act="PUT", kind="a.b.c", body={"n": 1}, thread="t", clock=1)
            for _ in range(2000):
                if got:
                    break
                await asyncio.sleep(0.005)
            subscription.close()
            await subscription.wait_closed(20)
            return numbers(got)

    assert asyncio.run(course()) == [1]
