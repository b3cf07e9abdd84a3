"""Who writes: the DID that goes into `actor` of every record (spec/syncropel.md 7)."""

from dataclasses import dataclass
from typing import Any, NoReturn

from kit.errors import ArgumentError

__all__ = ["Identity"]


@dataclass(frozen=True)
class Identity:
    """An actor, by its DID. Nothing is signed: the DID is a name, not a proof.

    >>> Identity.static("did:example:me").actor_did
    'did:example:me'
    """

    actor_did: str

    @staticmethod
    def static(did: str) -> "Identity":
        """An identity that only names its DID, which may be any text. Raises ValueError for none."""
        if not isinstance(did, str):
            raise ArgumentError(f"Identity.static requires a string DID, got {type(did).__name__}")
        if not did:
            raise ArgumentError("Identity.static requires a non-empty DID")
        return Identity(actor_did=did)

    @staticmethod
    def key(path_or_bytes: Any = None, **kwargs: Any) -> NoReturn:
        """Always raises NotImplementedError: no server takes signed records yet."""
        raise NotImplementedError("Identity.key: records cannot be signed yet. Use Identity.static(did).")

    @staticmethod
    def federated(*args: Any, **kwargs: Any) -> NoReturn:
        """Always raises NotImplementedError: there is no federated identity yet."""
        raise NotImplementedError("Identity.federated: there is no federated identity yet. Use Identity.static(did).")
