"""The published package as a peer: the same bytes, the same results, its client on our kernel and ours on its."""

import asyncio
import inspect
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kit.syncropel as ours
from kit.syncropel.testing import MockKernel

peer = pytest.importorskip("syncropel")
peer_testing = pytest.importorskip("syncropel.testing")
peer_refs = pytest.importorskip("syncropel.refs")
peer_grammar = pytest.importorskip("syncropel.grammar")

PACKAGES = {"ours": ours, "peer": peer}
KERNELS = {"ours": MockKernel, "peer": peer_testing.MockKernel}


def client(package: Any, transport: Any, **more: Any) -> Any:
    identity = package.Identity.static("did:test:me")
    return package.Client(**{"identity": identity, "endpoint": "http://mock", "transport": transport, **more})


def on_the_wire(package: Any, verb: str, arguments: dict[str, Any], *positional: Any) -> Any:
    """Return the requests of a call and what it returned, or the type of what it raised."""
    requests: list[tuple[str, str, bytes, dict[str, str]]] = []

    def respond(request: httpx.Request) -> httpx.Response:
        requests.append((request.method, str(request.url), request.content, dict(request.headers)))
        return httpx.Response(200, json={"id": "i", "clock": 3})

    made = client(package, httpx.MockTransport(respond))
    try:
        returned = getattr(made, verb)(*positional, **arguments)
        if inspect.isawaitable(returned):
            returned = asyncio.run(returned)
    except Exception as error:
        kind = type(error)
        base = next(one for one in kind.__mro__ if one.__module__ == "builtins")
        return requests, "SyncropelKindError" if "Kind" in kind.__name__ else base.__name__
    return requests, vars(returned) if hasattr(returned, "__dict__") else returned


def assert_same(verb: str, arguments: dict[str, Any], *positional: Any) -> None:
    results = [on_the_wire(package, verb, arguments, *positional) for package in (peer, ours)]
    assert results[0] == results[1]


texts = st.text(max_size=4)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=6,
)
keys = st.sampled_from(["kind", "_v", "_refs", "goal", "summary", "fulfills", "é", ""])
kinds = st.sampled_from(["a.b.c", "a.b.c.v2", "@a.b", "core.x", "A.b.c", "a.b", "core.alias.v1", "a.b.c\n", ""])
refs = st.none() | st.lists(st.dictionaries(st.sampled_from(["kind", "id"]), texts, max_size=2), max_size=2)
parents = st.none() | st.lists(texts, max_size=3) | texts
clocks = st.integers(-3, 2**70)


@settings(max_examples=60)
@given(
    st.fixed_dictionaries(
        {
            "act": st.sampled_from(["PUT", "", "put"]),
            "kind": kinds,
            "body": st.dictionaries(keys, json_values, max_size=4) | st.just([]),
            "thread": st.sampled_from(["t", "", "é\n/"]),
            "refs": refs,
            "parents": parents,
            "data_type": st.sampled_from(["SCALAR", "odd", ""]),
            "clock": clocks,
        }
    ),
    st.sampled_from(["emit", "emit_sync"]),
)
def test_any_emit_sends_the_same_bytes_and_gives_the_same_result(arguments: dict[str, Any], verb: str) -> None:
    assert_same(verb, arguments)


@settings(max_examples=40)
@given(
    goal=texts,
    arguments=st.fixed_dictionaries(
        {"thread": st.sampled_from(["t", ""]), "clock": clocks},
        optional={"parents": parents, "kind": kinds, "body": st.dictionaries(keys, json_values, max_size=3)},
    ),
)
def test_any_intend_sends_the_same_bytes(goal: str, arguments: dict[str, Any]) -> None:
    assert_same("intend", arguments, goal)


@settings(max_examples=40)
@given(
    thread=st.sampled_from(["t", ""]),
    summary=texts,
    arguments=st.fixed_dictionaries(
        {"clock": clocks},
        optional={
            "fulfills": st.none() | texts | st.lists(texts, max_size=2) | st.tuples(texts) | st.just(5),
            "parents": parents,
            "kind": kinds,
            "body": st.dictionaries(keys, json_values, max_size=3),
        },
    ),
)
def test_any_fulfill_sends_the_same_bytes(thread: str, summary: str, arguments: dict[str, Any]) -> None:
    assert_same("fulfill", arguments, thread, summary)


some = st.sampled_from(["x", "", None, 5])
RESERVED: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "emit_correction": {
        "corrects": st.sampled_from([["a"], ["a", "b"], [], [""], ("a",), "a", [1]]),
        "revised_fields": st.sampled_from([{"a": 1}, {}, [], None]),
        "reason": some,
        "correcting_actor": st.sampled_from([None, "", "did:x"]),
    },
    "emit_erasure": {
        "erases": st.sampled_from([["a"], [], "a", [None]]),
        "reason": some,
        "authorized_by": st.sampled_from([None, "did:x"]),
        "effective_at": st.sampled_from(["2026", "x"]),
    },
    "emit_alias": {"old_kind": kinds, "new_kind": kinds, "reason": some, "since": st.just("s"), "publisher_did": some},
    "emit_scope_transfer": {
        "scope": st.sampled_from(["music", "@m", "A", "", None]),
        "from_publisher": some,
        "to_publisher": some,
        "reason": some,
        "effective_at": st.just("e"),
    },
    "emit_scope_claim": {
        "scope": st.sampled_from(["music", "@m", "A", "", None]),
        "governance_policy": st.sampled_from([{"type": "open"}, {"type": None}, {}, {"x": 1}, 5]),
        "claimant": some,
        "effective_at": st.just("e"),
    },
}


@pytest.mark.parametrize("helper", RESERVED)
def test_any_reserved_helper_sends_the_same_bytes_but_for_the_clock(helper: str) -> None:
    @settings(max_examples=25)
    @given(st.fixed_dictionaries({**RESERVED[helper], "thread": st.sampled_from(["t", "t", ""])}))
    def same(arguments: dict[str, Any]) -> None:
        results = []
        for package in (peer, ours):
            requests, result = on_the_wire(package, helper, arguments)
            bodies = [{**json.loads(request[2]), "clock": None} for request in requests]
            results.append((result, [list(body["body"].items()) for body in bodies], bodies))
        assert results[0] == results[1]

    same()


@pytest.mark.parametrize(
    ("verb", "arguments", "positional"),
    [
        ("query_thread", {}, ["t"]),
        ("query_thread", {"limit": 0, "since": 0}, ["t h"]),
        ("query", {}, []),
        ("query", {"kind": "a.b.c"}, []),
        ("query", {"actor": "did:a b", "thread": "t/é", "since": 0, "limit": 0}, []),
        ("query", {"kind": "", "actor": ""}, []),
        ("health", {}, []),
        ("rich_query", {"filter": {}}, []),
        ("rich_query", {"filter": {"a": 1}, "thread": "", "sort": {}, "limit": 0, "offset": 0, "explain": True}, []),
        ("rich_query", {"filter": None}, []),
        ("search", {}, ["q"]),
        ("search", {}, ["  "]),
        ("search", {"k": 0, "thread": "t", "actor": "a", "kind": "k", "after_clock": 0}, ["q"]),
        ("emit_sync", {}, []),
    ],
)
def test_reads_ask_for_the_same(verb: str, arguments: dict[str, Any], positional: list[Any]) -> None:
    assert_same(verb, arguments, *positional)


STATUSES = [199, 200, 201, 204, 300, 301, 304, 400, 404, 408, 429, 499, 500, 503, 599, 600]
CONTENTS = [b"", b"nope", b'{"id":"i","clock":2}', b'{"record_id":"r"}', b'{"id":5}', "é".encode() * 300]


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_and_content_gives_the_same_result(status: int) -> None:
    for content in CONTENTS:
        results = []
        for package in (peer, ours):
            calls: list[int] = []

            def respond(request: httpx.Request, calls: list[int] = calls, content: bytes = content) -> httpx.Response:
                calls.append(1)
                return httpx.Response(status, content=content)

            made = client(package, httpx.MockTransport(respond), backoff_ms=0)
            result = made.emit_sync(act="PUT", kind="a.b.c", body={}, thread="t", clock=1)
            results.append((vars(result), len(calls)))
        assert results[0] == results[1]


ERRORS = [
    *(httpx.ConnectError("m"), httpx.ReadTimeout(""), httpx.UnsupportedProtocol("u"), httpx.DecodingError("d")),
    *(httpx.TooManyRedirects("t"), httpx.RemoteProtocolError("r"), httpx.InvalidURL("i"), OSError("o"), KeyError("k")),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_exception_gives_the_same_in_strict_compat(error: Exception) -> None:
    outcomes = []
    for package, more in ((peer, {}), (ours, {"strict_compat": True})):
        calls: list[int] = []

        def respond(request: httpx.Request, calls: list[int] = calls) -> httpx.Response:
            calls.append(1)
            raise error

        made = client(package, httpx.MockTransport(respond), backoff_ms=0, **more)
        try:
            outcome: Any = vars(made.emit_sync(act="PUT", kind="a.b.c", body={}, thread="t", clock=1))
        except Exception as raised:
            outcome = type(raised)
        outcomes.append((outcome, len(calls)))
    assert outcomes[0] == outcomes[1]


# Clients and kernels crossed


async def course(made: Any) -> list[Any]:
    """Use a client as an application would; return what came of it."""
    results = [
        await made.intend("Deploy", thread="th_x", clock=1),
        await made.emit(
            act="DO", kind="a.b.c", body={"n": 1.0, "s": "é", "d": [1e-7]}, thread="th_x", parents=["b", "a"], clock=2
        ),
        await made.emit(act="DO", kind="a.b.c", body={"n": 2}, thread="th_x", clock=2),
        made.emit_sync(act="PUT", kind="a.b.d.v2", body={}, thread="th y", clock=1),
        await made.fulfill("th_x", "done", fulfills=["x"], clock=3),
    ]
    reads = [
        await made.query_thread("th_x"),
        await made.query_thread("th y", limit=1, since=5),
        await made.query_thread("nobody"),
        await made.query(kind="a.b.c"),
        await made.query(actor="did:test:me", limit=2),
        await made.query(thread="th_x", where={"body.n": 1}),
        await made.health(),
        await made.rich_query(filter={}),
        await made.search("q"),
    ]
    await made.close()
    return [[vars(result) for result in results], reads]


@pytest.fixture(scope="module")
def reference() -> list[Any]:
    """What the peer's client gets from the peer's kernel."""
    return asyncio.run(course(client(peer, peer_testing.MockKernel().transport())))


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_each_client_works_on_each_kernel_in_process(package: str, kernel: str, reference: list[Any]) -> None:
    server = KERNELS[kernel]()
    assert asyncio.run(course(client(PACKAGES[package], server.transport()))) == reference
    assert server.count() == 4
    assert [record["id"] for record in server.records] == [
        result["record_id"] for result in reference[0] if result["success"]
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_each_client_works_on_our_kernel_behind_a_port(package: str, reference: list[Any]) -> None:
    with MockKernel().serve() as served:
        made = client(PACKAGES[package], None, endpoint=served.url)
        assert asyncio.run(course(made)) == reference


def test_the_peer_follows_a_thread_of_our_kernel_through_cuts() -> None:
    kernel = MockKernel.full()

    async def follow(package: Any, url: str) -> list[int]:
        got: list[int] = []
        made = client(package, None, endpoint=url)
        kernel.cut_next_watch(1)
        subscription = made.subscribe(
            "t", lambda record: got.append(record["clock"]), since_clock=0, reconnect_base_s=0.001
        )
        for _ in range(2000):
            if len(got) >= 3:
                break
            await asyncio.sleep(0.005)
        subscription.close()
        await subscription.wait_closed(20)
        await made.close()
        return got

    with kernel.serve() as served:
        for clock in (1, 2, 3):
            ours_client = client(ours, kernel.transport())
            assert ours_client.emit_sync(act="PUT", kind="a.b.c", body={}, thread="t", clock=clock).success
        assert asyncio.run(follow(ours, served.url)) == [1, 2, 3]
        assert asyncio.run(follow(peer, served.url)) == [1, 2, 3]


POSTS = st.lists(
    st.dictionaries(
        st.sampled_from(["act", "actor", "body", "clock", "data_type", "parents", "thread", "judged_by", "id", "x"]),
        st.sampled_from(["a", "b", 1, 2, 1.0, None, {}, {"kind": "a.b.c", "n": 1.0}, ["b", "a"]]),
        max_size=8,
    ).filter(lambda record: not any(isinstance(record.get(k), list | dict) for k in ("thread", "actor", "clock"))),
    max_size=6,
)


@settings(max_examples=40)
@given(POSTS)
def test_any_posts_get_the_same_answers_from_both_kernels(posts: list[dict[str, Any]]) -> None:
    answers: list[list[tuple[int, Any]]] = []
    for kernel in (peer_testing.MockKernel(), MockKernel()):
        with httpx.Client(transport=kernel.transport(), base_url="http://mock") as plain:
            came = [plain.post("/v1/records", json=post) for post in posts]
            paths = ("/v1/records", "/v1/records?limit=-1", "/v1/records?thread=a&limit=1", "/v1/threads/a/records")
            came += [plain.get(path) for path in (*paths, "/v1/threads//records", "/health", "/v1/threads/a")]
        answers.append([(one.status_code, one.content) for one in came])
        answers[-1].append((0, [kernel.count(), kernel.records_by_actor("a"), kernel.records_in("a"), kernel.threads]))
    assert answers[0] == answers[1]


# Names


def parameters(call: Any) -> list[tuple[str, Any, Any]]:
    return [(name, one.kind, one.default) for name, one in inspect.signature(call).parameters.items()]


def public(kind: type) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in inspect.getmembers(kind) if not name.startswith("_") and callable(value))


@pytest.mark.parametrize("name", ["Client", "Identity", "Ref", "EmitResult", "Subscription"])
def test_every_method_has_the_parameters_and_defaults_of_the_peer(name: str) -> None:
    kind = getattr(ours, name)
    for method, value in public(getattr(peer, name)):
        assert parameters(getattr(kind, method)) == parameters(value), method
    theirs, mine = parameters(getattr(peer, name)), parameters(kind)
    if name == "Client":
        assert mine[: len(theirs)] == theirs
        assert [one[0] for one in mine[len(theirs) :]] == ["send_bearer", "strict_compat"]
    elif name != "Subscription":
        assert mine == theirs


def test_the_kernel_has_all_methods_of_the_peer() -> None:
    for method, value in public(peer_testing.MockKernel):
        assert parameters(getattr(MockKernel, method)) == parameters(value), method
    assert set(vars(peer_testing.MockKernel())) - {"_"} >= {"records", "threads"}


kind_texts = st.text(alphabet="ab1._-@\nA\u0662v", max_size=12) | st.builds(
    ".".join, st.lists(st.sampled_from(["a", "@a", "core", "x", "v1", "v", "V1", "", "a\n", "v\u0662"]), max_size=5)
)


@settings(max_examples=150)
@given(kind_texts)
def test_any_text_is_a_kind_and_a_scope_for_both_or_for_neither(text: str) -> None:
    for verb in ("validate_kind", "validate_scope"):
        verdicts = []
        for package in (peer, ours):
            try:
                getattr(package, verb)(text)
                verdicts.append("accepted")
            except ValueError as error:
                verdicts.append(type(error).__name__)
        assert verdicts[0] == verdicts[1]
    assert peer_grammar.has_explicit_version(text) == ours.has_explicit_version(text)


@settings(max_examples=60)
@given(st.dictionaries(keys, json_values, max_size=3), refs)
def test_merged_refs_are_the_same(body: dict[str, Any], given_refs: Any) -> None:
    outcomes = []
    for package in (peer_refs, ours):
        try:
            outcomes.append(repr(package.merge_refs(dict(body), given_refs)))
        except TypeError:
            outcomes.append("TypeError")
    assert outcomes[0] == outcomes[1]


def test_hooks_that_raise_are_told_in_the_same_words(caplog: pytest.LogCaptureFixture) -> None:
    def hook(result: Any) -> None:
        raise KeyError("x")

    for package in (peer, ours):
        made = client(package, MockKernel().transport(), on_emit=hook)
        made.emit_sync(act="PUT", kind="a.b.c", body={}, thread="t", clock=1)
    told = [(record.name, record.levelno, record.getMessage()) for record in caplog.records]
    assert len(told) == 2
    assert told[0] == told[1] == ("syncropel", logging.WARNING, "on_emit hook raised KeyError; swallowing")
