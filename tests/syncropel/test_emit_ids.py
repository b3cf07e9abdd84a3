"""The id of a record, computed here and by the server, and what a client is made with."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syncropel_wire import ME, Wire

from kit.syncropel import Client, EmitResult, server_id
from kit.syncropel.testing import MockKernel

RECORD: dict[str, Any] = {"act": "PUT", "kind": "a.b.c", "body": {}, "thread": "t"}


def test_the_id_of_the_server_is_compared_with_the_one_computed_here(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(identity=ME, transport=MockKernel().transport())
    for body in ({"n": 1.0}, {"s": ("a", 1e-7)}, {"\U0001f600": 1, "\uff5e": 2}):
        assert client.emit_sync(**{**RECORD, "body": body}).success
    assert (client.id_mismatches, client.last_mismatch, caplog.records) == (0, None, [])
    wire = Wire(httpx.Response(200, json={"id": "f" * 64}))
    liar = wire.client()
    assert liar.emit_sync(**RECORD, clock=1) == EmitResult(True, "f" * 64, kind="a.b.c", act="PUT", thread="t")
    assert liar.id_mismatches == 1
    assert liar.last_mismatch == (server_id(wire.bodies[0]), "f" * 64)
    assert ["id_mismatch" in record.getMessage() for record in caplog.records] == [True]


# Construction


def test_a_client_needs_an_identity_and_an_endpoint() -> None:
    with pytest.raises(TypeError, match="identity must be an Identity instance; got str"):
        Client(identity="did:x")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Client()  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="endpoint must not be empty"):
        Client(identity=ME, endpoint="")


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(st.text(max_size=3).filter(lambda key: key not in ("kind", "_refs")), json_values, max_size=4)


@settings(max_examples=60)
@given(body=bodies, parents=st.lists(st.text(max_size=3), max_size=3), clock=st.integers(0, 2**70))
def test_any_body_comes_back_from_the_kernel_with_the_id_of_its_content(
    body: dict[str, Any], parents: list[str], clock: int
) -> None:
    kernel = MockKernel()
    client = Client(identity=ME, transport=kernel.transport())
    before = json.dumps(body)
    result = client.emit_sync(act="PUT", kind="a.b.c", body=body, thread="t", parents=parents, clock=clock)
    assert (result.success, result.clock, client.id_mismatches) == (True, clock, 0)
    assert json.dumps(body) == before
    stored = kernel.records[0]
    assert (stored["id"], server_id(stored)) == (result.record_id, result.record_id)
    assert stored["parents"] == sorted(parents)
    assert {name: value for name, value in stored["body"].items() if name in body and name != "_v"} == {
        name: value for name, value in body.items() if name != "_v"
    }


def test_arguments_are_by_keyword() -> None:
    calls: list[Callable[[], Any]] = [lambda: Client(ME), lambda: Wire().client().emit_sync("PUT", "a.b.c", {}, "t")]  # type: ignore[misc]
    for call in itertools.chain(calls):
        with pytest.raises(TypeError):
            call()
