"""Peer: parse, canonicalise and hash record lines with the published `syncropel` package."""

import json
from pathlib import Path
from typing import Any

import syncropel

HASHED = ("act", "actor", "body", "clock", "data_type", "parents", "thread")


def lines(path: str) -> list[bytes]:
    """The lines of a capture, in memory."""
    return Path(path).read_bytes().split(b"\n")[:-1]


def verify(lines: list[bytes]) -> dict[str, Any]:
    """Counts the lines whose id is the hash of their fields, and names the numbers of the others."""
    wrong: list[int] = []
    loads, text, digest = json.loads, syncropel.canonical_json, syncropel.sha256_hex
    for number, line in enumerate(lines, start=1):
        record = loads(line)
        if digest(text({key: record[key] for key in HASHED if key in record})) != record["id"]:
            wrong.append(number)
    return {"verified": len(lines) - len(wrong), "wrong": wrong}
