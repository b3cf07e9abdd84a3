"""What a simulation awaits of the real world: time stands still, what comes is recorded, and a later run is told it again."""

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import aiohttp
import cosmonapse
import httpx
import pytest
from loopback import parrot
from researcher import researcher
from sequences import shapes

from kit import sim
from kit.errors import KernelError, RecordingError, SourceError, SourceNotFoundError

OFFICE = sim.Scenario(
    "office",
    neurons=(sim.Neuron("researcher", "researcher:researcher", ("research",)),),
    arrivals=(sim.Arrivals("questions", rate_per_s=2, capabilities=("research",)),),
)
FUNCTIONS = {"researcher:researcher": researcher}


def both(main: Any, recording: sim.Recording | None = None) -> tuple[Any, sim.Recording, float]:
    """Return what a coroutine gives in a simulation, what was recorded, and how much virtual time it took."""
    bus = sim.Synapse(recording=recording)
    try:
        found = bus.run(main())
    finally:
        bus.outside.close()
    return found, bus.recording, round(bus.now_s, 3)


def test_a_neuron_that_asks_a_server_runs_in_both_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def theirs() -> list[Any]:
        seen: list[Any] = []

        async def tap(signal: Any) -> None:
            seen.append(signal)

        bus = cosmonapse.MemorySynapse()
        await bus.connect()
        await bus.subscribe("cosmonapse.default.>", tap)
        worker = cosmonapse.Dendrite(synapse=bus, role="worker", dendrite_id="w", heartbeat_s=60)
        worker.attach_axon(cosmonapse.Axon(neuron_id="researcher", neuron_fn=researcher, capabilities=["research"]))
        desk = cosmonapse.Dendrite(synapse=bus, dendrite_id="o")
        await worker.start()
        await desk.start()
        for n in range(3):
            await desk.dispatch_and_wait(capabilities=["research"], input={"q": n}, scope="terminal", timeout_s=20)
        await worker.stop()
        await asyncio.sleep(0.05)
        return seen

    async def ours(bus: sim.Synapse) -> None:
        worker = sim.Dendrite(synapse=bus, role="worker", dendrite_id="w", heartbeat_s=60)
        worker.attach_axon(sim.Axon(neuron_id="researcher", neuron_fn=researcher, capabilities=["research"]))
        desk = sim.Dendrite(synapse=bus, dendrite_id="o")
        await worker.start()
        await desk.start()
        for n in range(3):
            await desk.dispatch_and_wait(capabilities=["research"], input={"q": n}, scope="terminal", timeout_s=20)
        await worker.stop()
        await bus.sleep("50ms")

    with parrot() as (site, asked):
        monkeypatch.setenv("RESEARCH_SITE", site)
        seen = asyncio.run(theirs())
        assert len(asked) == 9
        bus = sim.Synapse(seed=7)
        bus.run(ours(bus))
        bus.outside.close()
        assert len(asked) == 18
    assert bus.errors == []
    assert shapes(list(bus.tape.rows)) == shapes(seen)
    outputs = [
        [signal.payload for signal in signals if signal.type.value == "AGENT_OUTPUT"]
        for signals in (seen, bus.tape.rows)
    ]
    assert outputs[0] == outputs[1] != []


def test_a_saved_run_is_repeated_with_the_server_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with parrot() as (site, asked):
        monkeypatch.setenv("RESEARCH_SITE", site)
        run = OFFICE.run(7, "5s", functions=FUNCTIONS)
    path = run.save(tmp_path / "run.jsonl")
    elsewhere = shutil.copytree(tmp_path, tmp_path / "a colleague's")
    again = sim.rerun(elsewhere / "run.jsonl", functions=FUNCTIONS)
    assert (again.digest, list(again.lines())) == (run.digest, path.read_text().splitlines())
    assert run.report.requests[0]["completed"] == len(asked) / 3 == 5
    assert sorted(run.recording.requests()) == sorted(again.recording.requests())
    assert repr(run.recording).startswith(f"<Recording: {len(asked)} requests on ")


def test_a_rerun_that_asks_for_something_else_is_told_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with parrot() as (site, _):
        monkeypatch.setenv("RESEARCH_SITE", site)
        path = OFFICE.run(7, "5s", functions=FUNCTIONS).save(tmp_path / "run.jsonl")

    async def curious(input: Any, context: Any) -> Any:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(f"{site}/other?key=secret")).json()

    address = site.replace("http://localhost", r"127\.0\.0\.1")
    with pytest.raises(RecordingError, match=rf"'GET /other\?\.\.\. HTTP/1.1' .* to {address}; it holds 'GET /about"):
        sim.rerun(path, functions={"researcher:researcher": curious})
    recorded = path.with_name("run.jsonl.recording.jsonl")
    assert "secret" not in recorded.read_text()
    recorded.unlink()
    with pytest.raises(SourceNotFoundError, match=r"run\.jsonl\.recording\.jsonl"):
        sim.rerun(path, functions=FUNCTIONS)


def test_a_run_that_asked_nothing_may_ask_nothing_later(tmp_path: Path) -> None:
    idle = sim.Scenario("idle", neurons=OFFICE.neurons, arrivals=OFFICE.arrivals)

    async def one(input: Any, context: Any) -> Any:
        return 1

    async def other(input: Any, context: Any) -> Any:
        await asyncio.open_connection("127.0.0.1", 9)

    path = idle.run(7, "2s", functions={"researcher:researcher": one}).save(tmp_path / "run.jsonl")
    assert not path.with_name("run.jsonl.recording.jsonl").exists()
    with pytest.raises(RecordingError, match=r"nothing written to 127\.0\.0\.1:9; it holds no requests"):
        sim.rerun(path, functions={"researcher:researcher": other})


def test_a_namespace_records_to_a_path_once_and_answers_from_it_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, digests = tmp_path / "answers.jsonl", []

    def made() -> sim.Run:
        ns = sim.Namespace("lab", seed=7, recording=path)
        ns.neuron("researcher", capabilities=["research"])(researcher)
        ns.arrivals(every="1s", capabilities=["research"])
        return ns.run(until="3s")

    with parrot() as (site, asked):
        monkeypatch.setenv("RESEARCH_SITE", site)
        digests.append(made().digest)
        assert len(asked) == 9
        digests.append(made().digest)
        assert len(asked) == 9
    digests.append(made().digest)
    assert len(set(digests)) == 1


def test_time_stands_still_for_an_answer(tmp_path: Path) -> None:
    async def main() -> Any:
        ticks = []

        async def tick() -> None:
            while True:
                await asyncio.sleep(0.1)
                ticks.append(asyncio.get_running_loop().time())

        ticking = asyncio.create_task(tick())
        await asyncio.sleep(0.05)
        async with httpx.AsyncClient(trust_env=False, timeout=0.2) as client:
            answer = await client.get(f"{site}/slow")  # longer in real time than its timeout
            await asyncio.sleep(1)
            await client.get(f"{site}/after")
        ticking.cancel()
        return answer.json()["said"], len(ticks)

    with parrot() as (site, _):
        found, recording, seconds = both(main)
    assert (found, seconds) == (("/slow", 10), 1.05)
    kept = sim.Recording.load(recording.save(tmp_path / "kept.jsonl"))
    assert kept == recording
    assert both(main, kept)[::2] == (found, seconds)


def test_streams_and_aiohttp_are_recorded_too() -> None:
    async def main() -> Any:
        host, port = site.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /raw HTTP/1.1\r\nHost: x\r\n")
        writer.write(b"Connection: close\r\n\r\n")
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.read()
        writer.close()
        await writer.wait_closed()
        async with aiohttp.ClientSession() as session, session.get(f"{site}/aio") as response:
            text = await response.text()
            await asyncio.sleep(2)
            async with session.get(f"{site}/again") as later:
                return head[:15], json.loads(body), json.loads(text), json.loads(await later.text())

    with parrot() as (site, _):
        found, recording, seconds = both(main)
    assert [found[0], *(part["said"] for part in found[1:])] == [b"HTTP/1.1 200 OK", "/raw", "/aio", "/again"]
    assert seconds == 2
    assert both(main, recording) == (found, recording, seconds)


def test_what_fails_fails_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def main() -> Any:
        async with httpx.AsyncClient(trust_env=False) as client:
            with pytest.raises(httpx.ConnectError) as refused:
                await client.get(f"http://127.0.0.1:{port}/")
        with pytest.raises(ConnectionRefusedError) as plainly:
            await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(socket.gaierror):
            await asyncio.get_running_loop().getaddrinfo("no such host.invalid", 80)
        found = await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
        return str(refused.value), plainly.value.errno, found

    found, recording, _ = both(main)
    assert found[2] == socket.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    assert both(main, recording)[0] == found


@pytest.mark.servers
def test_encrypted_connections_are_recorded(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))

    async def main() -> Any:
        async with httpx.AsyncClient(trust_env=False, verify=trusting) as client:
            answers = [(await client.get(f"{site}/{n}")).json() for n in range(2)]
            answers += [one.json() for one in await asyncio.gather(*(client.get(f"{site}/{n}") for n in "ab"))]
        async with httpx.AsyncClient(trust_env=False) as doubting:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await doubting.get(site)
        host, port = site.removeprefix("https://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=trusting)
        secured = writer.get_extra_info("ssl_object")
        writer.write(b"GET /raw HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answers.append(await reader.read())
        writer.close()
        return answers, secured.version(), secured.cipher()

    with parrot(serving) as (site, _):
        found, recording, _ = both(main)
    assert ([one["said"] for one in found[0][:2]], found[0][-1][:12]) == (["/0", "/1"], b"HTTP/1.1 200")
    kept = sim.Recording.load(recording.save(tmp_path / "kept.jsonl"))
    assert both(main, kept)[0] == found
    assert ssl.SSLContext.wrap_bio.__module__ == "ssl"


def test_threads_are_real_and_end_in_the_order_in_which_they_began() -> None:
    async def main() -> Any:
        log: list[str] = []

        async def thread(name: str, seconds: float) -> int:
            found = await asyncio.to_thread(lambda: (time.sleep(seconds), threading.get_ident())[1])
            log.append(name)
            return found

        first, second = await asyncio.gather(thread("slow", 0.2), thread("quick", 0))
        assert threading.get_ident() not in (first, second)
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        await asyncio.to_thread(loop.call_soon_threadsafe, event.set)
        await event.wait()
        return log

    assert both(main)[::2] == (["slow", "quick"], 0)


def test_a_server_that_says_nothing_does_not_hold_time_for_ever() -> None:
    async def main() -> Any:
        reader, writer = await asyncio.open_connection(*address)
        try:
            await asyncio.wait_for(reader.read(1), 2.5)
        except TimeoutError:
            writer.close()
            return "gave up"

    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = silent.getsockname()
        bus = sim.Synapse()
        bus.outside.patience_s = 0.05
        assert bus.run(main()) == "gave up"
        bus.outside.close()
    assert (round(bus.now_s, 2), [entry.kind for entry in bus.recording.entries].count("silence") > 0) == (2.5, True)
    assert both(main, bus.recording)[::2] == ("gave up", 2.5)


def test_what_belongs_to_real_time_alone_is_refused() -> None:
    async def serves() -> None:
        await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)

    async def starts() -> None:
        await asyncio.create_subprocess_exec("true")

    with pytest.raises(KernelError, match=r"create_server\(\) does not work in virtual time"):
        sim.Synapse().run(serves())
    with pytest.raises(KernelError, match=r"subprocess_exec\(\) does not work in virtual time"):
        sim.Synapse().run(starts())


@pytest.mark.parametrize(
    ("text", "line"),
    [("", 1), ('{"format": "x", "version": 1}', 1), ('{"format": "namespace-kit recording", "version": 1}\n{}', 2)],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(SourceError, match=f"line {line}: no line of a recording"):
        sim.Namespace(recording=path)


def test_a_neuron_that_is_stopped_closes_its_connections() -> None:
    closed = []

    async def holds(input: Any, context: Any) -> Any:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"{site}/held")
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(1)
                closed.append(round(ns.now_s))
                raise

    with parrot() as (site, _):
        ns = sim.Namespace(seed=7)
        ns.neuron("holds")(holds)

        async def main() -> None:
            pathway = await ns.orchestrator.dispatch(neuron="holds", input={})
            await ns.synapse.sleep("5s")
            await ns.orchestrator.emit_stop(trace_id=pathway.trace_id, reason="enough")
            await ns.synapse.sleep("5s")

        run = ns.run(main())
    assert (closed, run.report.errors) == ([6], ())
