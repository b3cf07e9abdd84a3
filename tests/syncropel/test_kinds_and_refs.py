"""Kinds, scopes, references and identities against the vectors measured on the published package."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from kit.errors import KitError
from kit.syncropel import (
    Identity,
    Ref,
    SyncropelKindError,
    has_explicit_version,
    merge_refs,
    validate_kind,
    validate_scope,
)

VECTORS = json.loads((Path(__file__).parent / "data" / "client_vectors.json").read_text())
KINDS = VECTORS["kinds"]
ODD_BUT_ACCEPTED = [
    "music.catalog.track\n",
    "core.alias\n",
    "music.catalog\n.track",
    "music.catalog.track.v2\n",
    "music.catalog.track.v\u0662",
]


@pytest.mark.parametrize("vector", [pytest.param(vector, id=f"syncropel-8-kind-{n}") for n, vector in enumerate(KINDS)])
def test_a_kind_is_accepted_or_not_as_the_published_package_does(vector: dict[str, Any]) -> None:
    kind = vector["kind"]
    if not vector["accept"]:
        for strict in (False, True):
            with pytest.raises(SyncropelKindError):
                validate_kind(kind, strict=strict)
        return
    validate_kind(kind)
    assert has_explicit_version(kind) is vector["explicit_version"]


def test_strict_refuses_newlines_and_foreign_digits_and_nothing_else() -> None:
    accepted = [vector["kind"] for vector in KINDS if vector["accept"]]
    refused = []
    for kind in accepted:
        try:
            validate_kind(kind, strict=True)
        except SyncropelKindError:
            refused.append(kind)
    assert sorted(refused) == sorted(ODD_BUT_ACCEPTED)
    for scope in ("music\n", "@music\n"):
        validate_scope(scope)
        with pytest.raises(SyncropelKindError):
            validate_scope(scope, strict=True)


@pytest.mark.parametrize(
    "vector", [pytest.param(vector, id=f"syncropel-8-scope-{n}") for n, vector in enumerate(VECTORS["scopes"])]
)
def test_a_scope_is_accepted_or_not_as_the_published_package_does(vector: dict[str, Any]) -> None:
    if vector["accept"]:
        validate_scope(vector["scope"])
        return
    with pytest.raises(SyncropelKindError):
        validate_scope(vector["scope"])


@pytest.mark.parametrize("kind", [b"a.b.c", None, 5, ["a", "b", "c"]])
def test_what_is_no_text_is_no_kind(kind: Any) -> None:
    with pytest.raises(SyncropelKindError, match="must be a string"):
        validate_kind(kind)


def test_the_message_names_the_segment_that_is_wrong() -> None:
    for kind, word in {
        "music.Cat.track": "'Cat'",
        "a.b.c.2": "'2'",
        "music.track": "'music'",
        "@.a": "community ''",
    }.items():
        with pytest.raises(SyncropelKindError, match=word) as caught:
            validate_kind(kind)
        assert isinstance(caught.value, ValueError) and isinstance(caught.value, KitError)


@pytest.mark.parametrize(
    "vector",
    [pytest.param(vector, id=f"syncropel-11-{vector['ctor']}-{n}") for n, vector in enumerate(VECTORS["refs"])],
)
def test_a_reference_is_made_or_refused_as_listed(vector: dict[str, Any]) -> None:
    constructor = getattr(Ref, vector["ctor"])
    if vector["error"] is None:
        assert constructor(**vector["kwargs"]) == vector["result"]
        assert list(constructor(**vector["kwargs"])) == ["kind", "id"]
        return
    error = {"ValueError": ValueError, "TypeError": TypeError}[vector["error"]]
    with pytest.raises(error) as caught:
        constructor(**vector["kwargs"])
    assert str(caught.value) == vector["message"]


def test_syncropel_11_references_take_keywords_only() -> None:
    with pytest.raises(TypeError, match=r"Ref.music_track\(\) takes 0 positional arguments but 1 was given"):
        Ref.music_track("USJI19810404")  # type: ignore[misc]


def test_refs_are_merged_behind_those_of_the_body_and_repeats_stay() -> None:
    one, two = Ref.core_thread(id="a"), Ref.cal_event(uid="b")
    body = {"x": 1, "_refs": [one]}
    assert merge_refs(body, [two, one]) == {"x": 1, "_refs": [one, two, one]}
    assert body == {"x": 1, "_refs": [one]}
    assert merge_refs({"_refs": {"a": 1}}, [two])["_refs"] == ["a", two]
    for nothing in (None, []):
        merged = merge_refs({"_refs": None}, nothing)
        assert merged == {"_refs": None}
    with pytest.raises(TypeError):
        merge_refs({"_refs": None}, [two])


# syncropel-12


def test_syncropel_12_an_identity_only_names_its_did() -> None:
    identity = Identity.static("anything at all")
    assert identity == Identity(actor_did="anything at all")
    with pytest.raises(dataclasses.FrozenInstanceError):
        identity.actor_did = "x"  # type: ignore[misc]
    with pytest.raises(ValueError, match="requires a string DID, got int"):
        Identity.static(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="non-empty"):
        Identity.static("")


def test_syncropel_12_keys_and_federation_raise_whatever_they_are_given() -> None:
    for call in (
        lambda: Identity.key("path"),
        lambda: Identity.key(path_or_bytes=b"", passphrase="x"),
        lambda: Identity.federated(),
        lambda: Identity.federated(1, 2, a=3),
    ):
        with pytest.raises(NotImplementedError):
            call()
