"""Who is in a cluster: one peer, and the document that all peers hold (spec/auki.md 2.1)."""

from collections.abc import Iterable
from typing import Any

from kit.auki.peer import check_multiaddr, peer_bytes
from kit.auki.shape import Field, ShapeError, compact, i64, many, parse, record, text, u8
from kit.errors import ArgumentError

_MEMBER = record(
    "ClusterMember",
    Field("peer_id", text),
    Field("multiaddrs", many(text)),
    Field("join_ts_ns", i64),
    Field("successor_token", many(u8), required=False),
)
_MEMBERSHIP = record("ClusterMembership", Field("cluster_name", text), Field("peers", many(_MEMBER)))


class ClusterMember:
    """One peer of a cluster. `join_ts_ns` is unix nanoseconds; equal when all fields are."""

    __slots__ = ("_join_ts_ns", "_multiaddrs", "_peer_id", "_successor_token")

    def __init__(
        self,
        peer_id: str,
        multiaddrs: Iterable[str],
        join_ts_ns: int,
        successor_token: bytes | Iterable[int] | None = None,
    ) -> None:
        """Raises `ValueError` for a peer id or multiaddr that is none, or a time outside int64."""
        peer_bytes(peer_id)
        self._peer_id = peer_id
        if isinstance(multiaddrs, str):
            raise ArgumentError(f"multiaddrs {multiaddrs!r} is one string; use a list of them")
        self._multiaddrs = tuple(check_multiaddr(address) for address in multiaddrs)
        try:
            self._join_ts_ns: int = i64(join_ts_ns, "join_ts_ns")
        except ShapeError as error:
            raise ArgumentError(str(error)) from None
        self._successor_token = None if successor_token is None else bytes(successor_token)

    @property
    def peer_id(self) -> str:
        """The peer's id, `12D3KooW...`."""
        return self._peer_id

    @property
    def multiaddrs(self) -> list[str]:
        """Where it can be reached; a new list."""
        return list(self._multiaddrs)

    @property
    def join_ts_ns(self) -> int:
        """When the manager admitted it, unix nanoseconds."""
        return self._join_ts_ns

    @property
    def successor_token(self) -> bytes | None:
        """Reserved by the protocol; empty in practice."""
        return self._successor_token

    def _as_dict(self) -> dict[str, Any]:
        made = {"peer_id": self._peer_id, "multiaddrs": self.multiaddrs, "join_ts_ns": self._join_ts_ns}
        return made if self._successor_token is None else made | {"successor_token": list(self._successor_token)}

    def _key(self) -> tuple[object, ...]:
        return self._peer_id, self._multiaddrs, self._join_ts_ns, self._successor_token

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, ClusterMember) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        addresses = compact(list(self._multiaddrs))
        return f'ClusterMember(peer_id="{self._peer_id}", multiaddrs={addresses}, join_ts_ns={self._join_ts_ns})'


class ClusterMembership:
    """The peers of a cluster in the order of admission; a document that its manager gossips whole.

    It has no version counter. Equal when name and peers are.
    """

    __slots__ = ("_name", "_peers")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, cluster_name: str) -> None:
        self._name = cluster_name
        self._peers: list[ClusterMember] = []

    @classmethod
    def _of(cls, cluster_name: str, peers: Iterable[ClusterMember]) -> "ClusterMembership":
        made = cls(cluster_name)
        made._peers.extend(peers)
        return made

    @staticmethod
    def from_json(s: str) -> "ClusterMembership":
        """The document of a JSON text; `ValueError` "invalid ClusterMembership JSON: ..."."""
        try:
            document = parse(s, _MEMBERSHIP)
            return ClusterMembership._of(
                document["cluster_name"], (ClusterMember(**peer) for peer in document["peers"])
            )
        except (ShapeError, ArgumentError) as error:
            raise ArgumentError(f"invalid ClusterMembership JSON: {error}") from None

    def to_json(self) -> str:
        """Compact JSON; a token that is None is left out, an empty one is `[]`."""
        return compact({"cluster_name": self._name, "peers": [peer._as_dict() for peer in self._peers]})

    @property
    def cluster_name(self) -> str:
        """The cluster's name."""
        return self._name

    @property
    def peers(self) -> list[ClusterMember]:
        """The peers in the order of admission; a new list."""
        return list(self._peers)

    @property
    def filename(self) -> str:
        """`<cluster_name>.json`."""
        return f"{self._name}.json"

    def admit(self, member: ClusterMember) -> int:
        """Appends a member and returns its index; neither sorts nor looks for duplicates."""
        self._peers.append(member)
        return len(self._peers) - 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ClusterMembership):
            return NotImplemented
        return (self._name, self._peers) == (other._name, other._peers)

    def __repr__(self) -> str:
        return f'ClusterMembership(cluster_name="{self._name}", peers={len(self._peers)})'
