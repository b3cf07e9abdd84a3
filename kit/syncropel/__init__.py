"""Syncropel records: their model, their canonical form, and the hashes that prove their content."""

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
from kit.syncropel.record import HASHED_FIELDS, ActType, DataType, Record

__all__ = [
    "HASHED_FIELDS",
    "ActType",
    "DataType",
    "HashLevels",
    "PortabilityWarning",
    "Record",
    "canonical_json",
    "canonical_value",
    "hash_levels",
    "portability_warnings",
    "record_id",
    "server_id",
    "sha256_hex",
]
