"""A language client that speaks bytes: nothing is hidden, not even a reply that comes twice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CAPABILITIES: dict[str, Any] = {
    "general": {"positionEncodings": ["utf-16"]},
    "window": {"workDoneProgress": True},
    "workspace": {"configuration": False, "workspaceFolders": True},
    "textDocument": {"inlineCompletion": {"dynamicRegistration": False}},
}


def encode(message: object) -> bytes:
    """A message with its header."""
    body = json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


class WireClient:
    """One server process. Requests of the server are answered: progress is accepted, settings are ``settings``."""

    def __init__(self, process: asyncio.subprocess.Process, started_s: float) -> None:
        self.process = process
        self.started_s = started_s
        self.settings: object = None
        self.notifications: list[dict[str, Any]] = []
        self.replies: Counter[Any] = Counter()  # how often each id was answered
        self.answered_s: dict[Any, float] = {}
        self.open: dict[Any, asyncio.Future[dict[str, Any]]] = {}
        self.stderr = b""
        self._count = 0
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._read_errors())]

    @classmethod
    async def start(cls, env: Mapping[str, str] | None = None) -> WireClient:
        """Start ``codeworld lsp`` as editors do; ``env`` is added to this process's environment."""
        started_s = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "codeworld",
            "lsp",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
        )
        return cls(process, started_s)

    async def initialize(
        self,
        *folders: Path,
        options: object = None,
        capabilities: dict[str, Any] = CAPABILITIES,
    ) -> dict[str, Any]:
        """Shake hands; the server's capabilities."""
        params = {
            "processId": os.getpid(),
            "rootUri": folders[0].as_uri() if folders else None,
            "capabilities": capabilities,
            "workspaceFolders": [{"uri": folder.as_uri(), "name": folder.name} for folder in folders] or None,
            "initializationOptions": options,
        }
        reply = await self.request("initialize", params)
        self.notify("initialized", {})
        capabilities = reply["result"]["capabilities"]
        return capabilities

    def send(self, method: str, params: object, request_id: object = None) -> asyncio.Future[dict[str, Any]]:
        """Send a request; the future of its whole reply."""
        if request_id is None:
            self._count += 1
            request_id = self._count
        future = self.open[request_id] = asyncio.get_running_loop().create_future()
        self.write(encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}))
        return future

    async def request(self, method: str, params: object, timeout_s: float = 30.0) -> dict[str, Any]:
        """Send a request and wait for its whole reply."""
        return await asyncio.wait_for(self.send(method, params), timeout_s)

    def notify(self, method: str, params: object) -> None:
        self.write(encode({"jsonrpc": "2.0", "method": method, "params": params}))

    def write(self, data: bytes) -> None:
        """Send any bytes."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def did_open(self, uri: str, text: str, version: int = 1, language: str = "python") -> None:
        item = {"uri": uri, "languageId": language, "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def did_change(self, uri: str, version: int, *changes: dict[str, Any]) -> None:
        params = {"textDocument": {"uri": uri, "version": version}, "contentChanges": list(changes)}
        self.notify("textDocument/didChange", params)

    def insert(self, uri: str, version: int, line: int, character: int, text: str) -> None:
        at = {"line": line, "character": character}
        self.did_change(uri, version, {"range": {"start": at, "end": at}, "text": text})

    def ask(
        self, uri: str, line: int, character: int, *, invoked: bool = False, request_id: object = None
    ) -> asyncio.Future[dict[str, Any]]:
        """Ask for ghost text."""
        params = {
            "textDocument": {"uri": uri},
            "position": {"line": line, "character": character},
            "context": {"triggerKind": 1 if invoked else 2},
        }
        return self.send("textDocument/inlineCompletion", params, request_id)

    async def ghost(self, uri: str, line: int, character: int, *, invoked: bool = False) -> list[str]:
        """The texts offered; fails on an error and on a result that is null."""
        reply = await asyncio.wait_for(self.ask(uri, line, character, invoked=invoked), 30)
        return [item["insertText"] for item in items(reply)]

    async def status(self) -> dict[str, Any]:
        reply = await self.request("workspace/executeCommand", {"command": "codeworld.status"})
        result: dict[str, Any] = reply["result"]
        return result

    def seen(self, method: str) -> list[Any]:
        """Parameters of the notifications of one kind so far."""
        return [one["params"] for one in self.notifications if one["method"] == method]

    async def until_ghost(self, uri: str, line: int, character: int, texts: list[str]) -> None:
        """Wait until exactly ``texts`` are offered. Raises TimeoutError."""
        async with asyncio.timeout(30):
            while await self.ghost(uri, line, character, invoked=True) != texts:
                await asyncio.sleep(0.02)

    async def until_indexed(self) -> None:
        """Wait until no folder is being indexed. Raises TimeoutError."""
        async with asyncio.timeout(60):
            while any(folder["index"] != "ready" for folder in (await self.status())["folders"]):
                await asyncio.sleep(0.02)

    async def until(self, condition: Any, timeout_s: float = 30.0) -> None:
        """Wait until ``condition()`` is true. Raises TimeoutError."""
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                raise TimeoutError
            await asyncio.sleep(0.01)

    async def close(self) -> int:
        """End the session in good order; the server's exit code."""
        if self.process.returncode is None:
            with contextlib.suppress(TimeoutError):
                await self.request("shutdown", None, 30)
            self.notify("exit", None)
        return await self.wait()

    async def wait(self, timeout_s: float = 30.0) -> int:
        """The exit code of a server that is about to end; kills one that does not."""
        assert self.process.stdin is not None
        try:
            code = await asyncio.wait_for(self.process.wait(), timeout_s)
        except TimeoutError:
            self.process.kill()
            code = await self.process.wait()
        self.process.stdin.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return code

    async def _read(self) -> None:
        stdout = self.process.stdout
        assert stdout is not None
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                header = await stdout.readuntil(b"\r\n\r\n")
                length = int(header.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                self._take(json.loads(await stdout.readexactly(length)))

    async def _read_errors(self) -> None:
        assert self.process.stderr is not None
        while data := await self.process.stderr.read(4096):
            self.stderr += data

    def _take(self, message: dict[str, Any]) -> None:
        method, request_id = message.get("method"), message.get("id")
        if method is None:
            self.replies[request_id] += 1
            self.answered_s[request_id] = time.monotonic()
            future = self.open.pop(request_id, None)
            if future is not None and not future.done():
                future.set_result(message)
            return
        self.notifications.append(message)
        if request_id is not None:
            result = [self.settings] if method == "workspace/configuration" else None
            self.write(encode({"jsonrpc": "2.0", "id": request_id, "result": result}))


def items(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """The items of a completion reply. Raises on an error and on null."""
    if "error" in reply:
        raise RuntimeError(str(reply["error"]))
    result = reply["result"]
    if result is None:
        raise RuntimeError("the result is null")
    found: list[dict[str, Any]] = result["items"] if isinstance(result, dict) else result
    return found
