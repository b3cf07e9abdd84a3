"""The owner of a live object: commands in order, one at a time, with and without a thread."""

import gc
import threading
import weakref
from dataclasses import dataclass

import pytest

from kit.errors import KitError, ViewClosedError
from kit.widgets.owner import Owner


@dataclass(frozen=True)
class Add:
    """Put a number at the end."""

    number: int


class Ledger:
    """A live object that notes who wrote what; it would show if two wrote at once."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.threads: set[int] = set()
        self.turns = 0
        self.left = 0
        self.inside = False

    def apply(self, command: Add) -> int:
        """Write a number; a negative one is an error."""
        assert not self.inside
        self.inside = True
        self.threads.add(threading.get_ident())
        self.inside = False
        if command.number < 0:
            raise KitError(f"{command.number!r} is negative")
        self.written.append(command.number)
        return len(self.written)

    def turn(self) -> float | None:
        """Take a turn while some are left."""
        assert not self.inside
        self.turns += 1
        self.left -= 1
        return 0.0 if self.left > 0 else None


@pytest.mark.parametrize("thread", [True, False])
def test_commands_are_done_in_order_and_give_their_result(thread: bool) -> None:
    ledger = Ledger()
    owner = Owner(ledger.apply, thread=thread)
    results = [owner.post(Add(n)) for n in range(50)]
    assert owner.wait(10)
    assert ledger.written == list(range(50))
    assert [made.result(0) for made in results] == list(range(1, 51))
    assert owner.call(Add(50)) == 51
    owner.close()


def test_one_thread_does_all_that_several_post() -> None:
    ledger = Ledger()
    owner = Owner(ledger.apply, turn=ledger.turn)

    def post(first: int) -> None:
        for n in range(100):
            owner.post(Add(first + n))

    posters = [threading.Thread(target=post, args=(first,)) for first in (0, 1000)]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join()
    assert owner.wait(10)
    assert sorted(ledger.written) == [*range(100), *range(1000, 1100)]
    assert [n for n in ledger.written if n < 1000] == list(range(100))  # what one posts stays in order
    assert len(ledger.threads) == 1
    assert ledger.threads.isdisjoint({threading.get_ident()})
    owner.close()


@pytest.mark.parametrize("thread", [True, False])
def test_an_error_is_the_result_of_its_command_and_is_kept_and_told(thread: bool) -> None:
    told: list[tuple[Add | None, str]] = []
    ledger = Ledger()
    owner = Owner(ledger.apply, failed=lambda command, error: told.append((command, str(error))), thread=thread)
    with pytest.raises(KitError, match="-1 is negative"):
        owner.call(Add(-1))
    assert owner.call(Add(1)) == 1  # it goes on
    assert told == [(Add(-1), "-1 is negative")]
    assert [(command, str(error)) for command, error in owner.errors] == told
    owner.close()


@pytest.mark.parametrize("thread", [True, False])
def test_turns_are_taken_until_there_is_nothing_to_do(thread: bool) -> None:
    ledger = Ledger()
    ledger.left = 5
    owner = Owner(ledger.apply, turn=ledger.turn, thread=thread)
    assert ledger.turns == 0
    owner.post(Add(1))
    assert owner.wait(10)
    assert ledger.turns == 5
    assert owner.idle
    owner.close()


def test_a_command_is_not_kept_waiting_by_a_long_pause_between_turns() -> None:
    ledger = Ledger()
    owner = Owner(ledger.apply, turn=lambda: 3600.0)
    assert owner.call(Add(1)) == 1
    assert owner.call(Add(2)) == 2
    assert not owner.wait(0.01)  # a turn is to come
    owner.close()


@pytest.mark.parametrize("thread", [True, False])
def test_an_error_of_a_turn_ends_the_turns_until_the_next_command(thread: bool) -> None:
    def turn() -> float | None:
        turns.append(1)
        raise KitError("the neuron broke")

    turns: list[int] = []
    ledger = Ledger()
    owner = Owner(ledger.apply, turn=turn, thread=thread)
    owner.post(Add(1))
    assert owner.wait(10)
    assert len(turns) == 1
    assert [(command, str(error)) for command, error in owner.errors] == [(None, "the neuron broke")]
    owner.post(Add(2))
    assert owner.wait(10)
    assert len(turns) == 2
    owner.close()


def test_many_commands_do_not_keep_it_from_taking_turns() -> None:
    ledger = Ledger()
    ledger.left = 1000
    owner = Owner(ledger.apply, turn=ledger.turn, thread=False)
    made = [owner.post(Add(n)) for n in range(100)]
    owner.post(Add(100)).add_done_callback(lambda _: after.append(ledger.turns))
    after: list[int] = []
    owner.wait(10)
    assert after[0] >= 99
    assert all(one.done() for one in made)
    owner.close()


def test_the_owner_does_at_once_what_it_calls_itself_and_does_not_wait_for_itself() -> None:
    ledger = Ledger()

    def apply(command: Add) -> object:
        return (owner.call(Add(command.number - 1)), owner.wait()) if command.number > 5 else ledger.apply(command)

    owner: Owner[Add] = Owner(apply)
    assert owner.call(Add(6)) == (1, False)
    assert ledger.written == [5]
    owner.close()


@pytest.mark.parametrize("thread", [True, False])
def test_closing_frees_the_object_and_the_thread(thread: bool) -> None:
    ledger = Ledger()
    seen = weakref.ref(ledger)
    owner = Owner(ledger.apply, turn=ledger.turn, thread=thread, name="ledger")
    owner.call(Add(1))
    owner.close()
    owner.close()
    del ledger
    gc.collect()
    assert seen() is None
    assert [one.name for one in threading.enumerate() if one.name == "kit ledger"] == []
    assert owner.wait()
    with pytest.raises(ViewClosedError, match=r"ledger is closed and takes no Add\(number=2\)"):
        owner.post(Add(2))
    with pytest.raises(ViewClosedError):
        owner.call(Add(2))


def test_closing_ends_a_pause_and_cancels_what_waits() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def apply(command: Add) -> int:
        begun.set()
        go_on.wait(10)
        return command.number

    owner: Owner[Add] = Owner(apply, turn=lambda: 3600.0)
    first, second = owner.post(Add(1)), owner.post(Add(2))
    begun.wait(10)
    closing = threading.Thread(target=owner.close)
    cancelled = threading.Event()
    second.add_done_callback(lambda _: cancelled.set())
    closing.start()
    cancelled.wait(10)
    assert second.cancelled()
    go_on.set()
    closing.join(10)
    assert not closing.is_alive()
    assert first.result(0) == 1


def test_it_can_be_closed_by_one_of_its_own_commands() -> None:
    owner: Owner[Add] = Owner(lambda _: owner.close())
    owner.post(Add(1)).result(10)
    assert owner.closed


def test_it_burns_no_time_while_it_waits() -> None:
    """A thread that polled would take turns or wake up; this one has taken one turn after its one command."""
    ledger = Ledger()
    owner = Owner(ledger.apply, turn=ledger.turn)
    owner.call(Add(1))
    assert owner.wait(10)
    assert not threading.Event().wait(0.05)
    assert ledger.turns == 1
    owner.close()


def test_ctrl_c_comes_through_where_there_is_no_thread() -> None:
    def apply(command: Add) -> None:
        raise KeyboardInterrupt

    owner: Owner[Add] = Owner(apply, thread=False)
    owner.post(Add(1))
    with pytest.raises(KeyboardInterrupt):
        owner.wait()
    owner.close()
