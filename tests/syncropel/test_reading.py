"""What a client asks, what it makes of the answers, and what it does where there is none."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from syncropel_wire import ME, Wire

from kit.syncropel import Client, Collected, SyncropelReadError
from kit.syncropel.testing import MockKernel

RECORDS = [
    {"id": "1", "actor": "a", "body": {"kind": "a.b.c", "x": {"y": 1}, "l": [1]}},
    {"id": "2", "actor": "b", "body": {"kind": "a.b.d", "x": {"y": True}}},
    {"id": "3", "actor": "a", "body": None},
    {"id": "4"},
]
READS: dict[str, Callable[[Client], Any]] = {
    "query_thread": lambda client: client.query_thread("t"),
    "query": lambda client: client.query(actor="a"),
    "health": lambda client: client.health(),
    "rich_query": lambda client: client.rich_query(filter={}),
    "search": lambda client: client.search("q"),
}
STRICT: dict[str, Callable[[Client], Any]] = {
    "query_thread": lambda client: client.query_thread_strict("t"),
    "query": lambda client: client.query_strict(actor="a"),
    "health": lambda client: client.health_strict(),
    "rich_query": lambda client: client.rich_query_strict(filter={}),
    "query_all": lambda client: client.query_all(thread="t"),
}
NOTHING: dict[str, Any] = {
    "query_thread": [],
    "query": [],
    "health": {},
    "rich_query": {"records": []},
    "search": {"embedder": None, "k": 10, "hits": []},
}
FAULTS: dict[str, httpx.Response | Exception] = {
    "400": httpx.Response(400, text="no"),
    "404": httpx.Response(404),
    "500": httpx.Response(500, json={"data": [1]}),
    "301": httpx.Response(301, headers={"location": "http://else/"}),
    "connect": httpx.ConnectError("m"),
    "timeout": httpx.ReadTimeout("m"),
    "no JSON": httpx.Response(200, text="nope"),
    "deep JSON": httpx.Response(200, text="[" * 100_000),
    "no text": httpx.Response(200, content=b"\xff\xfe\xfd"),
    "OSError": OSError("o"),
    "InvalidURL": httpx.InvalidURL("i"),
}


def ask(wire: Wire, read: Callable[[Client], Any], **settings: Any) -> Any:
    return asyncio.run(read(wire.client(**settings)))


@pytest.mark.parametrize(
    ("read", "method", "url", "body"),
    [
        (lambda c: c.query_thread("t"), "GET", "/v1/threads/t/records?limit=100", b""),
        (lambda c: c.query_thread("t", limit=0), "GET", "/v1/threads/t/records", b""),
        (lambda c: c.query_thread("t", limit=5, since=0), "GET", "/v1/threads/t/records?limit=5&since=0", b""),
        (
            lambda c: c.query_thread("a/b?c#d é%2F"),
            "GET",
            "/v1/threads/a%2Fb%3Fc%23d%20%C3%A9%252F/records?limit=100",
            b"",
        ),
        (lambda c: c.query_thread(".."), "GET", "/v1/threads/%2E%2E/records?limit=100", b""),
        (lambda c: c.query(kind="a.b.c"), "GET", "/v1/records?limit=100", b""),
        (lambda c: c.query(actor="did:a b", limit=0), "GET", "/v1/records?limit=0&actor=did%3Aa+b", b""),
        (
            lambda c: c.query(actor="x", thread="t", since=3),
            "GET",
            "/v1/records?limit=100&thread=t&actor=x&since=3",
            b"",
        ),
        (lambda c: c.health(), "GET", "/health", b""),
        (lambda c: c.rich_query(filter={"act": "PUT"}), "POST", "/v1/records/query", b'{"filter":{"act":"PUT"}}'),
        (
            lambda c: c.rich_query(filter={}, thread="t", sort={"clock": 1}, limit=3, offset=0, explain=True),
            "POST",
            "/v1/records/query",
            b'{"filter":{},"thread":"t","sort":{"clock":1},"limit":3,"offset":0,"explain":true}',
        ),
        (
            lambda c: c.search("q", k=2, thread="t", after_clock=0),
            "POST",
            "/v1/records/search",
            b'{"query":"q","k":2,"thread":"t","after_clock":0}',
        ),
    ],
)
def test_a_read_asks_for_just_this(read: Callable[[Client], Any], method: str, url: str, body: bytes) -> None:
    wire = Wire(httpx.Response(200, json={"data": []}))
    ask(wire, read, api_key="K")
    (request,) = wire.requests
    assert (request.method, str(request.url), request.content) == (method, f"http://mock{url}", body)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-api-key"] == "K"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("read", READS)
def test_syncropel_22_a_read_that_fails_gives_nothing_and_tells_the_log(
    read: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    wire = Wire(FAULTS[fault])
    assert ask(wire, READS[read]) == NOTHING[read]
    assert len(wire.requests) == 1
    told = [record for record in caplog.records if record.name == "syncropel"]
    assert [record.levelno for record in told] == [logging.WARNING]
    assert read in told[0].getMessage()


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("read", STRICT)
def test_a_strict_read_that_fails_raises(read: str, fault: str) -> None:
    with pytest.raises(SyncropelReadError) as caught:
        ask(Wire(FAULTS[fault]), STRICT[read])
    answer = FAULTS[fault]
    assert caught.value.status == (answer.status_code if isinstance(answer, httpx.Response) else None)
    assert isinstance(caught.value, OSError)
    assert "mock" in str(caught.value)


def test_a_search_that_the_server_has_not_is_told_apart() -> None:
    assert ask(Wire(httpx.Response(503)), READS["search"]) == {**NOTHING["search"], "disabled": True}
    answer = {"embedder": "e", "k": 3, "data": [1], "more": 2}
    assert ask(Wire(httpx.Response(200, json=answer)), READS["search"]) == {"embedder": "e", "k": 3, "hits": [1]}
    for blank in ("", "  "):
        with pytest.raises(ValueError, match="search requires a non-empty query"):
            asyncio.run(Wire().client().search(blank))


def test_reads_after_close_give_nothing_and_raise_in_strict_compat() -> None:
    client, strict = Wire().client(), Wire().client(strict_compat=True)
    asyncio.run(client.close())
    asyncio.run(strict.aclose())
    assert asyncio.run(client.query_thread("t")) == []
    with pytest.raises(SyncropelReadError, match="closed"):
        asyncio.run(client.health_strict())
    with pytest.raises(RuntimeError):
        asyncio.run(strict.health())


def test_strict_compat_raises_for_an_answer_that_is_no_json_and_for_an_address_that_is_none() -> None:
    for fault, error in (("no JSON", ValueError), ("InvalidURL", httpx.InvalidURL), ("OSError", OSError)):
        with pytest.raises(error) as caught:
            ask(Wire(FAULTS[fault]), READS["health"], strict_compat=True)
        assert not isinstance(caught.value, SyncropelReadError)
    assert ask(Wire(FAULTS["connect"]), READS["health"], strict_compat=True) == {}


@pytest.mark.parametrize(
    ("answer", "records"),
    [({"data": [1]}, [1]), ([1], [1]), ({"data": 5}, []), ({"data": None}, []), ({"x": 1}, []), (5, []), ("s", [])],
)
def test_lists_are_unwrapped(answer: Any, records: list[Any]) -> None:
    assert ask(Wire(httpx.Response(200, json=answer)), READS["query_thread"]) == records
    assert ask(Wire(httpx.Response(200, json=answer)), READS["rich_query"]) == {"records": records}
    assert ask(Wire(httpx.Response(200, json=answer)), READS["health"]) == answer


def test_a_rich_query_tells_the_plan_and_that_it_was_cut() -> None:
    answer = {"data": [1], "plan": {"z": 1}, "capped": True, "more": 1}
    assert ask(Wire(httpx.Response(200, json=answer)), READS["rich_query"]) == {
        "records": [1],
        "plan": {"z": 1},
        "capped": True,
    }
    with pytest.raises(ValueError, match="rich_query requires a filter dict"):
        asyncio.run(Wire().client().rich_query(filter=None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("conditions", "ids"),
    [
        ({"kind": "a.b.c"}, ["1"]),
        ({"actor": "a"}, ["1", "2", "3", "4"]),
        ({"actor": "a", "where": {"body.x.y": 1}}, ["1", "2"]),
        ({"actor": "a", "where": {"body.x.y": 1.0, "actor": "b"}}, ["2"]),
        ({"actor": "a", "where": {"body.x.z": None}}, ["1", "2", "3", "4"]),
        ({"actor": "a", "where": {"body.x": {"y": 1}}}, ["1", "2"]),
        ({"actor": "a", "where": {"body.l.0": 1}}, []),
        ({"actor": "a", "where": {}}, ["1", "2", "3", "4"]),
        ({"kind": "a.b.c", "where": {"body.x.y": 2}}, []),
    ],
)
def test_syncropel_22_kind_and_where_are_looked_at_by_the_client(conditions: dict[str, Any], ids: list[str]) -> None:
    found = ask(Wire(httpx.Response(200, json={"data": RECORDS})), lambda client: client.query(**conditions))
    assert [record["id"] for record in found] == ids


def test_syncropel_22_a_query_needs_one_condition_before_any_request() -> None:
    wire = Wire()
    for read in (wire.client().query, wire.client().query_strict, wire.client().query_all):
        with pytest.raises(ValueError, match="query requires at least one of: kind, actor, thread"):
            asyncio.run(read(where={"a": 1}))
    assert wire.requests == []


# All of it


def fill(kernel: MockKernel, clocks: list[int], thread: str = "t", actors: int = 1) -> None:
    """Store a record per clock and actor."""
    for clock in clocks:
        for actor in range(actors):
            record = {"act": "PUT", "actor": f"a{actor}", "body": {}, "clock": clock, "thread": thread}
            answer = kernel.answer("POST", "/v1/records", {}, json.dumps(record).encode(), None)
            assert answer.status == 200


def collect(kernel: MockKernel, **arguments: Any) -> Collected:
    client = Client(identity=ME, transport=kernel.transport())
    return asyncio.run(client.query_all(**arguments))


@pytest.mark.parametrize("windows", [True, False])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 95])
def test_a_thread_is_read_to_its_end_page_by_page(windows: bool, count: int) -> None:
    kernel = MockKernel(windows=windows)
    fill(kernel, list(range(count)))
    fill(kernel, [3], thread="other")
    answer = collect(kernel, thread="t", page=10)
    # A server that heeds neither `since` nor `limit` and has just one page could as well have cut it.
    assert answer.complete == (windows or count != 10)
    assert bool(answer.note) != answer.complete
    assert sorted(record["clock"] for record in answer.records) == list(range(count))


def test_a_page_that_ends_between_equal_clocks_loses_nothing() -> None:
    kernel = MockKernel(windows=True)
    fill(kernel, [1, 2, 3, 4], actors=7)
    answer = collect(kernel, thread="t", page=5)
    assert answer.complete
    assert len({record["id"] for record in answer.records}) == len(answer.records) == 28
    assert len(collect(kernel, thread="t", page=5, actor="a3").records) == 4


def test_a_server_that_cuts_is_found_out(caplog: pytest.LogCaptureFixture) -> None:
    kernel = MockKernel()
    fill(kernel, list(range(30)))

    class Capped(httpx.MockTransport):
        """A server that never gives more than 10 records, in no order of clocks."""

        def __init__(self) -> None:
            super().__init__(lambda request: httpx.Response(200, json=kernel.records[9::-1]))

    client = Client(identity=ME, transport=Capped())
    for conditions in ({"thread": "t"}, {"actor": "a0"}):
        caplog.clear()
        answer = asyncio.run(client.query_all(page=10, **conditions))
        assert (len(answer.records), answer.complete) == (10, False)
        assert "may have a limit" in answer.note
        assert ["was cut" in record.getMessage() for record in caplog.records] == [True]


def test_a_limit_of_the_server_below_the_page_does_not_cut_a_thread() -> None:
    kernel = MockKernel(windows=True)
    fill(kernel, list(range(30)))

    def respond(request: httpx.Request) -> httpx.Response:
        since = int(request.url.params.get("since", 0))
        return httpx.Response(200, json=[record for record in kernel.records if record["clock"] >= since][:7])

    client = Client(identity=ME, transport=httpx.MockTransport(respond))
    answer = asyncio.run(client.query_all(thread="t", page=10))
    assert (len(answer.records), answer.complete) == (30, True)


def test_what_has_no_thread_is_read_with_a_growing_limit() -> None:
    kernel = MockKernel()
    fill(kernel, list(range(25)))
    answer = collect(kernel, actor="a0", page=10)
    assert (len(answer.records), answer.complete, answer.requests) == (25, True, 3)
    assert collect(kernel, kind="a.b.c", page=10).records == []
    with pytest.raises(ValueError, match="page"):
        collect(kernel, actor="a0", page=0)
