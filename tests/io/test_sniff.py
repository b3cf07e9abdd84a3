"""What a stream holds is told from its first bytes."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kit.io.sniff import Kind, kind

SIGNAL = b'{"v":"1","id":"evt_1","trace_id":"trc_1","type":"TASK"}'
JOURNAL = b'{"ts":"2026-01-01T00:00:00Z","card_id":"c","direction":"inbound","signal":"TASK"}'
ENTRY = b'{"id":"coder","kind":"llm","role":"neuron","capabilities":[],"version":"1"}'


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b"", Kind("lines", "signals")),
        (b"\n\n# c\n", Kind("lines", "signals")),
        (SIGNAL + b"\n", Kind("lines", "signals")),
        (b"\xef\xbb\xbf" + SIGNAL, Kind("lines", "signals")),
        (b"\n" + JOURNAL + b"\n" + JOURNAL, Kind("lines", "glia_journal")),
        (b"[" + ENTRY + b"]", Kind("array", "registry")),
        (b"\xef\xbb\xbf[\n  " + ENTRY + b"\n]", Kind("array", "registry")),
        (ENTRY + b"\n" + ENTRY, Kind("lines", "registry")),
        (b"[" + SIGNAL + b",\n" + SIGNAL + b"]", Kind("array", "signals")),
        (b"[1,2,3]\n" + SIGNAL, Kind("lines", "signals")),
        (b"[]", Kind("array", "signals")),
        (b"garbage\n" + JOURNAL, Kind("lines", "glia_journal")),
        (b"{" * 70_000, Kind("lines", "signals")),
        (b"[" * 70_000, Kind("array", "signals")),
        (b"\xff\xfe{}", Kind("lines", "signals")),
        (b"PAR1....", Kind("parquet", "signals")),
        (b"ARROW1\0\0", Kind("arrow", "signals")),
        (b"\xff\xff\xff\xff\x10\0\0\0", Kind("arrow_stream", "signals")),
    ],
)
def test_the_first_bytes_tell_container_and_family(head: bytes, wanted: Kind) -> None:
    assert kind(head) == wanted


@pytest.mark.parametrize("odd", [ENTRY, JOURNAL])
def test_one_odd_line_does_not_decide_for_the_others(odd: bytes) -> None:
    assert kind(odd + b"\n" + b"\n".join([SIGNAL] * 3)).family == "signals"


def test_real_parquet_and_arrow_are_told() -> None:
    table = pa.table({"id": ["evt_1"]})
    sinks = [io.BytesIO() for _ in range(3)]
    pq.write_table(table, sinks[0])
    with pa.ipc.new_file(sinks[1], table.schema) as writer:
        writer.write(table)
    with pa.ipc.new_stream(sinks[2], table.schema) as writer:
        writer.write(table)
    assert [kind(sink.getvalue()).container for sink in sinks] == ["parquet", "arrow", "arrow_stream"]
