"""What the package page of the Syncropel SDK promises, statement by statement, its examples included."""

import asyncio
import dataclasses
import inspect
import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from kit.syncropel import Client, EmitResult, Identity, Ref, SyncropelKindError, server_id, validate_kind
from kit.syncropel.testing import MockKernel

ROOT = Path(__file__).resolve().parents[2]
ME = Identity.static("did:example:me")

# The examples of the page, with the import line changed.

FIRST_EXAMPLE = """\
import asyncio
from kit.syncropel import Client, Identity, Ref

async def main():
    async with Client(
        endpoint="http://localhost:9100",
        identity=Identity.static("did:example:my-app"),
    ) as client:
        result = await client.emit(
            act="PUT",
            kind="music.catalog.track",
            body={"title": "Glow", "artists": ["Zonke"]},
            refs=[Ref.music_track(isrc="USJI19810404")],
            thread="music.library",
        )
        print(result.success, result.record_id)

asyncio.run(main())
"""

QUICKSTART = """\
# hello.py
import asyncio
from kit.syncropel import Client, Identity, Ref

async def main():
    async with Client(
        endpoint="http://localhost:9100",
        identity=Identity.static("did:example:me"),
    ) as c:
        result = await c.emit(
            act="PUT",
            kind="music.catalog.track",
            body={"title": "Glow"},
            refs=[Ref.music_track(isrc="USJI19810404")],
            thread="music.library",
        )
        print("emitted:", result.record_id)

        records = await c.query_thread("music.library")
        print(f"thread has {len(records)} record(s)")

asyncio.run(main())
"""


@pytest.fixture
def kernel() -> MockKernel:
    return MockKernel()


@pytest.fixture
def client(kernel: MockKernel) -> Client:
    return Client(endpoint="http://mock", identity=ME, transport=kernel.transport(), backoff_ms=0)


def served_on_9100(kernel: MockKernel) -> Any:
    """Serve on the port of the page, or on a free one where that is taken."""
    try:
        return kernel.serve(9100)
    except OSError:
        return kernel.serve()


def run_script(tmp_path: Path, script: str, port: int) -> tuple[str, str]:
    """Run an example as the page runs it, its endpoint changed only where the port is another; what it printed."""
    path = tmp_path / "hello.py"
    path.write_text(script.replace("localhost:9100", f"localhost:{port}"))
    command = [sys.executable, "-W", "error", str(path)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "NO_PROXY": "*"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout, run.stderr


@pytest.mark.servers
def test_the_quickstart_runs_as_a_script(tmp_path: Path, kernel: MockKernel) -> None:
    with served_on_9100(kernel) as served:
        out = run_script(tmp_path, QUICKSTART, served.port)
    (record,) = kernel.records
    assert out == (f"emitted: {record['id']}\nthread has 1 record(s)\n", "")
    assert record["body"] == {
        "title": "Glow",
        "kind": "music.catalog.track",
        "_v": 1,
        "_refs": [{"kind": "@music.track", "id": "isrc:USJI19810404"}],
    }


@pytest.mark.servers
def test_the_first_example_runs_as_a_script(tmp_path: Path, kernel: MockKernel) -> None:
    with served_on_9100(kernel) as served:
        out = run_script(tmp_path, FIRST_EXAMPLE, served.port)
    assert out == (f"True {kernel.records[0]['id']}\n", "")
    assert kernel.records[0]["actor"] == "did:example:my-app"


@pytest.mark.servers
def test_the_quickstart_survives_without_a_server(tmp_path: Path) -> None:
    with MockKernel().serve() as served:
        port = served.port
    out, err = run_script(tmp_path, QUICKSTART, port)
    assert out == "emitted: None\nthread has 0 record(s)\n"
    assert "query_thread failed and returns nothing" in err


def test_the_example_of_an_adapter_test_runs() -> None:
    fixtures = [{"title": "Glow", "isrc": "USJI19810404"}, {"title": "Jikijela", "isrc": "ZAA011200123"}]

    async def import_library(client: Client, tracks: list[dict[str, str]]) -> None:
        for track in tracks:
            await client.emit(
                act="PUT",
                kind="music.catalog.track",
                body={"title": track["title"]},
                refs=[Ref.music_track(isrc=track["isrc"])],
                thread="music.library",
            )

    my_adapter = SimpleNamespace(import_library=import_library)

    async def test_my_adapter() -> None:
        server = MockKernel()
        client = Client(
            endpoint="http://mock",
            identity=Identity.static("did:test:me"),
            transport=server.transport(),
        )
        await my_adapter.import_library(client, tracks=fixtures)

        tracks = server.records_by_kind("music.catalog.track")
        assert len(tracks) == len(fixtures)
        for t in tracks:
            assert t["body"]["_refs"][0]["kind"] == "@music.track"

    asyncio.run(test_my_adapter())


def test_the_example_of_the_fail_open_contract_runs(
    client: Client, kernel: MockKernel, caplog: pytest.LogCaptureFixture
) -> None:
    log = logging.getLogger("app")
    kernel.fail_next_post(3)

    async def handler() -> None:
        result = await client.emit(act="PUT", kind="music.catalog.track", body={}, thread="t")
        if not result.success:
            # Transient failure — log and keep going.
            log.warning("emit failed: %s (retried %d)", result.error, result.retried)

    asyncio.run(handler())
    assert "emit failed: ConnectError: mock-injected failure (retried 2)" in caplog.text


def test_the_example_of_the_hook_runs(kernel: MockKernel) -> None:
    counted: list[tuple[str, dict[str, Any]]] = []
    my_metrics = SimpleNamespace(increment=lambda name, tags: counted.append((name, tags)))

    def on_emit(result: EmitResult) -> None:
        my_metrics.increment("syncropel.emit", tags={"success": result.success})

    client = Client(identity=ME, transport=kernel.transport(), backoff_ms=0, on_emit=on_emit)
    kernel.fail_next_post(3)
    for _ in range(2):
        client.emit_sync(act="PUT", kind="music.catalog.track", body={}, thread="t")
    assert counted == [("syncropel.emit", {"success": False}), ("syncropel.emit", {"success": True})]


# Client


def signature(call: Callable[..., Any]) -> dict[str, Any]:
    """Return the parameters of a method with their defaults; `...` where there is none."""
    given = inspect.signature(call).parameters.values()
    return {one.name: ... if one.default is one.empty else one.default for one in given if one.name != "self"}


def test_the_constructor_has_the_listed_arguments_and_defaults() -> None:
    listed = {
        "endpoint": "http://localhost:9100",
        "identity": ...,
        "timeout": 30.0,
        "max_retries": 2,
        "backoff_ms": 250.0,
        "on_emit": None,
        "api_key": None,
        "transport": None,
    }
    assert {name: default for name, default in signature(Client).items() if name in listed} == listed
    client = Client(identity=ME)
    for name, default in listed.items():
        if name not in ("identity", "transport"):
            assert getattr(client, name) == default
    assert client.identity is ME


EMIT = {"act": ..., "kind": ..., "body": ..., "thread": ..., "refs": None, "parents": None}
METHODS: dict[str, dict[str, Any]] = {
    "emit": {**EMIT, "data_type": "SCALAR", "clock": None},
    "emit_sync": {**EMIT, "data_type": "SCALAR", "clock": None},
    "intend": {"goal": ..., "thread": None},
    "fulfill": {"thread": ..., "summary": ..., "fulfills": None},
    "emit_correction": {"corrects": ..., "revised_fields": ..., "reason": ..., "thread": ...},
    "emit_erasure": {"erases": ..., "reason": ..., "thread": ...},
    "emit_alias": {"old_kind": ..., "new_kind": ..., "reason": ..., "thread": ...},
    "emit_scope_transfer": {"scope": ..., "from_publisher": ..., "to_publisher": ..., "reason": ..., "thread": ...},
    "emit_scope_claim": {"scope": ..., "governance_policy": ..., "thread": ...},
    "query_thread": {"thread": ..., "limit": 100, "since": None},
    "query": {"kind": None, "actor": None, "thread": None, "since": None, "limit": 100, "where": None},
    "health": {},
    "close": {},
}


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_the_listed_arguments_and_only_optional_ones_beside(name: str) -> None:
    found = signature(getattr(Client, name))
    assert {key: value for key, value in found.items() if key in METHODS[name]} == METHODS[name]
    assert [key for key, value in found.items() if key not in METHODS[name] and value is ...] == []
    assert inspect.iscoroutinefunction(getattr(Client, name)) == (name != "emit_sync")
    assert inspect.getdoc(getattr(Client, name))


def test_emit_validates_builds_retries_and_returns_a_result(client: Client, kernel: MockKernel) -> None:
    kernel.fail_next_post(1)
    result = asyncio.run(
        client.emit(act="PUT", kind="music.catalog.track", body={"title": "Glow"}, thread="t", clock=7, parents=["p"])
    )
    (record,) = kernel.records
    assert result == EmitResult(True, record["id"], 7, None, 1, "music.catalog.track", "PUT", "t")
    assert (record["actor"], record["data_type"], record["parents"]) == ("did:example:me", "SCALAR", ["p"])


def test_emit_sync_keeps_its_connection_open(kernel: MockKernel) -> None:
    with kernel.serve() as served, Client(endpoint=served.url, identity=ME) as client:
        for _ in range(3):
            assert client.emit_sync(act="PUT", kind="music.catalog.track", body={}, thread="t").success
        http = client._connection.synchronous()
        assert client._connection.synchronous() is http
        assert len(http._transport._pool.connections) == 1  # type: ignore[attr-defined]
    assert http.is_closed


def test_intend_and_fulfill_open_and_close_a_thread(client: Client, kernel: MockKernel) -> None:
    opened = asyncio.run(client.intend("Deploy the service"))
    assert re.fullmatch("th_[0-9a-f]{64}", opened.thread)
    for fulfills in (opened.record_id, [opened.record_id]):
        closed = asyncio.run(client.fulfill(opened.thread, "done", fulfills=fulfills))
        assert closed.success
    intent, *outcomes = kernel.records_in(opened.thread)
    assert (intent["act"], intent["body"]["goal"]) == ("INTEND", "Deploy the service")
    assert [outcome["act"] for outcome in outcomes] == ["KNOW", "KNOW"]
    assert [outcome["body"]["fulfills"] for outcome in outcomes] == [opened.record_id, [opened.record_id]]
    assert asyncio.run(client.intend("again", thread="own")).thread == "own"


def test_the_reserved_kinds_have_helpers(client: Client, kernel: MockKernel) -> None:
    async def helpers() -> None:
        await client.emit_correction(corrects=["a"], revised_fields={"t": 1}, reason="r", thread="t")
        await client.emit_erasure(erases=["a"], reason="r", thread="t")
        await client.emit_alias(old_kind="a.b.c", new_kind="a.b.d", reason="r", thread="t")
        await client.emit_scope_transfer(
            scope="music", from_publisher="did:a", to_publisher="did:b", reason="r", thread="t"
        )
        await client.emit_scope_claim(scope="music", governance_policy={"type": "open"}, thread="t")

    asyncio.run(helpers())
    kinds = [record["body"]["kind"] for record in kernel.records]
    names = ["correction", "erasure", "alias", "scope_transfer", "scope_claim"]
    assert kinds == [f"core.{name}" for name in names]
    for kind in kinds:
        validate_kind(kind)


def test_reads_are_fail_open(client: Client, kernel: MockKernel) -> None:
    client.emit_sync(act="PUT", kind="music.catalog.track", body={"n": 1}, thread="t")

    async def reads() -> list[Any]:
        return [
            await client.query_thread("t"),
            await client.query(kind="music.catalog.track", where={"body.n": 1}),
            await client.health(),
        ]

    assert asyncio.run(reads()) == [kernel.records, kernel.records, {"status": "ok", "store": "mock", "records": 1}]
    kernel.fail_next_get(3)
    assert asyncio.run(reads()) == [[], [], {}]
    with pytest.raises(ValueError):
        asyncio.run(client.query())


def test_close_releases_the_clients_and_may_be_repeated(client: Client) -> None:
    asyncio.run(client.close())
    asyncio.run(client.close())
    assert not client.emit_sync(act="PUT", kind="music.catalog.track", body={}, thread="t").success


# Identity, Ref, EmitResult


def test_identities_are_as_listed(client: Client, kernel: MockKernel) -> None:
    assert Identity.static("did:x").actor_did == "did:x"
    for planned in (lambda: Identity.key("path"), lambda: Identity.key(b"bytes"), lambda: Identity.federated("x")):
        with pytest.raises(NotImplementedError):
            planned()


REFS: list[tuple[str, dict[str, str], str, str]] = [
    ("music_track", {"isrc": "I", "spotify_id": "S", "apple_id": "A"}, "@music.track", "isrc:I"),
    ("music_track", {"spotify_id": "S"}, "@music.track", "spotify:S"),
    ("music_track", {"apple_id": "A"}, "@music.track", "apple:A"),
    ("code_file", {"repo": "o/r", "path": "a.py"}, "@code.file", "github:o/r:a.py"),
    ("code_file", {"git_url": "https://x/y.git", "path": "a.py"}, "@code.file", "git:https://x/y.git:a.py"),
    ("ops_incident", {"pagerduty": "P"}, "@ops.incident", "pagerduty:P"),
    ("ops_incident", {"linear": "L"}, "@ops.incident", "linear:L"),
    ("ops_incident", {"url": "u"}, "@ops.incident", "url:u"),
    ("cal_event", {"uid": "U"}, "@cal.event", "icalendar:U"),
    ("social_person", {"did": "did:x"}, "@social.person", "did:x"),
    ("social_person", {"email": "a@b.c"}, "@social.person", "email:a@b.c"),
    ("social_person", {"handle": "github", "name": "me"}, "@social.person", "github:me"),
    ("media_photo", {"sha256": "ab", "url": "u"}, "@media.photo", "sha256:ab"),
    ("media_photo", {"url": "u"}, "@media.photo", "url:u"),
    ("media_video", {"youtube": "y"}, "@media.video", "youtube:y"),
    ("media_video", {"vimeo": "v"}, "@media.video", "vimeo:v"),
    ("media_video", {"sha256": "ab"}, "@media.video", "sha256:ab"),
    ("doc_text", {"doi": "10.1/x", "url": "u"}, "@doc.text", "doi:10.1/x"),
    ("doc_text", {"url": "u"}, "@doc.text", "url:u"),
    ("doc_text", {"platform_id": "notion:1"}, "@doc.text", "notion:1"),
    ("fin_transaction", {"stripe": "ch"}, "@fin.transaction", "stripe:ch"),
    ("fin_transaction", {"plaid": "p"}, "@fin.transaction", "plaid:p"),
    ("fin_transaction", {"iso20022": "i"}, "@fin.transaction", "iso20022:i"),
    ("research_paper", {"doi": "10.1/x", "arxiv": "1"}, "@research.paper", "doi:10.1/x"),
    ("research_paper", {"arxiv": "2401.1"}, "@research.paper", "arxiv:2401.1"),
    ("research_paper", {"s2": "c"}, "@research.paper", "s2:c"),
    ("core_thread", {"id": "th_x"}, "@core.thread", "thread:th_x"),
]


@pytest.mark.parametrize(("constructor", "arguments", "kind", "id"), REFS)
def test_a_ref_has_the_listed_form(constructor: str, arguments: dict[str, str], kind: str, id: str) -> None:
    assert getattr(Ref, constructor)(**arguments) == {"kind": kind, "id": id}


def test_there_are_eleven_refs_and_two_records_can_be_joined_by_one(client: Client, kernel: MockKernel) -> None:
    assert {name for name in vars(Ref) if not name.startswith("_")} == {constructor for constructor, *_ in REFS}
    assert len({constructor for constructor, *_ in REFS}) == 11
    for thread in ("a", "b"):
        refs = [Ref.music_track(isrc="USJI19810404")]
        client.emit_sync(act="PUT", kind="music.catalog.track", body={}, thread=thread, refs=refs)
    first, second = kernel.records
    assert first["body"]["_refs"] == second["body"]["_refs"] == [{"kind": "@music.track", "id": "isrc:USJI19810404"}]


def test_the_result_is_a_dataclass_with_the_listed_fields() -> None:
    fields = [(field.name, field.type, field.default) for field in dataclasses.fields(EmitResult)]
    assert fields == [
        ("success", bool, dataclasses.MISSING),
        ("record_id", str | None, None),
        ("clock", int | None, None),
        ("error", str | None, None),
        ("retried", int, 0),
        ("kind", str, ""),
        ("act", str, ""),
        ("thread", str, ""),
    ]


# The contract


@pytest.mark.parametrize(
    "fault",
    [
        *(httpx.ConnectError("x"), httpx.ReadTimeout("x"), httpx.ConnectTimeout("x"), httpx.RemoteProtocolError("x")),
        *(OSError("x"), httpx.InvalidURL("x"), 400, 401, 404, 409, 429, 500, 502, 503, 504, 302),
    ],
)
def test_an_emit_never_raises_on_network_errors_4xx_5xx_and_timeouts(fault: Exception | int) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(fault, int):
            return httpx.Response(fault)
        raise fault

    client = Client(identity=ME, transport=httpx.MockTransport(respond), backoff_ms=0)
    for result in (
        client.emit_sync(act="PUT", kind="music.catalog.track", body={}, thread="t"),
        asyncio.run(client.emit(act="PUT", kind="music.catalog.track", body={}, thread="t")),
        asyncio.run(client.intend("g")),
        asyncio.run(client.emit_erasure(erases=["a"], reason="r", thread="t")),
    ):
        assert (result.success, result.record_id) == (False, None)
        assert result.error


KINDS = {
    "music.catalog.track": True,
    "music.catalog.track.v2": True,
    "@music.track": True,
    "core.alias": True,
    "music.track_imported": False,
    "Music.Catalog.Track": False,
    "music.catalog.track.v2.foo": False,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_listed_kinds_are_valid_or_raise_before_any_request(kind: str, client: Client, kernel: MockKernel) -> None:
    if KINDS[kind]:
        validate_kind(kind)
        assert client.emit_sync(act="PUT", kind=kind, body={}, thread="t").success
        return
    assert issubclass(SyncropelKindError, ValueError)
    calls: list[Callable[[], Any]] = [
        lambda: validate_kind(kind),
        lambda: client.emit_sync(act="PUT", kind=kind, body={}, thread="t"),
        lambda: asyncio.run(client.emit(act="PUT", kind=kind, body={}, thread="t")),
        lambda: asyncio.run(client.intend("g", kind=kind)),
        lambda: asyncio.run(client.fulfill("t", "s", kind=kind)),
        lambda: asyncio.run(client.emit_alias(old_kind=kind, new_kind="a.b.c", reason="r", thread="t")),
    ]
    kernel.fail_next_post(9)
    for call in calls:
        with pytest.raises(SyncropelKindError):
            call()
    assert kernel.count() == 0


def test_a_hook_that_raises_is_swallowed_with_a_warning(kernel: MockKernel, caplog: pytest.LogCaptureFixture) -> None:
    def broken(result: EmitResult) -> None:
        raise RuntimeError("metrics are down")

    client = Client(identity=ME, transport=kernel.transport(), on_emit=broken)
    assert client.emit_sync(act="PUT", kind="music.catalog.track", body={}, thread="t").success
    assert [record.levelname for record in caplog.records] == ["WARNING"]


# The mock


def test_ids_of_the_mock_are_the_hash_of_the_canonical_record(client: Client, kernel: MockKernel) -> None:
    result = client.emit_sync(act="PUT", kind="music.catalog.track", body={"n": 1.0}, thread="t", clock=1)
    assert result.record_id == kernel.records[0]["id"] == server_id(kernel.records[0])


def test_the_mock_refuses_a_clock_that_is_taken(client: Client) -> None:
    taken = [client.emit_sync(act="PUT", kind="a.b.c", body={"n": n}, thread="t", clock=1) for n in range(2)]
    assert [result.success for result in taken] == [True, False]
    assert "DuplicateClock" in (taken[1].error or "")
    assert client.emit_sync(act="PUT", kind="a.b.c", body={}, thread="other", clock=1).success


def test_the_mock_injects_failures(client: Client, kernel: MockKernel) -> None:
    kernel.fail_next_post(3)
    kernel.fail_next_get(1)
    assert not client.emit_sync(act="PUT", kind="a.b.c", body={}, thread="t").success
    assert client.emit_sync(act="PUT", kind="a.b.c", body={}, thread="t").success
    assert asyncio.run(client.query_thread("t")) == []
    assert len(asyncio.run(client.query_thread("t"))) == 1
