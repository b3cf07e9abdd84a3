"""The bodies of the five reserved kinds of `core`, checked (spec/syncropel.md 4)."""

from typing import Any

from kit import ids
from kit.errors import ArgumentError
from kit.syncropel.kind import validate_kind, validate_scope

__all__ = ["alias_body", "correction_body", "erasure_body", "scope_claim_body", "scope_transfer_body"]


def correction_body(
    corrects: list[str], revised_fields: dict[str, Any], reason: str, correcting_actor: str
) -> dict[str, Any]:
    """The body of `core.correction`: `revised_fields` replace fields of the records named. Raises ValueError."""
    _require_ids("corrects", corrects)
    _require_fields("revised_fields", revised_fields)
    _require_text("reason", reason)
    return {
        "corrects": list(corrects),
        "revised_fields": dict(revised_fields),
        "reason": reason,
        "correcting_actor": correcting_actor,
    }


def erasure_body(erases: list[str], reason: str, authorized_by: str, effective_at: str | None) -> dict[str, Any]:
    """The body of `core.erasure`: the records named are to be read as erased. Raises ValueError."""
    _require_ids("erases", erases)
    _require_text("reason", reason)
    return {
        "erases": list(erases),
        "reason": reason,
        "authorized_by": authorized_by,
        "effective_at": effective_at or _now(),
    }


def alias_body(old_kind: str, new_kind: str, reason: str, since: str | None, publisher_did: str) -> dict[str, Any]:
    """The body of `core.alias`: `old_kind` is to be read as `new_kind`. Raises SyncropelKindError, ValueError."""
    validate_kind(old_kind)
    validate_kind(new_kind)
    _require_text("reason", reason)
    return {
        "old_kind": old_kind,
        "new_kind": new_kind,
        "reason": reason,
        "since": since or _now(),
        "publisher_did": publisher_did,
    }


def scope_transfer_body(
    scope: str, from_publisher: str, to_publisher: str, reason: str, effective_at: str | None
) -> dict[str, Any]:
    """The body of `core.scope_transfer`: a scope changes hands. Raises SyncropelKindError, ValueError."""
    validate_scope(scope)
    _require_text("from_publisher", from_publisher)
    _require_text("to_publisher", to_publisher)
    _require_text("reason", reason)
    return {
        "scope": scope,
        "from_publisher": from_publisher,
        "to_publisher": to_publisher,
        "reason": reason,
        "effective_at": effective_at or _now(),
    }


def scope_claim_body(
    scope: str, governance_policy: dict[str, Any], claimant: str, effective_at: str | None
) -> dict[str, Any]:
    """The body of `core.scope_claim`: a scope gets an owner and a policy. Raises SyncropelKindError, ValueError."""
    validate_scope(scope)
    _require_fields("governance_policy", governance_policy)
    if "type" not in governance_policy:
        raise ArgumentError('governance_policy must include a "type" key, such as {"type": "open"}')
    return {
        "scope": scope,
        "claimant": claimant,
        "governance_policy": dict(governance_policy),
        "effective_at": effective_at or _now(),
    }


def _now() -> str:
    return ids.now().isoformat().replace("+00:00", "Z")


def _require_ids(name: str, value: object) -> None:
    if not isinstance(value, list):
        raise ArgumentError(f"{name} must be a list, got {type(value).__name__}")
    if not value:
        raise ArgumentError(f"{name} must be non-empty")
    if not all(isinstance(item, str) and item for item in value):
        raise ArgumentError(f"{name} entries must be non-empty strings")


def _require_fields(name: str, value: object) -> None:
    if not isinstance(value, dict):
        raise ArgumentError(f"{name} must be a dict, got {type(value).__name__}")
    if not value:
        raise ArgumentError(f"{name} must be non-empty")


def _require_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ArgumentError(f"{name} must be a string, got {type(value).__name__}")
    if not value:
        raise ArgumentError(f"{name} must be non-empty")
