"""Canonical JSON (RFC 8785) of manifests and registry entries, its hash, and reading JSON that strangers wrote.

Integers beyond 2^53, which the RFC leaves to doubles, are written digit by digit (spec/auki.md 3.6).
"""

import json
import os
from pathlib import Path
from typing import Any

import rfc8785
import xxhash

from kit.errors import LogError

MAX_BYTES = 16 << 20
"""Of a manifest, a registry entry or a catalog that is read."""
MAX_DEPTH = 64


def canonical(value: Any) -> bytes:
    """Return the canonical bytes of a JSON value. Raises LogError for what JSON does not have.

    >>> canonical({"b": [1.0, None], "a": 2**60})
    b'{"a":1152921504606846976,"b":[1,null]}'
    """
    try:
        return _text(value, 0).encode()
    except UnicodeEncodeError as error:
        raise LogError(f"{error.object[error.start : error.end]!r} is half a character: it cannot be written") from None


def _text(value: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        raise LogError(f"nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        try:
            return rfc8785.dumps(value).decode()
        except rfc8785.CanonicalizationError:
            raise LogError(f"{value!r} is no JSON number") from None
    if isinstance(value, list | tuple):
        return f"[{','.join(_text(item, depth + 1) for item in value)}]"
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        pairs = sorted(value.items(), key=lambda pair: pair[0].encode("utf-16-be", "surrogatepass"))
        return f"{{{','.join(f'{_text(key, 0)}:{_text(item, depth + 1)}' for key, item in pairs)}}}"
    raise LogError(f"{value!r:.80} is no JSON value: give objects with text keys, lists, texts and numbers")


def digest(data: bytes) -> str:
    """Return the registry hash of some bytes: XXH3-128, 32 hex digits.

    >>> digest(b"{}")
    'dc7048f8f8747f561349cde127705c16'
    """
    return xxhash.xxh3_128_hexdigest(data)


def hash_of(value: Any) -> str:
    """Return the registry hash of a JSON value, which is that of its canonical bytes."""
    return digest(canonical(value))


def parse(data: bytes, where: Path | str) -> Any:
    """Return the JSON value of a file's bytes. Raises LogError, with `where`, for what is none."""
    try:
        value = json.loads(data, parse_constant=_refused)
    except RecursionError:
        raise LogError(f"{where}: nested too deeply") from None
    except ValueError as error:
        raise LogError(f"{where}: not JSON ({error})") from None
    _check(value, where)
    return value


def _check(value: Any, where: Path | str) -> None:
    """Raise LogError for what no table and no canonical form can hold: deep nesting and halves of characters."""
    level = [value]
    for _ in range(MAX_DEPTH):
        texts = [item for item in level if isinstance(item, str)]
        texts += [key for item in level if isinstance(item, dict) for key in item]
        try:
            "".join(texts).encode()
        except UnicodeEncodeError:
            raise LogError(f"{where}: a text holds half a character") from None
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise LogError(f"{where}: nested deeper than {MAX_DEPTH} levels")


def parse_object(data: bytes, where: Path | str) -> dict[str, Any]:
    """Return the JSON object of a file's bytes. Raises LogError, with `where`, for what is none."""
    value = parse(data, where)
    if not isinstance(value, dict):
        raise LogError(f"{where}: not a JSON object but {type(value).__name__}")
    return value


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a small file. Raises LogError where it holds more than 16 MiB or cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise LogError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(data) > MAX_BYTES:
        raise LogError(f"{path}: longer than {MAX_BYTES:,} bytes")
    return data


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file so that it is there as a whole or not at all."""
    made = path.with_name(f".{path.name}.tmp")
    with made.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    made.replace(path)


def _refused(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
