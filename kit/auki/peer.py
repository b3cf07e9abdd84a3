"""Peer ids and multiaddresses: their text forms and what is wrong with one."""

import hashlib
import ipaddress
import re
from collections.abc import Callable, Sequence

from kit.errors import ArgumentError

SEED_BYTES = 32

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE = {char: value for value, char in enumerate(_ALPHABET)}
_ED25519 = bytes.fromhex("002408011220")  # identity multihash of a protobuf with a key of type 1 and 32 bytes
_SHA256 = bytes.fromhex("1220")
_LONGEST = 100
_DNS = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?")


def base58(data: bytes) -> str:
    """Base58 with the Bitcoin alphabet; each leading zero byte is a `1`.

    >>> base58(bytes([0, 1, 2]))
    '15T'
    """
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _ALPHABET[digit] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def from_base58(text: str) -> bytes:
    """The bytes of a base58 text; `ValueError` for a character outside the alphabet."""
    number = 0
    for char in text:
        if char not in _VALUE:
            raise ArgumentError(f"{char!r} is no base58 digit")
        number = number * 58 + _VALUE[char]
    zeros = len(text) - len(text.lstrip("1"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def peer_bytes(peer_id: str) -> bytes:
    """The raw bytes of a peer id, by which elections compare; `ValueError` `invalid peer_id "..": ...`.

    Two forms are known: the identity multihash of an ed25519 key (`12D3KooW...`) and a SHA-256 multihash (`Qm...`).
    """
    if not isinstance(peer_id, str):
        raise ArgumentError(f"invalid peer_id {peer_id!r}: a peer id is a string")
    try:
        if len(peer_id) > _LONGEST:
            raise ArgumentError(f"{len(peer_id)} characters are too many")
        data = from_base58(peer_id)
    except ArgumentError as error:
        raise ArgumentError(f'invalid peer_id "{peer_id}": {error}') from None
    ed25519 = data.startswith(_ED25519) and len(data) == len(_ED25519) + 32
    sha256 = data.startswith(_SHA256) and len(data) == len(_SHA256) + 32
    if not (ed25519 or sha256):
        raise ArgumentError(f'invalid peer_id "{peer_id}": {len(data)} bytes are no ed25519 or SHA-256 multihash')
    return data


def is_peer_id(peer_id: str) -> bool:
    """Whether `peer_bytes` would take it."""
    try:
        return bool(peer_bytes(peer_id))
    except ArgumentError:
        return False


def _ed25519_id(key: bytes) -> str:
    return base58(_ED25519 + key)


def seed_bytes(wallet_seed: bytes | Sequence[int]) -> bytes:
    """A wallet seed as bytes; `ValueError` unless there are exactly 32."""
    try:
        seed = bytes(wallet_seed) if not isinstance(wallet_seed, int | str) else b""
    except (TypeError, ValueError):
        seed = b""
    if len(seed) != SEED_BYTES:
        raise ArgumentError("wallet_seed must be 32 bytes")
    return seed


def peer_of_seed(wallet_seed: bytes | Sequence[int]) -> str:
    """The peer id of a wallet seed: of the form of a real one, equal for equal seeds (spec/auki.md 7.6).

    The derivation is the simulation's own; a real daemon with this seed has another id.

    >>> peer_of_seed(bytes(32))
    '12D3KooWH22LCzneUszv8SFWEXE7ad93gT9ycADuuySo5J3oNN4Q'
    """
    return _ed25519_id(hashlib.sha256(b"sim" + seed_bytes(wallet_seed)).digest())


def peer_of_name(name: str) -> str:
    """The peer id that stands for a short name such as `galbot`, where short names are allowed."""
    return _ed25519_id(hashlib.sha256(b"sim/name/" + name.encode()).digest())


def _port(value: str) -> bool:
    return value.isascii() and value.isdecimal() and int(value) < 65536


def _ip(family: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        try:
            return bool(family(value))
        except ValueError:
            return False

    return check


def _dns(value: str) -> bool:
    return bool(_DNS.fullmatch(value))


_PROTOCOLS: dict[str, Callable[[str], bool] | None] = {
    "ip4": _ip(ipaddress.IPv4Address),
    "ip6": _ip(ipaddress.IPv6Address),
    "dns": _dns,
    "dns4": _dns,
    "dns6": _dns,
    "dnsaddr": _dns,
    "tcp": _port,
    "udp": _port,
    "p2p": is_peer_id,
    "ipfs": is_peer_id,
    "memory": lambda value: value.isascii() and value.isdecimal(),
    "certhash": lambda value: value.startswith("u"),
    "quic": None,
    "quic-v1": None,
    "tls": None,
    "noise": None,
    "ws": None,
    "wss": None,
    "http": None,
    "https": None,
    "webtransport": None,
    "webrtc": None,
    "webrtc-direct": None,
    "p2p-circuit": None,
}


def check_multiaddr(address: str) -> str:
    """The address, if it is one such as `/ip4/10.0.0.5/tcp/4001`; `ValueError` `invalid multiaddr "..": ...`."""
    if not isinstance(address, str):
        raise ArgumentError(f"invalid multiaddr {address!r}: a multiaddr is a string")
    problem = _multiaddr_problem(address)
    if problem:
        raise ArgumentError(f'invalid multiaddr "{address}": {problem}')
    return address


def _multiaddr_problem(address: str) -> str:
    if not address.startswith("/") or address == "/":
        return "it must start with '/' and name a protocol, as in /ip4/127.0.0.1/tcp/4001"
    parts = iter(address[1:].removesuffix("/").split("/"))
    for name in parts:
        if name not in _PROTOCOLS:
            return f"unknown protocol {name!r}"
        check = _PROTOCOLS[name]
        if check is None:
            continue
        value = next(parts, None)
        if value is None or not check(value):
            return f"{value!r} is no value for {name}" if value is not None else f"{name} lacks its value"
    return ""
