"""JavaScript for the tests: a long-lived Node that runs a module of ours, and the TypeScript compiler."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

ROOT = Path(__file__).resolve().parents[1]
STATIC = ROOT / "kit" / "widgets" / "static"
SERVER = Path(__file__).with_name("javascript_server.mjs")
REQUIRED = os.environ.get("KIT_REQUIRE_BROWSER") == "1"


class JavaScriptError(Exception):
    """What a call threw: its name and message."""


def node() -> str:
    """Return the path of a Node 18 or newer; skips where there is none, fails where it is required."""
    for candidate in (_of_playwright(), shutil.which("node")):
        if candidate and _major(candidate) >= 18:
            return candidate
    return _absent("no Node 18 or newer: neither in the playwright wheel nor on the PATH")


def tsc() -> list[str]:
    """Return the command of the TypeScript compiler: $KIT_TSC, the one beside the Python environment, or the PATH's."""
    local = ROOT / ".venv" / "typescript" / "node_modules" / "typescript" / "lib" / "tsc.js"
    if os.environ.get("KIT_TSC"):
        return [os.environ["KIT_TSC"]]
    if local.exists():
        return [node(), str(local)]
    found = shutil.which("tsc")
    return [found] if found else [_absent("no TypeScript compiler: npm install --prefix .venv/typescript typescript")]


def _absent(reason: str) -> str:
    if REQUIRED:
        pytest.fail(f"{reason} (KIT_REQUIRE_BROWSER=1)")
    pytest.skip(reason)


def _of_playwright() -> str | None:
    try:
        import playwright
    except ImportError:
        return None
    path = Path(playwright.__file__).parent / "driver" / "node"
    return str(path) if path.exists() else None


def _major(path: str) -> int:
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    return int(told.lstrip("v").partition(".")[0] or 0)


class Module:
    """A module of `kit/widgets/static` in a Node of its own; close it, or use it in a `with` block."""

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [node(), str(SERVER), (STATIC / name).as_uri()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, op: str, *args: Any) -> Any:
        """Return what an operation of the server gives; raises JavaScriptError for what it throws."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"op": op, "args": args}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise JavaScriptError(answer["error"])
        return answer.get("value")

    def bytes(self, op: str, *args: Any) -> bytes:
        """Return the bytes that an operation gives."""
        return base64.b64decode(self.ask(op, *args))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
