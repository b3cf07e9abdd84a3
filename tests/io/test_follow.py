"""`study.tail`: a thread of a live server into the store, over real connections that break."""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from syncropel_wire import ME, Wire

import kit
from kit.errors import ArgumentError, SubscribeError
from kit.io import follow
from kit.notebook.study import Study
from kit.syncropel import Arrival, Client, Tail, server_id
from kit.syncropel.testing import MockKernel


@pytest.fixture
def kernel() -> MockKernel:
    return MockKernel.full()


@pytest.fixture
def client(kernel: MockKernel) -> Iterator[Client]:
    """A client of a kernel behind a real port."""
    with kernel.serve() as served, Client(identity=ME, endpoint=served.url) as made:
        yield made


@pytest.fixture
def study() -> Iterator[Study]:
    with kit.open(threads=1) as made:
        yield made


def emit(client: Client, *numbers: int, thread: str = "t") -> None:
    for number in numbers:
        assert client.emit_sync(act="PUT", kind="a.b.c", body={"n": number}, thread=thread, clock=number).success


def held(study: Study) -> list[int]:
    return [n for (n,) in study.execute("SELECT (body->>'n')::INT FROM records ORDER BY 1")]


def accounted(study: Study) -> int:
    """The lines of all sources, after a look whether each of them became something."""
    for row in study.sources():
        assert row["rows"] + row["duplicates"] + row["quarantined"] + row["skipped"] == row["lines"]
    return sum(row["lines"] for row in study.sources())


def event(number: int, name: str | None = None) -> bytes:
    """An event as a server sends it; `name` is its number in the stream."""
    record: dict[str, Any] = {"act": "PUT", "actor": "a", "body": {"n": number}, "clock": number, "thread": "t"}
    record |= {"data_type": "SCALAR", "parents": []}
    data = json.dumps({"id": server_id(record), "record": record})
    return (f"id: {name}\n" if name else "").encode() + f"event: record.created\ndata: {data}\n\n".encode()


def stream(*events: bytes) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(200, headers={"content-type": "text/event-stream"}, content=b"".join(events))


def test_syncropel_28_a_tail_into_the_store_survives_cuts_without_a_duplicate_row(
    kernel: MockKernel, client: Client, study: Study
) -> None:
    emit(client, *range(1, 6))
    for after in (0, 1, 2):
        kernel.cut_next_watch(after)

    def more(report: kit.LoadReport) -> None:
        last = held(study)[-1]
        emit(client, *range(last + 1, min(last + 4, 15)))
        kernel.cut_next_watch(1)
        kernel.end_watches("lagged")

    brought = follow.tail(study, client, "t", since_clock=0, limit=14, seconds=60, every_s=0.01, on_load=more)
    assert held(study) == list(range(1, 15))
    assert brought.rows == brought.lines == accounted(study) == 14
    assert brought.connections > 4
    assert (brought.ended, brought.duplicates, brought.quarantined) == ("limit", 0, 0)
    assert study.verify().clean
    text = repr(brought).split("\n")
    assert text[0].startswith("tail of thread 't' into run 'capture': 14 events over ")
    assert text[1:] == ["  14 rows"]
    assert "<li>14 rows</li>" in brought._repr_html_()


def test_a_limit_is_kept_and_the_cursor_goes_on_behind_it(client: Client, study: Study) -> None:
    emit(client, *range(7))
    first = study.tail(client, "t", since_clock=0, limit=3)
    assert (held(study), first.cursor, first.ended) == ([0, 1, 2], "3", "limit")
    second = study.tail(client, "t", cursor=first.cursor, limit=4)
    assert (held(study), second.rows, second.duplicates) == (list(range(7)), 4, 0)
    assert study.load_report is second.report
    assert repr(first) == "tail of thread 't' into run 'capture': 3 events, then the limit was reached\n  3 rows"


def test_a_tail_from_the_start_again_repeats_no_row(client: Client, study: Study) -> None:
    emit(client, 1, 2, 3)
    address = client.endpoint
    study.tail(address, "t", since_clock=0, limit=2, run="live")
    again = study.tail(address, "t", since_clock=0, limit=3, run="live")
    assert held(study) == [1, 2, 3]
    assert (again.rows, again.duplicates, accounted(study)) == (1, 2, 5)
    assert [row["uri"] for row in study.sources()] == [f"{address}/v1/threads/t/watch"] * 2
    assert [row["run"] for row in study.runs()] == ["live"]


def test_a_server_without_event_ids_brings_records_again_and_they_are_known(study: Study) -> None:
    wire = Wire(stream(event(1), event(2)), stream(event(1), event(2), event(3)), httpx.Response(410, text="gone"))
    # `strict_compat` hands on what comes again, as it would after 10,000 others.
    with pytest.raises(SubscribeError, match="HTTP 410: gone") as caught:
        follow.tail(study, wire.client(strict_compat=True), "t", since_clock=0)
    assert caught.value.__notes__ == ["5 events that came before are in run 'capture' of the store"]
    assert held(study) == [1, 2, 3]
    assert accounted(study) == 5


def test_what_is_no_record_is_in_quarantine_as_it_came(study: Study) -> None:
    odd = [b"nope", b'{"id":"a","record":5}', b'{"record":\ndata: {"act":7}}']
    events = [event(1), *(b"data: %b\n\n" % data for data in odd), event(2)]
    with pytest.raises(SubscribeError):
        follow.tail(study, Wire(stream(*events), httpx.Response(404)).client(), "t")
    kept = study.sql("SELECT line, reason, decode(raw) AS raw FROM quarantine ORDER BY line").rows()
    assert [tuple(row.values()) for row in kept] == [
        (2, "bad_json", "nope"),
        (3, "not_a_record", '{"id":"a","record":5}'),
        (4, "bad_act", '{"record": {"act":7}}'),
    ]
    assert (held(study), accounted(study)) == ([1, 2], 5)


def test_events_without_an_actor_are_records_all_the_same(study: Study) -> None:
    record = b'{"act":"PUT","body":{"n":1},"thread":"t"}'
    with pytest.raises(SubscribeError):
        follow.tail(
            study, Wire(stream(b'data: {"id":"x","record":%b}\n\n' % record), httpx.Response(404)).client(), "t"
        )
    assert held(study) == [1]


def test_many_events_are_few_loads_and_a_load_has_an_end(kernel: MockKernel, client: Client, study: Study) -> None:
    for number in range(60):
        kernel.answer("POST", "/v1/records", {}, json.dumps({"thread": "t", "body": {"n": number}}).encode(), None)
    for number in range(1, 60):
        body = {"thread": "t", "clock": number, "body": {"n": number, "pad": "x" * 500}}
        kernel.answer("POST", "/v1/records", {}, json.dumps(body).encode(), None)
    sizes: list[int] = []
    follow.tail(
        study,
        client,
        "t",
        since_clock=0,
        limit=60,
        batch=20,
        every_s=3600,
        on_load=lambda report: sizes.append(report.lines),
    )
    assert sum(sizes) == 60
    assert all(size >= 20 for size in sizes[:-1])  # the last holds what is left of the 60


# How it ends


def test_ctrl_c_while_it_waits_ends_it_with_all_that_came_in_the_store(client: Client, study: Study) -> None:
    emit(client, 1, 2)
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        signal.pthread_kill(main, signal.SIGINT)

    timer = threading.Timer(0.05, press)
    brought = follow.tail(study, client, "t", since_clock=0, every_s=0.01, on_load=lambda report: timer.start())
    assert brought.ended == "interrupted"
    assert held(study) == [1, 2]
    assert repr(brought).startswith("tail of thread 't' into run 'capture': 2 events, then it was interrupted")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_before_the_first_load_loads_what_is_held(
    client: Client, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit(client, 1, 2, 3)
    main = threading.main_thread().ident
    assert main is not None
    run, taken = Tail.run, []

    def pressing(self: Tail, sink: Callable[[list[Arrival]], object]) -> int:
        def take(arrivals: list[Arrival]) -> None:
            sink(arrivals)
            taken.extend(arrivals)
            if len(taken) == 3:
                signal.pthread_kill(main, signal.SIGINT)

        return run(self, take)

    loader = follow._Loader

    def late(*args: Any) -> Any:
        time.sleep(0.3)  # long enough for all to come, if it were read already
        return loader(*args)

    monkeypatch.setattr(Tail, "run", pressing)
    monkeypatch.setattr(follow, "_Loader", late)
    brought = follow.tail(study, client, "t", since_clock=0, batch=100, every_s=3600)
    assert (brought.ended, held(study)) == ("interrupted", [1, 2, 3])
    assert brought.cursor == "3"


def test_ctrl_c_in_the_middle_of_a_load_waits_for_its_end(client: Client, study: Study) -> None:
    emit(client, 1, 2, 3)
    brought = follow.tail(
        study, client, "t", since_clock=0, batch=3, every_s=3600, on_load=lambda report: signal.raise_signal(signal.SIGINT)
    )  # fmt: skip
    assert (brought.ended, brought.rows, brought.duplicates) == ("interrupted", 3, 0)
    assert accounted(study) == 3


def test_another_thread_can_stop_it_and_so_can_the_end_of_the_client(kernel: MockKernel, study: Study) -> None:
    with kernel.serve() as served:
        with Client(identity=ME, endpoint=served.url) as client:
            emit(client, 1)
            stop = threading.Event()
            brought = follow.tail(
                study, client, "t", since_clock=0, every_s=0.01, stop=stop, on_load=lambda report: stop.set()
            )
            assert (brought.ended, held(study)) == ("stop", [1])
            closing = threading.Timer(0.05, client.__exit__, (None, None, None))
            brought = follow.tail(
                study, client, "t", since_clock=0, every_s=0.01, on_load=lambda report: closing.start()
            )
        assert (brought.ended, brought.duplicates, brought.rows) == ("closed", 1, 0)


def test_a_time_can_be_set_and_nothing_may_come(client: Client, study: Study) -> None:
    brought = study.tail(client, "t", seconds=0.05)
    assert (brought.ended, brought.lines, brought.cursor, len(study.sources())) == ("seconds", 0, None, 0)
    assert repr(brought) == "tail of thread 't' into run 'capture': 0 events, then the time was over\n  0 rows"


def test_a_server_that_is_not_there_is_told_when_the_tries_are_used_up(study: Study) -> None:
    with MockKernel.full().serve() as served:
        address = served.url
    with pytest.raises(SubscribeError, match="ConnectError"):
        study.tail(address, "t", max_reconnects=0)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"seconds": -1}, {"batch": 0}, {"every_s": 0}])
def test_numbers_that_mean_nothing_are_refused(wrong: dict[str, Any], study: Study) -> None:
    with pytest.raises(ArgumentError, match=f"{next(iter(wrong))}="):
        follow.tail(study, "http://127.0.0.1:1", "t", **wrong)


def test_what_is_no_address_is_refused(study: Study) -> None:
    with pytest.raises(ArgumentError, match="'localhost:9100': give an address like 'http://localhost:9100'"):
        study.tail("localhost:9100", "t")


# A kernel as a source


def test_a_kernel_is_loaded_with_each_record_as_it_is_stored(kernel: MockKernel, client: Client, study: Study) -> None:
    emit(client, 3, 1)
    emit(client, 2, thread="u\u2028")
    report = study.load(kernel)
    assert repr(report) == "<MockKernel> into run 'capture': 3 lines\n  3 rows"
    answer = kernel.answer("GET", "/v1/records", {}, b"", None).content
    assert isinstance(answer, bytes)
    raws = [raw for (raw,) in study.execute("SELECT raw FROM records ORDER BY line")]
    assert answer.decode() == '{"object":"list","data":[' + ",".join(raws) + "]}"
    assert list(kernel.lines()) == raws
    assert study.verify().clean
    assert study.load(MockKernel()).lines == 0


def test_a_source_of_an_unknown_family_is_refused(study: Study) -> None:
    class Odd:
        family = "letters"

        def lines(self) -> Iterator[str]:
            return iter(())

    with pytest.raises(ArgumentError, match="family 'letters' is none of signals, records"):
        study.load(Odd())
