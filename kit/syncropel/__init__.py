"""Syncropel records: their model, the hashes that prove their content, a client, and a server to test against."""

from kit.errors import (
    ClientClosedError,
    InferError,
    InferTimeoutError,
    SubscribeError,
    SyncropelKindError,
    SyncropelReadError,
)
from kit.syncropel import testing
from kit.syncropel.asynctail import AsyncTail
from kit.syncropel.canonical import (
    HashLevels,
    PortabilityWarning,
    canonical_json,
    canonical_value,
    hash_levels,
    portability_warnings,
    record_id,
    server_id,
    sha256_hex,
)
from kit.syncropel.client import Client
from kit.syncropel.envelope import random_thread_id
from kit.syncropel.feed import Arrival
from kit.syncropel.identity import Identity
from kit.syncropel.inference import InferOptions, InferPending, InferResult, ProvenanceEntry, TrustSummary
from kit.syncropel.kind import has_explicit_version, validate_kind, validate_scope
from kit.syncropel.paging import Collected
from kit.syncropel.record import HASHED_FIELDS, ActType, DataType, Record
from kit.syncropel.ref import Ref, merge_refs
from kit.syncropel.result import EmitResult
from kit.syncropel.session import IdMismatch
from kit.syncropel.subscription import Subscription
from kit.syncropel.tail import Tail

__all__ = [
    "HASHED_FIELDS",
    "ActType",
    "Arrival",
    "AsyncTail",
    "Client",
    "ClientClosedError",
    "Collected",
    "DataType",
    "EmitResult",
    "HashLevels",
    "IdMismatch",
    "Identity",
    "InferError",
    "InferOptions",
    "InferPending",
    "InferResult",
    "InferTimeoutError",
    "PortabilityWarning",
    "ProvenanceEntry",
    "Record",
    "Ref",
    "SubscribeError",
    "Subscription",
    "SyncropelKindError",
    "SyncropelReadError",
    "Tail",
    "TrustSummary",
    "canonical_json",
    "canonical_value",
    "has_explicit_version",
    "hash_levels",
    "merge_refs",
    "portability_warnings",
    "random_thread_id",
    "record_id",
    "server_id",
    "sha256_hex",
    "testing",
    "validate_kind",
    "validate_scope",
]
