"""Live tails: frames from bytes, connections that break, records that come once, and an end that is clean."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from syncropel_wire import ME, Wire

from kit.syncropel import Arrival, Client, SubscribeError
from kit.syncropel.testing import MockKernel

QUICK: dict[str, Any] = {"reconnect_base_s": 0.001, "reconnect_max_s": 0.01}


@pytest.fixture
def kernel() -> MockKernel:
    return MockKernel.full()


@pytest.fixture
def client(kernel: MockKernel) -> Iterator[Client]:
    """A client of a kernel behind a real port."""
    with kernel.serve() as served, Client(identity=ME, endpoint=served.url) as made:
        yield made


def emit(client: Client, *numbers: int, thread: str = "t") -> None:
    for number in numbers:
        assert client.emit_sync(act="PUT", kind="a.b.c", body={"n": number}, thread=thread, clock=number).success


def numbers(records: list[dict[str, Any]]) -> list[int]:
    return [record["body"]["n"] for record in records]


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does; fail after a long time."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def record_event(number: int, *, id: str | None = None) -> bytes:
    head = f"id: e{number}\n" if id is None else id
    data = {"id": f"r{number}", "record": {"clock": number, "body": {"n": number}}}
    return f"{head}event: record.created\ndata: {json.dumps(data)}\n\n".encode()


def stream(*chunks: bytes) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=b"".join(chunks))


# Over a real connection


def test_syncropel_28_a_tail_survives_cuts_in_the_middle_without_repeats_or_gaps(
    kernel: MockKernel, client: Client
) -> None:
    emit(client, 1, 2, 3)
    errors: list[SubscribeError] = []
    for after in (0, 1, 2, 0):
        kernel.cut_next_watch(after)
    got: list[dict[str, Any]] = []
    with client.tail_sync("t", since_clock=0, on_error=errors.append, **QUICK) as tail:
        for record in tail:
            got.append(record)
            if len(got) == 3:
                emit(client, 4, 5)
            if len(got) == 5:
                break
    assert numbers(got) == [1, 2, 3, 4, 5]
    assert len(errors) == 4
    assert {error.reason for error in errors} == {"transport_error"}
    assert tail.counts["connections"] == 5


def test_syncropel_28_the_async_tail_survives_the_same(kernel: MockKernel) -> None:
    async def course(url: str) -> tuple[list[int], dict[str, int]]:
        async with Client(identity=ME, endpoint=url) as client:
            for number in range(1, 6):
                await client.emit(act="PUT", kind="a.b.c", body={"n": number}, thread="t", clock=number)
            for after in (1, 0, 2):
                kernel.cut_next_watch(after)
            got = []
            async with client.tail("t", since_clock=2, **QUICK) as tail:
                async for record in tail:
                    got.append(record)
                    if len(got) == 4:
                        break
            return numbers(got), tail.counts

    with kernel.serve() as served:
        got, counts = asyncio.run(course(served.url))
    assert got == [2, 3, 4, 5]
    assert (counts["connections"], counts["repeats"]) == (4, 0)


def test_a_tail_ends_at_once_when_another_thread_closes_it(kernel: MockKernel, client: Client) -> None:
    emit(client, 1)
    batches: list[list[Arrival]] = []
    tail = client.tail_sync("t", since_clock=0)
    ended: list[int] = []
    thread = threading.Thread(target=lambda: ended.append(tail.run(batches.append)))
    thread.start()
    eventually(lambda: bool(batches))
    tail.close()
    tail.close()
    thread.join(20)
    assert (ended, tail.closed) == ([1], True)
    assert list(tail) == []


def test_a_tail_that_waits_to_connect_again_ends_at_once_too() -> None:
    client = Wire(httpx.ConnectError("m")).client()
    errors: list[SubscribeError] = []
    tail = client.tail_sync("t", reconnect_base_s=3600, reconnect_max_s=3600, on_error=errors.append)
    thread = threading.Thread(target=lambda: tail.run(print))
    thread.start()
    eventually(lambda: bool(errors))
    tail.close()
    thread.join(20)
    assert not thread.is_alive()

    async def course() -> int:
        tail = client.tail("t", reconnect_base_s=3600, reconnect_max_s=3600)
        asyncio.get_running_loop().call_later(0.01, tail.close)
        return await tail.run(print)

    assert asyncio.run(course()) == 0


def test_the_end_of_a_client_is_the_end_of_its_tails(kernel: MockKernel) -> None:
    opened, ended = threading.Event(), []
    with kernel.serve() as served:
        with Client(identity=ME, endpoint=served.url) as client:
            tail = client.tail_sync("t", on_open=opened.set)
            thread = threading.Thread(target=lambda: ended.append(tail.run(print)))
            thread.start()
            assert opened.wait(20)
        thread.join(20)
        assert ended == [0]

        async def course() -> int:
            client = Client(identity=ME, endpoint=served.url)
            opened = asyncio.Event()
            running = asyncio.create_task(client.tail("t", on_open=opened.set).run(print))
            await asyncio.wait_for(opened.wait(), 20)
            await client.close()
            return await asyncio.wait_for(running, 20)

        assert asyncio.run(course()) == 0


def test_an_async_tail_ends_at_once_while_it_waits_for_the_server(kernel: MockKernel) -> None:
    async def course(url: str) -> int:
        async with Client(identity=ME, endpoint=url) as client:
            tail = client.tail("t", on_open=lambda: asyncio.get_running_loop().call_later(0.01, tail.close))
            return await tail.run(print)

    with kernel.serve() as served:
        assert asyncio.run(course(served.url)) == 0


def test_what_waits_to_be_read_comes_in_large_batches(kernel: MockKernel, client: Client) -> None:
    for number in range(200):
        record = {"thread": "t", "clock": number, "body": {"pad": "x" * 2000}}
        kernel.answer("POST", "/v1/records", {}, json.dumps(record).encode(), None)
    sizes: list[int] = []
    tail = client.tail_sync("t", since_clock=0)

    def sink(batch: list[Arrival]) -> None:
        sizes.append(len(batch))
        time.sleep(0.01)
        if sum(sizes) == 200:
            tail.close()

    assert tail.run(sink) == 200
    assert max(sizes) > 20


def test_what_the_sink_refused_comes_again(kernel: MockKernel, client: Client) -> None:
    emit(client, 1, 2)
    tail = client.tail_sync("t", since_clock=0)

    def refuse(batch: list[Arrival]) -> None:
        raise KeyError("full")

    with pytest.raises(KeyError):
        tail.run(refuse)
    assert tail.cursor is None
    got: list[Arrival] = []

    def take(batch: list[Arrival]) -> None:
        got.extend(batch)
        if len(got) == 2:
            tail.close()

    tail.run(take)
    assert numbers([arrival.record for arrival in got if arrival.record]) == [1, 2]
    assert [json.loads(arrival.raw)["record"] for arrival in got] == kernel.records
    later = client.tail_sync("t", cursor=got[0].cursor)
    assert next(later)["body"]["n"] == 2
    later.close()


def test_a_tail_goes_on_where_a_break_left_it(kernel: MockKernel, client: Client) -> None:
    emit(client, 1, 2, 3, 4)
    with client.tail_sync("t", since_clock=0) as tail:
        first = next(tail)
        for record in tail:
            if record["body"]["n"] == 3:
                break
        assert (first["body"]["n"], next(tail)["body"]["n"]) == (1, 4)


def test_heartbeats_tell_that_a_silent_server_is_there() -> None:
    kernel = MockKernel(watches=True, heartbeat_s=0.01)
    heard: list[int] = []
    with kernel.serve() as served, Client(identity=ME, endpoint=served.url) as client:
        tail = client.tail_sync("t", heartbeat_timeout_s=20)
        tail._feed._hooks = tail._feed._hooks._replace(
            on_heartbeat=lambda: tail.close() if len(heard) == 2 else heard.append(1)
        )
        assert tail.run(print) == 0
    assert (len(heard), tail.counts["connections"]) == (2, 1)


@pytest.mark.parametrize("plain", [True, False])
def test_a_server_that_falls_silent_is_left(plain: bool, kernel: MockKernel) -> None:
    async def course(client: Client) -> None:
        async for _ in client.tail("t", heartbeat_timeout_s=0.02, max_reconnects=1, **QUICK):
            pass

    with (
        kernel.serve() as served,
        Client(identity=ME, endpoint=served.url) as client,
        pytest.raises(SubscribeError, match=r"nothing came for 0\.02 s") as caught,
    ):
        if plain:
            list(client.tail_sync("t", heartbeat_timeout_s=0.02, max_reconnects=1, **QUICK))
        else:
            asyncio.run(closing(client, course))
    assert (caught.value.reason, caught.value.attempt) == ("heartbeat_timeout", 1)


async def closing(client: Client, course: Callable[[Client], Any]) -> None:
    try:
        await course(client)
    finally:
        await client.close()


def test_servers_that_shut_down_or_lose_track_say_so(kernel: MockKernel, client: Client) -> None:
    errors: list[SubscribeError] = []
    got: list[int] = []
    opened: list[int] = []
    tail = client.tail_sync(
        "t", since_clock=0, on_error=errors.append, on_open=lambda: opened.append(1), reconnect_base_s=0.001
    )
    thread = threading.Thread(target=lambda: got.extend(record["body"]["n"] for record in tail))
    thread.start()
    for number, reason in enumerate(("server_shutdown", "lagged", "weird")):
        eventually(lambda number=number: len(opened) == number + 1)
        emit(client, number)
        eventually(lambda number=number: len(got) == number + 1)
        kernel.end_watches(reason, retry_after_ms=3)
    eventually(lambda: len(opened) == 4)
    tail.close()
    thread.join(20)
    assert [error.reason for error in errors] == ["server_shutdown", "lagged", "transport_error"]
    assert errors[0].next_retry_s == 0.003
    assert [error.attempt for error in errors] == [0, 0, 0]
    assert got == [0, 1, 2]


# What is asked, and what counts


def test_a_reconnect_names_the_last_event_and_only_the_first_connection_a_clock() -> None:
    wire = Wire(stream(record_event(1), record_event(2)), stream(record_event(3)), httpx.Response(401, text="no"))
    client = wire.client(api_key="K")
    tail = client.tail_sync("t h/1", since_clock=5, bearer="B", **QUICK)
    got = [next(tail) for _ in range(3)]
    with pytest.raises(SubscribeError, match="HTTP 401: no"):
        next(tail)
    assert [record["id"] for record in got] == ["r1", "r2", "r3"]
    urls = [str(request.url) for request in wire.requests]
    assert urls == [f"http://mock/v1/threads/t%20h%2F1/watch{query}" for query in ("?since_clock=5", "", "")]
    assert [request.headers.get("last-event-id") for request in wire.requests] == [None, "e2", "e3"]
    for request in wire.requests:
        assert request.headers["accept"] == "text/event-stream"
        assert request.headers["cache-control"] == "no-cache"
        assert request.headers["x-api-key"] == "K"
        assert request.headers["authorization"] == "Bearer B"


def test_without_event_ids_a_reconnect_asks_from_the_clock_again_and_repeats_are_left_out() -> None:
    wire = Wire(
        stream(record_event(1, id=""), record_event(1, id="")),
        stream(record_event(1, id=""), record_event(2, id="")),
        httpx.Response(404),
    )
    tail = wire.client().tail_sync("t", since_clock=1, **QUICK)
    got: list[dict[str, Any]] = []
    with pytest.raises(SubscribeError):
        got.extend(iter_into(tail, got))
    assert [record["id"] for record in got] == ["r1", "r2"]
    assert tail.counts["repeats"] == 2
    assert [request.url.query for request in wire.requests] == [b"since_clock=1"] * 3


def iter_into(tail: Any, got: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for record in tail:
        got.append(record)
    return []


def test_strict_compat_hands_repeats_on_as_the_published_client_does() -> None:
    wire = Wire(stream(record_event(1), record_event(1)), httpx.Response(404))
    got: list[dict[str, Any]] = []
    with pytest.raises(SubscribeError):
        iter_into(wire.client(strict_compat=True).tail_sync("t", **QUICK), got)
    assert [record["id"] for record in got] == ["r1", "r1"]


def test_what_holds_no_record_is_kept_counted_and_not_iterated(caplog: pytest.LogCaptureFixture) -> None:
    odd = [b"nope", b"[1]", b'{"clock":3}', b'{"id":"a","record":5}', b"[" * 100_000]
    chunks = [b"id: o%d\ndata: %b\n\n" % (n, data) for n, data in enumerate(odd)]
    wire = Wire(stream(*chunks, record_event(1)), httpx.Response(404))
    tail = wire.client().tail_sync("t", **QUICK)
    batches: list[list[Arrival]] = []
    with pytest.raises(SubscribeError):
        tail.run(batches.append)
    arrivals = [arrival for batch in batches for arrival in batch]
    assert [arrival.raw.encode() for arrival in arrivals[:-1]] == odd
    assert [arrival.record is None for arrival in arrivals] == [True] * len(odd) + [False]
    assert (tail.counts["unreadable"], tail.counts["records"], tail.cursor) == (len(odd), 1, "e1")
    assert sum("holds no record" in record.getMessage() for record in caplog.records) == len(odd)


def test_an_event_of_no_or_an_unknown_name_is_a_record_and_lends_it_its_id() -> None:
    events = [b'data: {"id":"a","record":{"id":"own"}}\n\n', b'event: odd\ndata: {"id":"b","record":{}}\n\n']
    wire = Wire(stream(*events), httpx.Response(404))
    got: list[dict[str, Any]] = []
    with pytest.raises(SubscribeError):
        iter_into(wire.client().tail_sync("t", **QUICK), got)
    assert got == [{"id": "own"}, {"id": "b"}]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (httpx.ConnectError("boom"), "ConnectError: boom"),
        (OSError("o"), "OSError: o"),
        (httpx.Response(500, text="x" * 900), "HTTP 500: " + "x" * 200),
        (httpx.Response(429, text="slow"), "HTTP 429: slow"),
        (stream(), "stream closed by server without event"),
        (lambda: httpx.Response(200, headers={"content-encoding": "gzip"}, content=b""), "compressed"),
        (stream(b"data: \xff\n\n"), "no UTF-8"),
    ],
)
@pytest.mark.parametrize("plain", [True, False])
def test_tries_are_counted_and_used_up(answer: Any, message: str, plain: bool) -> None:
    wire, errors = Wire(answer), []

    async def course() -> None:
        async with wire.client().tail("t", max_reconnects=2, on_error=errors.append, **QUICK) as tail:
            await tail.run(print)

    with pytest.raises(SubscribeError, match=message) as caught:
        if plain:
            wire.client().tail_sync("t", max_reconnects=2, on_error=errors.append, **QUICK).run(print)
        else:
            asyncio.run(course())
    assert [error.attempt for error in errors] == [0, 1, 2]
    assert errors[-1] is caught.value
    assert len(wire.requests) == 3
    assert all(0 <= error.next_retry_s <= 0.001 * 2**error.attempt for error in errors)
    assert repr(errors[0]).startswith("SubscribeError(reason='transport_error', message=")


def test_a_refusal_ends_a_tail_but_not_a_subscription() -> None:
    wire = Wire(httpx.Response(404, text="no such path"))
    with pytest.raises(SubscribeError, match="HTTP 404: no such path"):
        next(wire.client().tail_sync("t"))
    assert len(wire.requests) == 1
    wire = Wire(httpx.Response(404))
    errors: list[SubscribeError] = []

    async def course() -> bool:
        async with wire.client() as client:
            subscription = client.subscribe("t", print, max_reconnects=3, on_error=errors.append, **QUICK)
            await subscription.wait_closed(20)
            return subscription.closed

    assert asyncio.run(course())
    assert (len(wire.requests), [error.attempt for error in errors]) == (4, [0, 1, 2, 3])


@pytest.mark.parametrize(
    ("told", "wait_s"),
    [
        (b"{}", 5.0),
        (b'{"retry_after_ms":20}', 0.02),
        (b'{"retry_after_ms":-5}', 0.0),
        (b'{"retry_after_ms":"x"}', 5.0),
        (b'{"retry_after_ms":1e99}', 3600.0),
        (b'{"retry_after_ms":NaN}', 5.0),
        (b"nope", 5.0),
        (b"[1]", 5.0),
    ],
)
def test_a_shutdown_may_name_its_wait_within_reason(told: bytes, wait_s: float) -> None:
    wire = Wire(stream(b"event: server_shutdown\ndata: %b\n\n" % told))
    with pytest.raises(SubscribeError) as caught:
        next(wire.client().tail_sync("t", max_reconnects=0))
    assert (caught.value.reason, caught.value.next_retry_s) == ("server_shutdown", wait_s)


def test_a_hook_that_raises_changes_nothing_but_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    def hook(*args: object) -> None:
        raise KeyError("x")

    wire = Wire(stream(b"event: heartbeat\ndata: {}\n\n", record_event(1)), httpx.Response(404))
    tail = wire.client().tail_sync("t", on_error=hook, on_open=hook, on_heartbeat=hook, **QUICK)
    assert next(tail)["id"] == "r1"
    with pytest.raises(SubscribeError):
        next(tail)
    assert sum("hook raised KeyError" in record.getMessage() for record in caplog.records) == 4


def test_waits_between_tries_are_the_same_after_the_same_seed() -> None:
    import kit

    def waits() -> list[float]:
        errors: list[SubscribeError] = []
        with kit.seeded(5), pytest.raises(SubscribeError):
            tail = (
                Wire(httpx.ConnectError("m")).client().tail_sync("t", max_reconnects=3, on_error=errors.append, **QUICK)
            )
            next(tail)
        return [error.next_retry_s for error in errors]

    assert waits() == waits()
    assert len(set(waits())) == 4
