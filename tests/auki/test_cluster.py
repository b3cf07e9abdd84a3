"""Clusters over virtual time: who is in, who manages, what the directory lists (spec/auki.md 2.2, 2.3 and 7)."""

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from clusters import SECOND, URL, create, daemon, join, lab, row, seed
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.auki import (
    ClusterManager,
    ClusterMembership,
    ClusterTarget,
    sim,
)
from kit.auki.peer import peer_of_seed
from kit.errors import KitError


@pytest.fixture(autouse=True)
def fresh_network() -> Iterator[None]:
    sim.reset()
    yield
    sim.reset()


def ids(membership: ClusterMembership) -> list[str]:
    return [peer.peer_id for peer in membership.peers]


def test_auki_9_a_seed_of_31_bytes_is_refused_before_any_look_up() -> None:
    sim.discovery.down(URL)
    calls: list[Callable[[bytes], object]] = [
        lambda s: ClusterManager.create_cluster(s, "bad name!", URL),
        lambda s: ClusterManager.join_cluster(s, "lab", URL, ["nowhere"]),
        lambda s: ClusterManager.bootstrap(ClusterTarget.join("lab"), s, URL),
        lambda s: ClusterManager.create_cluster_with_relay_multiaddrs(s, "lab", URL, [], ["nowhere"]),
        lambda s: ClusterManager.create_cluster_with_relay_reservation(s, "lab", URL, [], "nowhere", "nowhere"),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=r"^wallet_seed must be 32 bytes$"):
            call(bytes(31))


def test_auki_9_the_same_seed_gives_the_same_peer() -> None:
    assert create(1, "one").local_peer_id == create(1, "two").local_peer_id == peer_of_seed(seed(1))


def test_a_new_cluster_has_one_member_which_manages_it() -> None:
    manager = create(1, listen_addresses=["/ip4/10.0.0.5/tcp/4001"], external_addresses=["/ip4/1.2.3.4/tcp/4001"])
    assert (manager.cluster_name, manager.is_manager, manager.peer_count) == ("lab", True, 1)
    assert manager.manager_peer_id == manager.local_peer_id
    (member,) = manager.membership().peers
    assert (member.multiaddrs, member.successor_token) == (["/ip4/1.2.3.4/tcp/4001"], b"")
    (entry,) = ClusterManager.list_clusters(URL + "/")
    assert entry.name == "lab" and entry.manager_peer_id == manager.local_peer_id
    assert entry.created_ns == entry.last_liveness_check_ns == member.join_ts_ns
    assert (entry.manager_multiaddrs, entry.relay_multiaddrs, entry.peer_count) == (member.multiaddrs, [], 1)


def test_auki_10_a_cluster_is_created_once_and_joined_only_where_it_is() -> None:
    create(1)
    with pytest.raises(RuntimeError, match=r'^cluster "lab" already exists; list and join instead$'):
        create(2)
    with pytest.raises(RuntimeError, match=r'^cluster "hagall" not found in Discovery directory$'):
        join(2, "hagall")
    with pytest.raises(RuntimeError, match=r"^Discovery HTTP 400: "):
        create(3, "a b")


def test_auki_10_bootstrap_follows_its_policy() -> None:
    def boot(target: ClusterTarget, number: int) -> ClusterManager:
        return ClusterManager.bootstrap(target, seed(number), URL)

    assert boot(ClusterTarget.create("a"), 1).is_manager
    assert not boot(ClusterTarget.join("a"), 2).is_manager
    assert not boot(ClusterTarget.join_or_create("a"), 3).is_manager
    assert boot(ClusterTarget.join_or_create("b"), 4).is_manager
    newest = boot(ClusterTarget.most_recent_or_create("unused"), 5)
    assert (newest.cluster_name, newest.is_manager) == ("b", False)
    with pytest.raises(RuntimeError, match=r'^cluster "a" already exists in Discovery directory$'):
        boot(ClusterTarget.create("a"), 6)
    with pytest.raises(RuntimeError, match=r'^cluster "c" not in Discovery directory$'):
        boot(ClusterTarget.join("c"), 6)
    assert [entry.name for entry in ClusterManager.list_clusters(URL)] == ["b", "a"]
    other = ClusterManager.bootstrap(ClusterTarget.most_recent_or_create("first"), seed(7), "http://elsewhere.test")
    assert (other.cluster_name, other.is_manager) == ("first", True)


def test_relays_are_listed() -> None:
    relay = "/dns4/relay.test/tcp/443/wss"
    ClusterManager.create_cluster_with_relay_multiaddrs(seed(1), "one", URL, [], [relay])
    ClusterManager.create_cluster_with_relay_reservation(
        wallet_seed=seed(1),
        cluster_name="two",
        discovery_url=URL,
        listen_addresses=[],
        relay_dial_multiaddr="/ip4/1.2.3.4/tcp/1",
        relay_advertise_multiaddr=relay,
        agent_version="t/1",
        daemon_info=daemon("x"),
        stream_provider=None,
        external_addresses=None,
        relay_reservation_timeout_ms=500,
    )
    assert [entry.relay_multiaddrs for entry in ClusterManager.list_clusters(URL)] == [[relay], [relay]]
    with pytest.raises(OSError, match=r"^relay reservation failed"):
        ClusterManager.create_cluster_with_relay_reservation(
            seed(1), "three", URL, [], relay, relay, relay_reservation_timeout_ms=0
        )


def test_addresses_are_checked_and_needed() -> None:
    with pytest.raises(ValueError, match=r'^invalid multiaddr "nowhere": '):
        create(1, listen_addresses=["nowhere"])
    with pytest.raises(OSError, match="no address to advertise"):
        create(1, listen_addresses=[])
    assert ClusterManager.list_clusters(URL) == []


def test_auki_11_admission_is_the_managers_and_no_member_comes_twice() -> None:
    manager, peer = lab(2)
    stranger = peer_of_seed(seed(9))
    with pytest.raises(
        RuntimeError, match=f'^not the Manager of cluster "lab"; manager_peer_id={manager.local_peer_id}$'
    ):
        peer.admit_peer(stranger, [])
    member = manager.admit_peer(stranger, ["/ip4/10.0.0.9/tcp/1"])
    assert (member.peer_id, member.multiaddrs) == (stranger, ["/ip4/10.0.0.9/tcp/1"])
    with pytest.raises(ValueError, match=f"^peer {stranger} is already a cluster member$"):
        manager.admit_peer(stranger, [])
    assert manager.membership() == peer.membership()
    assert ids(peer.membership())[-1] == stranger


def test_auki_11_all_peers_hold_the_same_membership_in_the_order_of_admission() -> None:
    peers = lab(5)
    documents = [peer.membership() for peer in peers]
    assert all(document == documents[0] for document in documents)
    assert ids(documents[0]) == [peer.local_peer_id for peer in peers]
    assert [peer.peer_count for peer in peers] == [5] * 5
    joined = [member.join_ts_ns for member in documents[0].peers]
    assert joined == sorted(set(joined))
    documents[0].admit(documents[0].peers[0])
    assert peers[0].peer_count == 5  # membership() is a snapshot


def test_a_peer_cannot_come_twice_and_the_managers_seed_is_taken() -> None:
    lab(2)
    with pytest.raises(RuntimeError, match=r"^Manager rejected join: already a member$"):
        join(2)
    with pytest.raises(RuntimeError, match="peer id collision"):
        join(1)


def test_auki_7_participant_info_remembers_when_it_first_saw_another() -> None:
    manager = create(1, daemon_info=daemon("galbot"))
    sim.clock.advance(5 * SECOND)
    alone = manager.participant_info()
    assert (alone.session_now_ns, alone.cluster_joined_at_ns, alone.name) == (5 * SECOND, None, "galbot")
    assert json.loads(alone.to_json())["cluster_joined_at_ns"] is None
    peer = join(2, daemon_info=daemon("tablet"))
    sim.clock.advance(SECOND)
    first = manager.participant_info()
    assert first.cluster_joined_at_ns == first.session_now_ns > alone.session_now_ns
    sim.clock.advance(SECOND)
    later = peer.fetch_participant_info(manager.local_peer_id)
    assert later.cluster_joined_at_ns == first.cluster_joined_at_ns
    assert later.session_now_ns == first.session_now_ns + SECOND
    assert (later.is_manager, later.peer_id, later.app_instance) == (True, manager.local_peer_id, "a0b1c2d3e4f5")
    assert manager.fetch_participant_info(peer.local_peer_id).session_now_ns == 2 * SECOND


def test_auki_12_the_earliest_survivor_takes_over_from_a_killed_manager() -> None:
    manager, second, third = lab(3)
    sim.clock.advance(7 * SECOND + 123)
    sim.kill(manager)
    sim.clock.advance(3 * SECOND // 2)
    assert second.is_manager and third.manager_peer_id == second.local_peer_id
    assert ids(second.membership()) == ids(third.membership()) == [second.local_peer_id, third.local_peer_id]
    (entry,) = ClusterManager.list_clusters(URL)
    assert (entry.manager_peer_id, entry.peer_count) == (second.local_peer_id, 2)
    assert join(4).manager_peer_id == second.local_peer_id
    assert third.peer_count == 3


def test_auki_12_when_the_winner_is_dead_too_the_next_one_follows() -> None:
    peers = lab(4)
    sim.kill(peers[0])
    sim.kill(peers[1])
    sim.clock.advance(3 * SECOND)
    assert peers[2].is_manager and peers[3].manager_peer_id == peers[2].local_peer_id
    assert peers[3].peer_count == 2


def test_auki_12_when_all_are_dead_the_entry_is_swept_after_three_seconds() -> None:
    peers = lab(2)
    sim.clock.advance(10 * SECOND)
    for peer in peers:
        sim.kill(peer)
    assert len(ClusterManager.list_clusters(URL)) == 1
    sim.clock.advance(3 * SECOND)
    assert ClusterManager.list_clusters(URL) == []
    assert create(5).is_manager


def test_a_living_cluster_stays_listed_and_vouches_for_its_size() -> None:
    lab(3)
    sim.clock.advance(3600 * SECOND)
    (entry,) = ClusterManager.list_clusters(URL)
    assert entry.peer_count == 3
    assert sim.clock.now - entry.last_liveness_check_ns <= SECOND


def test_a_lost_peer_is_removed_by_the_manager_and_can_come_back() -> None:
    manager, second, third = lab(3)
    sim.kill(third)
    with pytest.raises(RuntimeError, match="already a member"):
        join(3)
    sim.clock.advance(3 * SECOND // 2)
    assert ids(manager.membership()) == ids(second.membership()) == [manager.local_peer_id, second.local_peer_id]
    assert join(3).peer_count == 3


def test_auki_12_an_election_is_deferred_while_the_directory_hears_from_the_manager() -> None:
    manager, second, third = lab(3)
    sim.partition(manager, third)
    sim.clock.advance(60 * SECOND)
    assert third.manager_peer_id == manager.local_peer_id and not third.is_manager
    (entry,) = ClusterManager.list_clusters(URL)
    assert entry.manager_peer_id == manager.local_peer_id == second.manager_peer_id
    # Now it is lost for everybody, and the one that waited elects as well.
    sim.kill(manager)
    sim.clock.advance(3 * SECOND)
    assert second.is_manager and third.manager_peer_id == second.local_peer_id
    (entry,) = ClusterManager.list_clusters(URL)
    assert entry.manager_peer_id == second.local_peer_id


def test_auki_12_a_deferred_election_is_over_when_the_manager_is_heard_again() -> None:
    manager, second = lab(2)
    sim.partition(manager, second)
    sim.clock.advance(1_600_000_000)
    sim.heal(manager, second)
    sim.clock.advance(SECOND)
    assert second.manager_peer_id == manager.local_peer_id


def test_auki_12_without_a_directory_an_election_is_not_deferred() -> None:
    manager, second = lab(2)
    sim.partition(manager, second)
    sim.discovery.down(URL)
    sim.clock.advance(3 * SECOND // 2)
    assert second.is_manager


@settings(max_examples=60, deadline=None)
@given(
    joins=st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=4),
    lived=st.integers(0, 20 * SECOND),
    graceful=st.booleans(),
)
def test_auki_12_a_manager_that_is_gone_is_never_waited_for(joins: list[int], lived: int, graceful: bool) -> None:
    sim.reset()
    peers = [create(1)]
    for number, pause in enumerate(joins, 2):
        sim.clock.advance(pause)
        peers.append(join(number))
    sim.clock.advance(lived)
    peers[0].shutdown() if graceful else sim.kill(peers[0])
    sim.clock.advance(3 * SECOND // 2)
    assert [peer.is_manager for peer in peers[1:]] == [True] + [False] * (len(peers) - 2)
    (entry,) = ClusterManager.list_clusters(URL)
    assert entry.manager_peer_id == peers[1].local_peer_id


def test_a_partitioned_peer_is_removed_on_both_sides() -> None:
    """As builds did that do not defer elections."""
    sim.defer_elections = False
    manager, second, third = lab(3)
    sim.partition(manager, third)
    with pytest.raises(OSError, match="does not answer"):
        manager.fetch_participant_info(third.local_peer_id)
    assert second.fetch_participant_info(third.local_peer_id).peer_id == third.local_peer_id
    sim.clock.advance(3 * SECOND // 2)
    assert ids(manager.membership()) == [manager.local_peer_id, second.local_peer_id]
    assert manager.local_peer_id not in ids(third.membership())
    sim.heal(manager, third)
    with pytest.raises(OSError, match="is no member"):
        manager.fetch_participant_info(third.local_peer_id)


def test_a_partition_that_heals_in_time_changes_nothing() -> None:
    manager, second = lab(2)
    sim.partition(manager, second)
    sim.clock.advance(SECOND)
    sim.heal(manager, second)
    sim.clock.advance(10 * SECOND)
    assert ids(manager.membership()) == ids(second.membership()) == [manager.local_peer_id, second.local_peer_id]
    assert manager.is_manager and not second.is_manager


def test_auki_13_the_last_member_takes_the_entry_along() -> None:
    manager, second = lab(2)
    manager.shutdown()
    assert len(ClusterManager.list_clusters(URL)) == 1
    sim.clock.advance(3 * SECOND // 2)
    assert second.is_manager and second.peer_count == 1
    second.shutdown()
    assert ClusterManager.list_clusters(URL) == []


def test_auki_13_after_shutdown_every_use_is_a_runtime_error() -> None:
    manager = create(1)
    manager.shutdown()
    properties = ("cluster_name", "local_peer_id", "is_manager", "manager_peer_id", "peer_count")
    uses: list[Callable[[], object]] = [lambda name=name: getattr(manager, name) for name in properties]
    uses += [
        manager.shutdown,
        manager.membership,
        manager.participant_info,
        lambda: manager.admit_peer(peer_of_seed(seed(2)), []),
        lambda: manager.fetch_resources_catalog("x"),
        lambda: manager.fetch_sensors_catalog("x"),
        lambda: manager.fetch_participant_info("x"),
        lambda: manager.fetch_sensor_entry("x", "y", "z"),
        lambda: manager.set_resource_catalog_provider(list),
        lambda: manager.set_registry_app_root("x"),
        lambda: manager.open_stream("x", "y"),
        lambda: manager.open_camera_stream("x", "y"),
    ]
    for use in uses:
        with pytest.raises(RuntimeError, match=r"^ClusterManager has been shut down$"):
            use()
    assert "has been shut down" in repr(manager)


def test_a_killed_manager_is_of_no_more_use() -> None:
    manager = create(1)
    sim.kill(manager)
    assert manager.local_peer_id == peer_of_seed(seed(1))
    for use in (manager.membership, manager.shutdown):
        with pytest.raises(RuntimeError, match=r"^ClusterManager has been killed$"):
            use()


def test_a_directory_that_is_down_is_an_os_error() -> None:
    manager, second = lab(2)
    sim.discovery.down(URL + "/")
    for call in (lambda: ClusterManager.list_clusters(URL), lambda: join(3), lambda: create(3, "x")):
        with pytest.raises(OSError, match=r"^Discovery: "):
            call()
    sim.clock.advance(60 * SECOND)  # peers go on without it
    assert manager.is_manager and second.peer_count == 2
    sim.kill(manager)
    sim.clock.advance(3 * SECOND)
    assert second.is_manager
    sim.discovery.up(URL)
    sim.clock.advance(SECOND)
    (entry,) = ClusterManager.list_clusters(URL)
    assert entry.manager_peer_id == second.local_peer_id


def test_joining_at_a_dead_manager_is_an_os_error() -> None:
    sim.kill(create(1))
    with pytest.raises(OSError, match=r"^join request: "):
        join(2)


def test_a_cluster_manager_has_no_other_constructor() -> None:
    with pytest.raises(TypeError, match="static methods"):
        ClusterManager()
    with pytest.raises(TypeError, match="DaemonInfo"):
        create(1, daemon_info="galbot")


def test_the_same_story_with_the_same_seed_is_the_same_to_the_nanosecond() -> None:
    def story() -> list[str]:
        sim.reset(7)
        peers = lab(5)
        sim.clock.advance(1234567890)
        sim.kill(peers[0])
        sim.clock.advance(2 * SECOND)
        peers.append(join(9))
        sim.partition(peers[1], peers[3])
        sim.clock.advance(5 * SECOND)
        return [peer.membership().to_json() for peer in peers[1:]] + [repr(ClusterManager.list_clusters(URL))]

    assert story() == story()


def test_managers_are_used_from_many_threads() -> None:
    manager = create(1)
    manager.set_resource_catalog_provider(lambda: [row()])
    errors: list[BaseException] = []
    joined: list[ClusterManager] = []

    def work(number: int) -> None:
        try:
            peer = join(number)
            joined.append(peer)
            for _ in range(20):
                sim.clock.advance(10_000_000)
                assert peer.fetch_resources_catalog(manager.local_peer_id) == [row()]
                peer.participant_info()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == [] and not any(thread.is_alive() for thread in threads)
    documents = [peer.membership() for peer in [manager, *joined]]
    assert len(ids(documents[0])) == 9 and all(document == documents[0] for document in documents)


def test_every_error_of_the_cluster_is_one_of_the_kits() -> None:
    for call in (lambda: join(1), lambda: create(1, "!"), lambda: create(1, listen_addresses=["x"])):
        with pytest.raises(KitError):
            call()
