"""The kernel in memory: its answers, its refusals, its faults, and what it can do beyond the published mock."""

import asyncio
import json
import socket
from typing import Any

import httpx
import pytest
from syncropel_wire import ME

from kit.syncropel import Client, Ref
from kit.syncropel.testing import MockKernel

MINIMAL_ID = "9b1343d3c9a4fa8b51697da6affbe655f5c6957ff1210d00550a4f8b20db1cf9"


@pytest.fixture(params=["in process", "served"])
def way(request: pytest.FixtureRequest) -> Any:
    """A way to a kernel: a function that gives an httpx client for it."""
    opened: list[Any] = []

    def client(kernel: MockKernel, **settings: Any) -> httpx.Client:
        if request.param == "served":
            served = kernel.serve()
            made = httpx.Client(base_url=served.url, **settings)
            opened.extend([made, served])
        else:
            made = httpx.Client(transport=kernel.transport(), base_url="http://mock", **settings)
            opened.append(made)
        return made

    yield client
    for one in opened:
        one.close()


def put(client: httpx.Client, **record: Any) -> httpx.Response:
    return client.post("/v1/records", json=record)


def test_syncropel_23_a_record_is_stored_as_parsed_with_defaults_and_a_sequence(way: Any) -> None:
    kernel = MockKernel()
    client = way(kernel)
    answer = put(client, act="PUT")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json().items()) == [
        ("object", "record"),
        ("id", MINIMAL_ID),
        ("act", "PUT"),
        ("actor", None),
        ("body", {}),
        ("clock", 0),
        ("data_type", "SCALAR"),
        ("parents", []),
        ("thread", ""),
        ("sequence", 1),
    ]
    answer = put(client, act="GET", body={"x": 1.0}, clock=1, parents=["b", "a"], judged_by="j", extra=1, id="forged")
    stored = answer.json()
    assert stored["sequence"] == 2
    assert b'"x":1.0' in answer.content
    assert stored["parents"] == ["b", "a"]
    assert not {"judged_by", "extra"} & set(stored)
    assert [set(record) - set(stored) for record in kernel.records] == [set(), set()]
    assert "sequence" not in kernel.records[0]


def test_syncropel_23_a_second_record_of_one_clock_is_refused_and_counts(way: Any) -> None:
    kernel = MockKernel()
    client = way(kernel)
    assert put(client, thread="t", actor="a", clock=5).status_code == 200
    refused = put(client, thread="t", actor="a", clock=5, body={"n": 1})
    assert (refused.status_code, refused.json()) == (
        400,
        {"error": "INGEST_FAILED", "message": "DuplicateClock: thread=t actor=a clock=5"},
    )
    assert put(client, thread="t", actor="b", clock=5).json()["sequence"] == 3
    assert put(client, thread="u", actor="a", clock=5).json()["sequence"] == 4
    assert kernel.count() == 3


def test_syncropel_23_the_same_record_is_stored_again_unless_told(way: Any) -> None:
    plain, deduplicating = MockKernel(), MockKernel(deduplicate=True)
    for kernel, stored, sequences in ((plain, 2, [1, 2]), (deduplicating, 1, [1, 1])):
        client = way(kernel)
        assert [put(client, thread="t", act="PUT").json()["sequence"] for _ in range(2)] == sequences
        assert kernel.count() == stored
    client = way(deduplicating)
    first, again = put(client, thread="t2"), put(client, thread="t2")
    assert first.json() == again.json()


def test_syncropel_23_lists_are_filtered_and_cut(way: Any) -> None:
    kernel = MockKernel()
    client = way(kernel)
    for clock in range(120):
        record = {"thread": "t" if clock % 2 else "u", "actor": f"a{clock % 3}", "clock": clock}
        kernel.answer("POST", "/v1/records", {}, json.dumps(record).encode(), None)

    def clocks(path: str) -> list[int]:
        answer = client.get(path)
        assert (answer.status_code, answer.json()["object"]) == (200, "list")
        return [record["clock"] for record in answer.json()["data"]]

    assert clocks("/v1/records") == list(range(100))
    assert clocks("/v1/records?limit=3&since=50") == [0, 1, 2]
    assert clocks("/v1/records?limit=0") == []
    assert clocks("/v1/records?thread=t&actor=a0&limit=2") == [3, 9]
    assert clocks("/v1/threads/t/records?limit=2&since=50") == list(range(1, 120, 2))
    assert clocks("/v1/threads/nobody/records") == []
    assert client.get("/health").json() == {"status": "ok", "store": "mock", "records": 120}


def test_syncropel_23_a_limit_that_is_no_number_raises_in_process_and_is_refused_over_http(way: Any) -> None:
    client = way(MockKernel())
    try:
        assert client.get("/v1/records?limit=x").status_code == 400
    except ValueError as error:
        assert "'x'" in str(error)
        assert client.base_url.host == "mock"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/records/x"),
        ("GET", "/v1/threads"),
        ("GET", "/v1/threads/x"),
        ("GET", "/v1/threads/x/watch"),
        ("GET", "/health/"),
        ("GET", "/"),
        ("POST", "/v1/records/query"),
        ("POST", "/health"),
        ("PUT", "/v1/records"),
        ("DELETE", "/v1/records"),
    ],
)
def test_syncropel_23_what_it_lacks_is_told(method: str, path: str, way: Any) -> None:
    answer = way(MockKernel()).request(method, path)
    assert (answer.status_code, answer.json()) == (404, {"error": f"mock: no handler for {method} {path}"})


@pytest.mark.parametrize(
    "content", [b"nope", b"[1]", b"5", b'{"body":{"x":NaN}}', b'{"thread":[1]}', b"", b"[" * 99_999]
)
def test_what_is_no_record_is_refused(content: bytes, way: Any) -> None:
    kernel = MockKernel()
    answer = way(kernel).post("/v1/records", content=content)
    assert (answer.status_code, answer.json()["error"]) == (400, "INGEST_FAILED")
    assert kernel.count() == 0


def test_syncropel_23_faults_add_up_and_are_used_one_by_one() -> None:
    kernel = MockKernel()
    kernel.fail_next_post()
    kernel.fail_next_post(2)
    kernel.fail_next_get(2)
    with httpx.Client(transport=kernel.transport(), base_url="http://mock") as client:
        assert client.post("/elsewhere").status_code == 404
        for _ in range(3):
            with pytest.raises(httpx.ConnectError, match="mock-injected failure"):
                put(client)
        assert put(client).status_code == 200
        for path in ("/health", "/nowhere"):
            with pytest.raises(httpx.ConnectError):
                client.get(path)
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(("failures", "success", "retried"), [(0, True, 0), (1, True, 1), (2, True, 2), (3, False, 2)])
def test_syncropel_23_two_faults_are_hidden_by_the_tries_and_three_are_not(
    failures: int, success: bool, retried: int
) -> None:
    kernel = MockKernel()
    kernel.fail_next_post(failures)
    client = Client(identity=ME, transport=kernel.transport(), backoff_ms=0)
    result = client.emit_sync(act="PUT", kind="a.b.c", body={}, thread="t")
    assert (result.success, result.retried, kernel.count()) == (success, retried, int(success))
    if not success:
        assert result.error == "ConnectError: mock-injected failure"


@pytest.mark.parametrize("served", [False, True])
def test_a_lost_answer_is_found_by_the_next_try(served: bool) -> None:
    kernel = MockKernel(deduplicate=True)
    kernel.lose_next_answer()
    with kernel.serve() as port:
        settings: dict[str, Any] = {"endpoint": port.url} if served else {"transport": kernel.transport()}
        with Client(identity=ME, backoff_ms=0, **settings) as client:
            result = client.emit_sync(act="PUT", kind="a.b.c", body={}, thread="t")
    assert (result.success, result.retried, kernel.count()) == (True, 1, 1)


def test_statuses_are_injected_by_method_and_nothing_is_stored(way: Any) -> None:
    kernel = MockKernel()
    client = way(kernel)
    kernel.answer_next(503, 2)
    kernel.answer_next(429, method="GET", text="slow down")
    assert [put(client).status_code for _ in range(3)] == [503, 503, 200]
    answer = client.get("/health")
    assert (answer.status_code, answer.text) == (429, "slow down")
    assert kernel.count() == 1
    with pytest.raises(ValueError, match="method"):
        kernel.answer_next(500, method="PUT")


def test_latency_beyond_the_patience_of_the_client_is_a_timeout(way: Any) -> None:
    kernel = MockKernel(latency_s=0.05)
    with pytest.raises(httpx.ReadTimeout):
        way(kernel, timeout=0.01).get("/health")
    assert way(kernel, timeout=5).get("/health").status_code == 200

    async def patient() -> list[bool]:
        async with Client(identity=ME, transport=kernel.transport(), timeout=0.001, max_retries=0) as client:
            first = await client.emit(act="PUT", kind="a.b.c", body={}, thread="t")
            kernel.latency_s = 0
            return [first.success, bool(await client.health())]

    assert asyncio.run(patient()) == [False, True]
    assert kernel.count() == 1


def test_inspectors_and_clear() -> None:
    kernel = MockKernel()
    client = Client(identity=ME, transport=kernel.transport())
    for kind, thread in (("a.b.c", "t"), ("a.b.d", "t"), ("a.b.c", "u")):
        client.emit_sync(act="PUT", kind=kind, body={}, thread=thread, refs=[Ref.core_thread(id="x")])
    assert kernel.records_in("t") == kernel.threads["t"] == kernel.records[:2]
    assert kernel.records_in("nobody") == []
    assert kernel.records_by_kind("a.b.c") == [kernel.records[0], kernel.records[2]]
    assert kernel.records_by_actor("did:test:me") == kernel.records
    assert kernel.records_by_actor("nobody") == []
    kernel.fail_next_post(5)
    kernel.answer_next(500)
    kernel.clear()
    assert (kernel.count(), kernel.records, kernel.threads) == (0, [], {})
    with httpx.Client(transport=kernel.transport(), base_url="http://mock") as plain:
        assert put(plain, body=None).json()["sequence"] == 1
    assert kernel.records_by_kind("a.b.c") == []


def test_windows_heed_since_and_limit_and_sort_a_thread_by_its_clock(way: Any) -> None:
    client = way(MockKernel(windows=True))
    for clock in (5, 1, 3, 4, 2):
        put(client, thread="t/u", clock=clock)

    def clocks(path: str) -> list[int]:
        return [record["clock"] for record in client.get(path).json()["data"]]

    assert clocks("/v1/threads/t%2Fu/records") == [1, 2, 3, 4, 5]
    assert clocks("/v1/threads/t%2Fu/records?since=3&limit=2") == [3, 4]
    assert clocks("/v1/records?since=4") == [5, 4]


def test_a_seed_stamps_the_same_times_on_every_run() -> None:
    def stamps(seed: int) -> list[str]:
        kernel = MockKernel(seed=seed)
        with httpx.Client(transport=kernel.transport(), base_url="http://mock") as client:
            return [put(client, clock=clock).json()["created_at"] for clock in range(3)]

    assert stamps(1) == stamps(1)
    assert stamps(1)[0] == "2026-01-01T00:00:00.000000Z"
    assert stamps(1) == sorted(set(stamps(1)))
    assert "created_at" not in put_one(MockKernel())


def put_one(kernel: MockKernel) -> dict[str, Any]:
    with httpx.Client(transport=kernel.transport(), base_url="http://mock") as client:
        stored: dict[str, Any] = put(client).json()
        return stored


BODIES: list[Any] = [
    {"n": 1, "s": "Glow"},
    {"n": 2.5, "s": "glow worm"},
    {"n": True, "s": None},
    {"n": "3", "deep": {"a-b": 1}},
    {},
]


@pytest.mark.parametrize(
    ("filter", "clocks"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"act": "PUT"}, [0, 1, 2, 3, 4]),
        ({"clock": {"$gt": 1, "$lte": 3}}, [2, 3]),
        ({"clock": {"$gte": 1, "$lt": 2}}, [1]),
        ({"clock": {"$in": [0, 4]}}, [0, 4]),
        ({"clock": {"$nin": [0, 4]}}, [1, 2, 3]),
        ({"body.n": 1}, [0]),
        ({"body.n": True}, [2]),
        ({"body.n": {"$ne": 1}}, [1, 2, 3, 4]),
        ({"body.n": {"$gt": 0}}, [0, 1]),
        ({"body.n": {"$gt": "0"}}, [3]),
        ({"body.n": {"$exists": True}}, [0, 1, 2, 3]),
        ({"body.s": {"$exists": False}}, [2, 3, 4]),
        ({"body.s": None}, [2, 3, 4]),
        ({"body.s": {"$like": "Gl%"}}, [0]),
        ({"body.s": {"$ilike": "gl_w%"}}, [0, 1]),
        ({"body.s": {"$like": "%o%w%"}}, [0, 1]),
        ({"body.deep.a-b": {"$eq": 1}}, [3]),
        ({"body.deep": {"a-b": 1}}, [3]),
        ({"$or": [{"clock": 0}, {"$not": {"clock": {"$lt": 4}}}]}, [0, 4]),
        ({"$and": [{"clock": {"$gt": 0}}, {"body.n": {"$exists": False}}]}, [4]),
    ],
)
def test_queries_know_the_operators(filter: dict[str, Any], clocks: list[int]) -> None:
    kernel = MockKernel(queries=True)
    client = Client(identity=ME, transport=kernel.transport())
    with httpx.Client(transport=kernel.transport(), base_url="http://mock") as plain:
        for clock, body in enumerate(BODIES):
            put(plain, act="PUT", thread="t", clock=clock, body=body)
    answer = asyncio.run(client.rich_query_strict(filter=filter))
    assert [record["clock"] for record in answer["records"]] == clocks


def test_queries_sort_cut_and_explain() -> None:
    kernel = MockKernel(queries=True)
    client = Client(identity=ME, transport=kernel.transport())
    for clock in range(1100):
        record = {"thread": "t" if clock % 2 else "u", "clock": clock, "body": {"n": -clock if clock % 5 else None}}
        kernel.answer("POST", "/v1/records", {}, json.dumps(record).encode(), None)

    def clocks(**asked: Any) -> list[int]:
        return [r["clock"] for r in asyncio.run(client.rich_query_strict(filter={}, **asked))["records"]]

    assert clocks(sort={"clock": -1}, limit=2, offset=1) == [1098, 1097]
    assert clocks(sort={"body.n": 1}, limit=3, thread="t") == [5, 15, 25]
    assert clocks(thread="u", limit=2) == [0, 2]
    whole = asyncio.run(client.rich_query_strict(filter={}, limit=5000, explain=True))
    assert (len(whole["records"]), whole["capped"]) == (1000, True)
    assert whole["plan"] == {"rows_scanned": 1100, "rows_matched": 1100}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"filter": [1]},
        {"filter": {"color": 1}},
        {"filter": {"body.": 1}},
        {"filter": {"body.a b": 1}},
        {"filter": {"clock": {"$near": 1}}},
        {"filter": {"$nor": []}},
        {"filter": {"$and": {}}},
        {"filter": {"clock": {"$in": 1}}},
        {"filter": {"body.s": {"$like": 1}}},
        {"filter": {}, "sort": {"clock": 1, "act": 1}},
        {"filter": {}, "sort": {"clock": 2}},
        {"filter": {}, "sort": {"color": 1}},
        {"filter": {}, "limit": -1},
        {"filter": {}, "offset": "1"},
        [1],
    ],
)
def test_a_query_that_means_nothing_is_refused(asked: Any) -> None:
    with httpx.Client(transport=MockKernel(queries=True).transport(), base_url="http://mock") as client:
        answer = client.post("/v1/records/query", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_FILTER")


def test_a_filter_cannot_nest_or_match_without_end() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"$not": deep}
    kernel = MockKernel(queries=True)
    with httpx.Client(transport=kernel.transport(), base_url="http://mock") as client:
        put(client, body={"s": "a" * 5000})
        text = '{"filter":' + '{"$not":' * 5000 + "{}" + "}" * 5001
        assert client.post("/v1/records/query", content=text.encode()).status_code == 400
        hard = {"filter": {"body.s": {"$like": "%a" * 50 + "b"}}}
        assert client.post("/v1/records/query", json=hard).json()["data"] == []


# Behind a port


def test_a_served_kernel_keeps_connections_and_frees_its_port() -> None:
    kernel = MockKernel()
    with kernel.serve() as served:
        port = served.port
        assert served.url == f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=served.url) as client:
            for clock in range(3):
                assert put(client, clock=clock).status_code == 200
        served.close()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{served.url}/health")
    with kernel.serve(port) as again:
        assert httpx.get(f"{again.url}/health").json()["records"] == 3
        with pytest.raises(OSError):
            kernel.serve(port)


def test_a_served_kernel_refuses_bodies_it_cannot_measure() -> None:
    with MockKernel().serve() as served, httpx.Client(base_url=served.url) as client:
        assert client.post("/v1/records", content=iter([b"{}"])).status_code == 413
        for length in (b"x", b"-1", b"%d" % (1 << 40), "٣".encode()):
            with socket.create_connection(("127.0.0.1", served.port), timeout=10) as plain:
                plain.sendall(b"POST /v1/records HTTP/1.1\r\nhost: x\r\ncontent-length: %b\r\n\r\n" % length)
                assert plain.makefile("rb").readline().split()[1] == b"413"
        assert client.get("/health").json()["records"] == 0


def test_a_kernel_takes_records_from_many_threads_at_once() -> None:
    from concurrent.futures import ThreadPoolExecutor

    kernel = MockKernel()
    with kernel.serve() as served, Client(identity=ME, endpoint=served.url) as client, ThreadPoolExecutor(4) as pool:
        emit = lambda n: client.emit_sync(act="PUT", kind="a.b.c", body={"n": n}, thread="t")  # noqa: E731
        assert all(result.success for result in pool.map(emit, range(40)))
    assert sorted(record["body"]["n"] for record in kernel.records) == list(range(40))
    assert json.dumps(kernel.records).count('"object": "record"') == 40
