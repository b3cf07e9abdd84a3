"""From one node to another: finding a peer, and opening a stream at it (spec/auki.md 6.1)."""

from typing import Any

from kit.auki.decision import DeclineReason, EndReason, StreamDecision
from kit.auki.network import locked
from kit.auki.node import Node
from kit.auki.peer import is_peer_id, peer_bytes, peer_of_name
from kit.auki.producer import Producer, lost
from kit.auki.request import StreamRequest
from kit.auki.sample import StreamKind
from kit.auki.stream import StreamSubscription
from kit.errors import StreamDeclined, StreamEndOfStream, StreamUnreachable, TransportError


def peer_id_of(node: Node, peer_id: str) -> str:
    """The peer id that is meant: a real one as it stands, a short name by the daemons of the cluster.

    A name that no daemon has stands for an id of its own. `ValueError` for what is no peer id where short names are
    not allowed.
    """
    if not isinstance(peer_id, str) or not node.net.lenient_peer_ids or not peer_id or is_peer_id(peer_id):
        peer_bytes(peer_id)
        return peer_id
    for member in node.peers:
        other = node.net.nodes.get((node.url, node.cluster_name, member.peer_id))
        if other is not None and other.daemon.name == peer_id:
            return member.peer_id
    return peer_of_name(peer_id)


def peer(node: Node, peer_id: str) -> Node:
    """The node of a member that can be reached, itself included; `TransportError` otherwise."""
    found = peer_id_of(node, peer_id)
    problem = _problem(node, found)
    other = node.net.node(node, found)
    if problem or other is None:
        raise TransportError(f"peer {peer_id}: {problem}")
    return other


def stream_peer(node: Node, peer_id: str) -> Node:
    """As `peer`, for a stream: raises `StreamUnreachable`."""
    try:
        return peer(node, peer_id)
    except TransportError as error:
        raise StreamUnreachable(str(error)) from None


def _problem(node: Node, peer_id: str) -> str:
    if node.member(peer_id) is None:
        return f'is no member of cluster "{node.cluster_name}"'
    other = node.net.node(node, peer_id)
    if other is None:
        return "does not answer"
    return "" if other.member(node.peer_id) is not None else "does not know this peer as a member"


def open_stream(node: Node, target: Node, request: StreamRequest, kind: StreamKind) -> StreamSubscription:
    """The subscription to what the target answers; raises `StreamDeclined` with its reason."""
    decision = _decision(target, node.peer_id, request)
    reason = _refused(decision, kind)
    if reason is not None:
        raise StreamDeclined(reason)
    try:
        decision._use()
        source = decision._source.open(request.from_) if decision._is_log else decision._source
        producer = Producer(node.net, kind, source, target, node)
    except Exception as error:
        raise StreamDeclined(DeclineReason.other(detail=f"{type(error).__name__}: {error}")) from error
    with locked(node.net) as net:
        net.producers.append(producer)
        return StreamSubscription(net, producer, decision._manifest)


def _decision(target: Node, requester: str, request: StreamRequest) -> Any:
    """What the target's provider says; a log that it serves from disk is accepted without asking it."""
    for log in target.served:
        if log.resource_id == request.resource_id and request.source_peer_id in ("", log.source_peer_id):
            return StreamDecision.accept_source(log)
    if target.stream_provider is None:
        return StreamDecision.decline(DeclineReason.sensor_not_found())
    try:
        return target.stream_provider(requester, request)
    except Exception as error:
        return StreamDecision.decline(DeclineReason.other(detail=f"{type(error).__name__}: {error}"))


def _refused(decision: Any, kind: StreamKind) -> DeclineReason | None:
    if not isinstance(decision, StreamDecision):
        return DeclineReason.other(detail=f"stream_provider returned {type(decision).__name__}, not a StreamDecision")
    if decision._reason is not None:
        return decision._reason
    if decision.kind != kind:
        return DeclineReason.other(detail=f"stream_provider accepted {decision.kind}, the request was for {kind}")
    return None


def end_streams(node: Node, *, vanished: bool) -> None:
    """Ends the streams a node serves, and those it reads."""
    for producer in list(node.net.producers):
        if producer.owner is node:
            leaving = StreamEndOfStream(EndReason.producer_shutting_down())
            producer.stop(lost() if vanished else leaving, cut=True)
        elif producer.reader is node:
            producer.stop(lost() if vanished else StreamEndOfStream(EndReason.session_ended()), cut=True)


def cut_streams(one: Node, other: Node) -> None:
    """Streams between two nodes that no longer reach each other are lost."""
    for producer in list(one.net.producers):
        if {id(producer.owner), id(producer.reader)} == {id(one), id(other)}:
            producer.stop(lost(), cut=True)
