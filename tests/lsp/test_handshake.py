"""Ordinary sessions, through pytest-lsp's client as other people's tests would drive the server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_lsp
from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

URI = "file:///nowhere/a.py"


def capabilities() -> lsp.ClientCapabilities:
    found = client_capabilities("neovim")  # its newest profile is 0.11, which knows no inline completion
    assert found.text_document is not None
    assert found.window is not None
    found.text_document.inline_completion = lsp.InlineCompletionClientCapabilities(dynamic_registration=True)
    found.window.work_done_progress = True
    return found


@pytest_lsp.fixture(config=ClientServerConfig(server_command=[sys.executable, "-m", "lsp_server"]))
async def client(lsp_client: LanguageClient, tmp_path: Path) -> AsyncIterator[None]:
    options = {"engine": {"preload": False, "spawn": False}}
    params = lsp.InitializeParams(
        capabilities=capabilities(), root_uri=tmp_path.as_uri(), initialization_options=options
    )
    result = await lsp_client.initialize_session(params)
    lsp_client.announced = result.capabilities
    yield
    await lsp_client.shutdown_session()


async def test_everything_is_announced(client: LanguageClient) -> None:
    announced: lsp.ServerCapabilities = client.announced
    assert announced.inline_completion_provider == lsp.InlineCompletionOptions()
    assert announced.completion_provider is not None
    assert announced.completion_provider.trigger_characters is None
    assert announced.execute_command_provider is not None
    commands = {
        "codeworld.commitMessage",
        "codeworld.fix",
        "codeworld.generateDocstring",
        "codeworld.generateTests",
        "codeworld.status",
        "codeworld.summarizeRepository",
    }
    assert set(announced.execute_command_provider.commands) == commands
    sync = announced.text_document_sync
    assert isinstance(sync, lsp.TextDocumentSyncOptions)
    assert (sync.open_close, sync.change) == (True, lsp.TextDocumentSyncKind.Incremental)
    assert announced.workspace is not None
    assert announced.workspace.workspace_folders is not None
    assert announced.position_encoding in ("utf-8", "utf-16", "utf-32")


async def test_a_session_without_an_engine_answers_with_an_empty_list(client: LanguageClient) -> None:
    item = lsp.TextDocumentItem(URI, "python", 1, "x = \n")
    client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
    params = lsp.InlineCompletionParams(
        lsp.InlineCompletionContext(lsp.InlineCompletionTriggerKind.Automatic),
        lsp.TextDocumentIdentifier(URI),
        lsp.Position(0, 4),
    )
    assert await asyncio.wait_for(client.text_document_inline_completion_async(params), 30) == []


async def test_status_is_answered(client: LanguageClient) -> None:
    params = lsp.ExecuteCommandParams("codeworld.status")
    answer = await asyncio.wait_for(client.workspace_execute_command_async(params), 30)
    assert answer["server"]["heavy_modules"] == []
    assert answer["engine"]["reason"] == "unavailable"


async def test_an_unknown_command_is_invalid(client: LanguageClient) -> None:
    params = lsp.ExecuteCommandParams("codeworld.dance")
    with pytest.raises(JsonRpcException) as caught:
        await asyncio.wait_for(client.workspace_execute_command_async(params), 30)
    assert caught.value.code == lsp.ErrorCodes.InvalidParams


@pytest.mark.parametrize("offered", [["utf-8", "utf-16"], ["utf-16"], ["utf-32", "utf-8"], None])
async def test_the_clients_first_position_encoding_is_taken(offered: list[str] | None) -> None:
    from benchmarks.lsp_client import WireClient

    client = await WireClient.start()
    general = {"general": {"positionEncodings": offered}} if offered else {}
    announced = await client.initialize(capabilities=general)
    assert announced["positionEncoding"] == (offered or ["utf-16"])[0]
    assert await client.close() == 0
