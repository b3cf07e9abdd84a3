"""What a client writes: the bytes on the wire, what is tried again, and what the caller is told."""

import asyncio
import logging
from typing import Any

import httpx
import pytest
from syncropel_wire import ME, Wire

import kit
from kit.syncropel import Client, EmitResult, Ref, SyncropelKindError
from kit.syncropel.testing import MockKernel

RECORD: dict[str, Any] = {"act": "PUT", "kind": "a.b.c", "body": {}, "thread": "t"}
ABOUT = {"kind": "a.b.c", "act": "PUT", "thread": "t"}
BOTH = pytest.mark.parametrize("emit", [pytest.param(True, id="async"), pytest.param(False, id="sync")])


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, which do not take place."""
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("kit.syncropel.emitting.asyncio.sleep", sleep)
    monkeypatch.setattr("kit.syncropel.emitting.time.sleep", waited.append)
    return waited


def emitted(client: Client, wait: bool, **arguments: Any) -> EmitResult:
    """Emit a record in the one way or the other."""
    record = {**RECORD, **arguments}
    return asyncio.run(client.emit(**record)) if wait else client.emit_sync(**record)


# The envelope


@BOTH
def test_syncropel_13_the_wire_carries_seven_keys_sorted_parents_and_headers(emit: bool) -> None:
    wire = Wire()
    emitted(wire.client(api_key="K", endpoint="http://mock//"), emit, parents=["b", "a", "a"], clock=3)
    request = wire.requests[0]
    assert (request.method, str(request.url)) == ("POST", "http://mock/v1/records")
    assert request.content == (
        b'{"act":"PUT","actor":"did:test:me","body":{"kind":"a.b.c","_v":1},"clock":3,'
        b'"data_type":"SCALAR","parents":["a","a","b"],"thread":"t"}'
    )
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-api-key"] == "K"
    assert "authorization" not in request.headers


def test_syncropel_13_without_a_key_no_key_is_sent_and_with_send_bearer_both_are() -> None:
    wire = Wire()
    emitted(wire.client(), False)
    emitted(wire.client(api_key=""), False)
    emitted(wire.client(api_key="K", send_bearer=True), False)
    assert ["x-api-key" in request.headers for request in wire.requests] == [False, False, True]
    assert wire.requests[2].headers["authorization"] == "Bearer K"


@pytest.mark.parametrize(
    ("kind", "body", "on_the_wire"),
    [
        ("a.b.c", {}, {"kind": "a.b.c", "_v": 1}),
        ("a.b.c", {"kind": "x.y.z", "n": 1}, {"kind": "a.b.c", "n": 1, "_v": 1}),
        ("a.b.c", {"_v": 7}, {"_v": 7, "kind": "a.b.c"}),
        ("a.b.c", {"_v": None}, {"_v": None, "kind": "a.b.c"}),
        ("a.b.c.v2", {}, {"kind": "a.b.c.v2"}),
        ("core.alias.v1", {}, {"kind": "core.alias.v1", "_v": 1}),
    ],
)
def test_syncropel_9_the_kind_goes_into_a_copy_of_the_body(
    kind: str, body: dict[str, Any], on_the_wire: dict[str, Any]
) -> None:
    wire, before = Wire(), dict(body)
    emitted(wire.client(), False, kind=kind, body=body)
    assert list(wire.bodies[0]["body"].items()) == list(on_the_wire.items())
    assert body == before


def test_syncropel_10_refs_are_appended_and_repeats_kept() -> None:
    wire, ref = Wire(), Ref.core_thread(id="x")
    body = {"_refs": [ref]}
    emitted(wire.client(), False, body=body, refs=[ref, ref])
    assert wire.bodies[0]["body"]["_refs"] == [ref, ref, ref]
    assert body == {"_refs": [ref]}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kind": "A", "act": "", "thread": "", "body": 5}, SyncropelKindError, "'A'"),
        ({"act": "", "thread": "", "body": 5}, ValueError, "emit requires a non-empty `act`"),
        ({"thread": "", "body": 5}, ValueError, "emit requires a non-empty `thread`"),
        ({"body": [1]}, TypeError, "body must be a dict; got list"),
        ({"body": {"_refs": None}, "refs": [{}]}, TypeError, "NoneType"),
        ({"body": {"x": {1}}}, TypeError, "not JSON serializable"),
        ({"body": {"x": b""}}, TypeError, "not JSON serializable"),
        ({"body": {"x": float("nan")}}, ValueError, "not JSON compliant"),
        ({"body": {"x": "\ud800"}}, UnicodeEncodeError, "surrogates"),
        ({"body": {"x": {1: 2}}}, TypeError, "keys must be strings, got 1"),
        ({"body": {"x": [({None: 1},)]}}, TypeError, "keys must be strings, got None"),
        ({"parents": [1, "a"]}, TypeError, "not supported"),
    ],
)
@BOTH
def test_syncropel_16_arguments_that_mean_nothing_raise_before_any_request(
    arguments: dict[str, Any], error: type[Exception], message: str, emit: bool
) -> None:
    wire, results = Wire(), []
    client = wire.client(on_emit=results.append)
    with pytest.raises(error, match=message):
        emitted(client, emit, **arguments)
    assert (wire.requests, results) == ([], [])


def test_a_body_that_nests_without_end_is_refused_and_a_ring_too() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"d": deep}
    ring: dict[str, Any] = {}
    ring["r"] = ring
    for body in (deep, ring):
        with pytest.raises(ValueError):
            emitted(Wire().client(), False, body=body)


def test_strict_compat_takes_keys_as_the_published_package_does() -> None:
    wire = Wire()
    emitted(wire.client(strict_compat=True), False, body={"x": {1: 2, None: 3, 1.5: 4}})
    assert wire.bodies[0]["body"]["x"] == {"1": 2, "null": 3, "1.5": 4}


# Tries


@pytest.mark.parametrize(
    ("status", "tries", "success"),
    [
        pytest.param(status, tries, success, id=f"syncropel-14-{status}")
        for status, tries, success in [
            (200, 1, True),
            (201, 1, True),
            (204, 1, True),
            (301, 3, False),
            (400, 1, False),
            (408, 1, False),
            (429, 1, False),
            (500, 3, False),
            (503, 3, False),
            (199, 3, False),
            (600, 3, False),
        ]
    ],
)
@BOTH
def test_a_status_is_tried_again_or_not(status: int, tries: int, success: bool, emit: bool, waits: list[float]) -> None:
    wire = Wire(httpx.Response(status, text="x" * 300))
    result = emitted(wire.client(), emit)
    assert len(wire.requests) == tries
    assert waits == [0.25, 0.5][: tries - 1]
    error = None if success else f"HTTP {status}: {'x' * 200}"
    assert result == EmitResult(success, error=error, retried=tries - 1, **ABOUT)
    assert len({request.content for request in wire.requests}) == 1


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        pytest.param(error, tries, id=f"syncropel-14-{type(error).__name__}")
        for error, tries in [
            (httpx.ConnectError("m"), 3),
            (httpx.ConnectTimeout("m"), 3),
            (httpx.ReadTimeout(""), 3),
            (httpx.PoolTimeout("m"), 3),
            (httpx.ReadError("m"), 3),
            (httpx.RemoteProtocolError("m"), 3),
            (httpx.UnsupportedProtocol("m"), 3),
            (httpx.ProxyError("m"), 3),
            (httpx.DecodingError("m"), 1),
            (httpx.TooManyRedirects("m"), 1),
        ]
    ],
)
@BOTH
def test_an_exception_of_the_network_is_tried_again_or_not(
    error: Exception, tries: int, emit: bool, waits: list[float]
) -> None:
    wire = Wire(error)
    result = emitted(wire.client(), emit)
    assert len(wire.requests) == tries
    assert sum(waits) == (0.75 if tries == 3 else 0)
    text = f"{type(error).__name__}: {error}"
    assert result == EmitResult(False, error=text, retried=tries - 1, **ABOUT)


@pytest.mark.parametrize(("max_retries", "tries"), [(0, 1), (-3, 1), (1, 2), (5, 6)])
def test_syncropel_14_tries_and_waits_follow_the_settings(max_retries: int, tries: int, waits: list[float]) -> None:
    wire = Wire(httpx.ConnectError("m"))
    result = emitted(wire.client(max_retries=max_retries, backoff_ms=10), True)
    assert (len(wire.requests), result.retried) == (tries, tries - 1)
    assert waits == pytest.approx([0.01 * 2**n for n in range(tries - 1)])


@BOTH
def test_syncropel_15_a_late_success_tells_how_many_tries_failed(emit: bool, waits: list[float]) -> None:
    wire = Wire(httpx.ReadTimeout("m"), httpx.Response(500), httpx.Response(200, json={"id": "i", "clock": 9}))
    assert emitted(wire.client(), emit) == EmitResult(True, "i", 9, None, 2, **ABOUT)


@pytest.mark.parametrize(
    ("answer", "record_id", "clock"),
    [
        ({"id": "i", "record_id": "r", "clock": 3}, "i", 3),
        ({"record_id": "r"}, "r", None),
        ({"id": "", "record_id": "r"}, "r", None),
        ({}, None, None),
        ({"clock": "5"}, None, "5"),
    ],
)
def test_syncropel_15_id_and_clock_are_those_of_the_answer(answer: Any, record_id: Any, clock: Any) -> None:
    assert emitted(Wire(httpx.Response(200, json=answer)).client(), True) == EmitResult(True, record_id, clock, **ABOUT)


@pytest.mark.parametrize("text", [b"", b"nope", b"\xff", b"{", b"[" * 100_000])
def test_syncropel_15_an_answer_that_is_no_json_is_a_success_without_id(text: bytes) -> None:
    assert emitted(Wire(httpx.Response(201, content=text)).client(), True) == EmitResult(True, **ABOUT)


# Where the kit keeps the promise that an emit does not raise, and the published package does not


@pytest.mark.parametrize("text", [b"[1]", b"5", b'"x"', b"null"])
def test_an_answer_that_is_no_object_is_a_failure_and_raises_in_strict_compat(text: bytes) -> None:
    wire = Wire(httpx.Response(200, content=text))
    result = emitted(wire.client(), True)
    assert not result.success
    assert "not an object" in (result.error or "")
    with pytest.raises(AttributeError):
        emitted(wire.client(strict_compat=True), True)


@pytest.mark.parametrize(("error", "tries"), [(OSError("o"), 3), (httpx.InvalidURL("i"), 1)])
@BOTH
def test_faults_below_httpx_are_results_and_raise_in_strict_compat(
    error: Exception, tries: int, emit: bool, waits: list[float]
) -> None:
    wire = Wire(error)
    result = emitted(wire.client(), emit)
    assert (result.success, result.error, len(wire.requests)) == (False, f"{type(error).__name__}: {error}", tries)
    with pytest.raises(type(error)):
        emitted(wire.client(strict_compat=True), emit)


def test_an_address_that_is_none_is_a_failure() -> None:
    client = Client(identity=ME, endpoint="http://[", max_retries=0)
    result = client.emit_sync(**RECORD)
    assert (result.success, result.error is not None) == (False, True)
    asyncio.run(client.close())


@BOTH
def test_an_emit_after_close_is_a_failure_and_raises_in_strict_compat(emit: bool) -> None:
    wire, told = Wire(), []
    client = wire.client(on_emit=told.append)
    asyncio.run(client.close())
    result = emitted(client, emit)
    assert (result.success, result.retried, wire.requests, told) == (False, 0, [], [result])
    assert "closed" in (result.error or "")
    strict = wire.client(strict_compat=True)
    asyncio.run(strict.close())
    with pytest.raises(RuntimeError):
        emitted(strict, emit)


def test_other_exceptions_of_a_transport_are_faults_of_the_caller() -> None:
    for strict_compat in (False, True):
        with pytest.raises(KeyError):
            emitted(Wire(KeyError("k")).client(strict_compat=strict_compat), True)


# The hook


@BOTH
def test_syncropel_17_the_hook_hears_of_each_finished_emit_once(emit: bool, waits: list[float]) -> None:
    results: list[EmitResult] = []
    wire = Wire(httpx.Response(200, json={"id": "i"}), httpx.Response(400), httpx.ConnectError("m"))
    client = wire.client(on_emit=results.append)
    returned = [emitted(client, emit) for _ in range(3)]
    assert results == returned
    assert [result.success for result in results] == [True, False, False]
    assert all(one is other for one, other in zip(results, returned, strict=True))


@BOTH
def test_syncropel_17_a_hook_that_raises_changes_nothing_but_a_log_line(
    emit: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def hook(result: EmitResult) -> None:
        raise KeyError("x")

    plain = emitted(Wire().client(), emit, clock=1)
    caplog.clear()
    assert emitted(Wire().client(on_emit=hook), emit, clock=1) == plain
    told = [record for record in caplog.records if "hook" in record.getMessage()]
    assert [(r.name, r.levelno, r.getMessage()) for r in told] == [
        ("syncropel", logging.WARNING, "on_emit hook raised KeyError; swallowing")
    ]


def test_syncropel_17_the_hook_hears_of_helpers_and_not_of_reads() -> None:
    results: list[EmitResult] = []

    async def course() -> None:
        async with Client(identity=ME, transport=MockKernel().transport(), on_emit=results.append) as client:
            await client.intend("g", thread="t")
            await client.fulfill("t", "s")
            await client.emit_erasure(erases=["x"], reason="r", thread="t")
            await client.query_thread("t")
            await client.health()

    asyncio.run(course())
    assert [result.kind for result in results] == ["core.intent", "core.outcome", "core.erasure"]


# Clients and clocks


def test_syncropel_18_one_sync_client_serves_all_calls_and_the_clock_is_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kit.ids.now_ms", lambda: 1000)
    made: list[httpx.Client] = []
    original = httpx.Client

    def counted(**options: Any) -> httpx.Client:
        made.append(original(**options))
        return made[-1]

    monkeypatch.setattr(httpx, "Client", counted)
    wire = Wire()
    client = wire.client()
    for emit in (True, False, False, True):
        emitted(client, emit)
    assert [body["clock"] for body in wire.bodies] == [1000, 1001, 1002, 1003]
    assert len(made) == 1
    asyncio.run(client.close())
    assert made[0].is_closed


def test_syncropel_19_a_thousand_emits_in_one_millisecond_have_rising_clocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kit.ids.now_ms", lambda: 1_767_225_600_000)
    wire = Wire()
    client = wire.client()

    async def many() -> None:
        await asyncio.gather(*(client.emit(**RECORD) for _ in range(500)))

    asyncio.run(many())
    for _ in range(500):
        client.emit_sync(**RECORD)
    client.emit_sync(**{**RECORD, "thread": "other"})
    clocks = [body["clock"] for body in wire.bodies]
    assert sorted(clocks[:1000]) == list(range(1_767_225_600_000, 1_767_225_601_000))
    assert clocks[1000] == 1_767_225_600_000


def test_syncropel_19_a_clock_of_the_caller_is_taken_and_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([50, 40, 60])
    monkeypatch.setattr("kit.ids.now_ms", lambda: next(times))
    wire = Wire()
    client = wire.client()
    for clock in (None, 0, 10**6, None, None):
        client.emit_sync(**RECORD, clock=clock)
    assert [body["clock"] for body in wire.bodies] == [50, 0, 10**6, 51, 60]


def test_an_emit_that_raises_takes_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.ids.now_ms", lambda: 5)
    wire = Wire()
    client = wire.client()
    with pytest.raises(TypeError):
        client.emit_sync(**{**RECORD, "parents": [1, "a"]})
    client.emit_sync(**RECORD)
    assert wire.bodies[0]["clock"] == 5


def test_seeded_ids_repeat_clocks_threads_and_times() -> None:
    def course() -> list[dict[str, Any]]:
        wire = Wire()

        async def calls() -> None:
            async with wire.client() as client:
                await client.intend("g")
                await client.emit(**RECORD)
                await client.emit_scope_claim(scope="x", governance_policy={"type": "open"}, thread="t")
                client.emit_sync(**RECORD)

        with kit.seeded(3):
            asyncio.run(calls())
        return wire.bodies

    first = course()
    assert first == course()
    assert first[0]["clock"] == 1_767_225_600_000


def test_a_running_loop_can_await_and_can_block() -> None:
    kernel = MockKernel()

    async def cell() -> list[bool]:
        client = Client(identity=ME, transport=kernel.transport())
        results = [await client.emit(**RECORD), client.emit_sync(**RECORD), await client.emit(**RECORD)]
        await client.close()
        return [result.success for result in results]

    assert asyncio.run(cell()) == [True, True, True]
    assert [record["clock"] for record in kernel.records] == sorted({r["clock"] for r in kernel.records})


def test_a_client_outlives_its_event_loop() -> None:
    with MockKernel().serve() as served:
        client = Client(endpoint=served.url, identity=ME)

        async def one() -> bool:
            result = await client.emit(**RECORD)
            await client._connection.asynchronous().aclose()
            return result.success

        assert [asyncio.run(one()), asyncio.run(one())] == [True, True]
        asyncio.run(client.close())
        asyncio.run(client.close())
