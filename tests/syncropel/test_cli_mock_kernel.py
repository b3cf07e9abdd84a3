"""`kit mock-kernel`: it answers, and Ctrl-C ends it cleanly."""

import json
import signal
import subprocess
import sys

import httpx
import pytest
from commands import ROOT, SHELL, call
from syncropel_wire import ME

from kit.syncropel import Client
from kit.syncropel.testing import MockKernel


@pytest.mark.servers
@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("plain", [True, False])
def test_the_kernel_answers_until_it_is_interrupted(plain: bool) -> None:
    command = [sys.executable, "-W", "error", "-m", "kit", "mock-kernel", "--port", "0", "--json"]
    command += ["--plain"] if plain else []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**SHELL, "PYTHONUNBUFFERED": "1"}, cwd=ROOT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        told = json.loads(process.stdout.readline())
        assert told["url"] == f"http://127.0.0.1:{told['port']}"
        with Client(endpoint=told["url"], identity=ME) as client:
            assert client.emit_sync(act="PUT", kind="a.b.c", body={}, thread="t").success
        status = httpx.post(f"{told['url']}/v1/records/query", json={"filter": {}}).status_code
        assert status == (404 if plain else 200)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stdout.read() == b""
        assert process.stderr.read() == b"kit: ended with 1 records in 1 threads\n"


def test_a_port_that_is_taken_is_told() -> None:
    with MockKernel().serve() as served:
        told = call("mock-kernel", "--port", served.port, code=2).stderr
    assert f"port {served.port} of 127.0.0.1" in told
    assert "0 for a free one" in told
    assert "65535" in call("mock-kernel", "--port", 65536, code=2).stderr
