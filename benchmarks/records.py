"""A synthetic capture of Syncropel records of any size: `generate(path, lines)`.

Each id is right but for a share of forged lines: one digit of the body's `n` is another there. Canonical text is
written here on its own, with the standard library, so that the kit is not measured against itself.
"""

import hashlib
import json
from pathlib import Path
from random import Random
from typing import Any

ACTS = ("GET", "PUT", "CALL", "MAP", "INTEND", "DO", "KNOW", "LEARN")
DATA_TYPES = ("SCALAR", "SCALAR", "SCALAR", "FORMULA", "DISTRIBUTION", "REFERENCE", "MORPHISM", "VOID")
NOTES = (
    "étude",
    "line\nbreak",
    "back\\slash",
    'a "quoted" word',
    "ok",
    "läuft : gut",
    "\u2028",
    "日本語",
    "plain text, longer",
)
RATES = (1e-05, 3e-05, 1e-07, 0.001, 0.1)
BATCH = 5000


def generate(path: str | Path, lines: int, *, seed: int = 7, forged: float = 0.0005) -> None:
    """Writes `lines` record lines of about 530 bytes to `path`; the bytes depend on the other arguments only."""
    chance = Random(seed)
    heads = [f"{number:064x}" for number in range(8)]
    with Path(path).open("wb") as out:
        batch: list[bytes] = []
        for number in range(lines):
            record = _record(chance, number, heads)
            digest = hashlib.sha256(_canonical(record).encode()).hexdigest()
            heads[number % len(heads)] = digest
            if chance.random() < forged:
                record["body"]["n"] += 1
            stored = {"object": "record", "id": digest, **record}
            batch.append(json.dumps(stored, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            if len(batch) == BATCH or number == lines - 1:
                out.writelines(batch)
                batch.clear()


def _record(chance: Random, number: int, heads: list[str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "step": number % 100,
        "note": chance.choice(NOTES),
        "loss": round(chance.random(), 6),
        "acc": chance.random(),
        "lr": chance.choice(RATES),
        "epoch": float(chance.randrange(40)),
        "n": 10**20 if chance.random() < 0.01 else chance.randrange(1000),
        "kind": f"lab.study.k{chance.randrange(20)}",
        "_v": 1,
    }
    if chance.random() < 0.3:
        body["hist"] = [True, 1.0, None, {"b": 0.5, "a": [chance.random()]}]
    if chance.random() < 0.4:
        body["_refs"] = [{"kind": "@music.track", "id": f"isrc:USJI1981{chance.randrange(10000):04}"}]
    return {
        "act": chance.choice(ACTS),
        "actor": f"did:sync:user:{chance.randrange(8)}",
        "body": body,
        "clock": number,
        "data_type": chance.choice(DATA_TYPES),
        "parents": sorted(chance.sample(heads, chance.choice((0, 1, 1, 1, 2)))),
        "thread": f"th_{number // 50:064x}",
    }


def _canonical(record: dict[str, Any]) -> str:
    return json.dumps(_integral(record), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _integral(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_integral(item) for item in value]
    return value
