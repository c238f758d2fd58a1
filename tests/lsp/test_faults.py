"""What a client does wrong: it is answered, and nothing pops up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lsp_client import WireClient, encode
from tests.lsp.conftest import Start

INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, PARSE_ERROR = -32600, -32601, -32602, -32700
NOT_INITIALIZED = -32002
OPTIONS = {"engine": {"spawn": False, "preload": False}}


async def code_of(asked: asyncio.Future[dict[str, Any]]) -> int:
    reply = await asyncio.wait_for(asked, 30)
    code: int = reply["error"]["code"]
    return code


async def begun(start: Start, project: Path) -> WireClient:
    client = await start()
    await client.initialize(project, options=OPTIONS)
    return client


@pytest.mark.parametrize(
    "params",
    [
        None,
        [],
        {},
        {
            "textDocument": {"uri": "a"},
            "position": {"line": -1, "character": 0},
            "context": {"triggerKind": 1},
        },
        {"textDocument": {"uri": "a"}, "position": {"line": 0}, "context": {"triggerKind": 1}},
        {
            "textDocument": {"uri": "a"},
            "position": {"line": 0, "character": 0},
            "context": {"triggerKind": "x"},
        },
    ],
)
async def test_invalid_parameters_are_answered_without_a_popup(
    start: Start, project: Path, params: object
) -> None:
    client = await begun(start, project)
    assert await code_of(client.send("textDocument/inlineCompletion", params)) == INVALID_PARAMS
    await client.status()
    assert client.seen("window/showMessage") == []


async def test_bytes_that_are_no_message(start: Start, project: Path) -> None:
    client = await begun(start, project)
    client.write(b"Content-Length: 3\r\n\r\n{x}")
    client.write(b"Content-Length: 2\r\n\r\n\xff\xff")
    client.write(b"Nonsense\r\n\r\n")
    client.write(encode([1, 2]))
    client.write(encode({"jsonrpc": "2.0", "id": None, "method": "shutdown"}))
    client.write(encode({"jsonrpc": "2.0", "id": "unasked", "result": 3}))
    client.write(b"Content-Length: 100000\r\n\r\n" + b"[" * 100_000)
    await client.status()
    assert client.replies[None] == 5
    assert client.seen("window/showMessage") == []


async def test_malformed_notifications_are_ignored(start: Start, project: Path) -> None:
    client = await begun(start, project)
    uri = (project / "a.py").as_uri()
    client.did_open(uri, "x = 1\n")
    client.notify("textDocument/didChange", {"textDocument": {"uri": uri}})
    client.notify("textDocument/didOpen", None)
    client.notify("$/cancelRequest", {})
    client.notify("$/cancelRequest", {"id": 12345})
    client.notify("no/such/notification", {})
    client.insert("file:///never/opened.py", 2, 0, 0, "x")
    assert (await client.status())["server"]["documents"] == 1
    assert client.seen("window/showMessage") == []


async def test_requests_before_the_handshake_and_after_the_end(start: Start, project: Path) -> None:
    client = await start()
    early = client.send("textDocument/inlineCompletion", {})
    assert await code_of(early) == NOT_INITIALIZED
    await client.initialize(project, options=OPTIONS)
    assert await code_of(client.send("initialize", {"capabilities": {}})) == INVALID_REQUEST
    assert await code_of(client.send("no/such/request", {})) == METHOD_NOT_FOUND
    await client.request("shutdown", None)
    assert await code_of(client.send("workspace/executeCommand", {})) == INVALID_REQUEST
    client.notify("exit", None)
    assert await client.wait() == 0


async def test_exit_without_shutdown_is_an_error(start: Start, project: Path) -> None:
    client = await begun(start, project)
    client.notify("exit", None)
    assert await client.wait() == 1


async def test_a_client_that_vanishes_ends_the_server(start: Start, project: Path) -> None:
    client = await begun(start, project)
    assert client.process.stdin is not None
    client.process.stdin.close()
    assert await client.wait() == 1


async def test_running_requests_are_answered_when_the_session_ends(start: Start, project: Path) -> None:
    client = await start()
    await client.initialize(project, options={"completion": {"maxLatencyMs": 60_000}})
    uri = (project / "a.py").as_uri()
    client.did_open(uri, "# FILL=x\n# STEPS=100000\nx = \n")
    asked = client.ask(uri, 2, 4)
    await asyncio.sleep(0.3)
    assert await client.close() == 0
    assert "error" in await asyncio.wait_for(asked, 30)


async def test_nothing_of_a_document_is_logged(start: Start, project: Path) -> None:
    client = await begun(start, project)
    marker = "TOP_SECRET_NAME"
    client.did_open((project / "a.py").as_uri(), f"{marker} = 1\n")
    broken = {"textDocument": {"uri": marker}, "position": {"line": marker}, "contentChanges": [{"text": 3}]}
    client.send("textDocument/inlineCompletion", broken)
    client.notify("textDocument/didChange", broken)
    client.notify("textDocument/didOpen", {"textDocument": {"text": marker}})
    client.write(encode({"jsonrpc": "2.0", "method": marker})[:-1] + b"]")
    await client.close()
    assert marker.encode() not in client.stderr
