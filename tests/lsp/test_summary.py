"""codeworld.summarizeRepository: the page, progress, cancellation, and what it must refuse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from benchmarks.lsp_client import CAPABILITIES
from tests.lsp.conftest import Start

OFFLINE = {"engine": {"spawn": False, "preload": False}, "index": {"enabled": False}}
COMMAND = "codeworld.summarizeRepository"


@pytest.fixture
def cache(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


async def test_the_first_folder_or_the_one_named(start: Start, project: Path, cache: dict[str, str]) -> None:
    (project / "inner").mkdir()
    (project / "inner" / "deep.py").write_text('"""Deep down."""\n')
    client = await start(cache)
    await client.initialize(project, options=OFFLINE)
    whole = await client.request("workspace/executeCommand", {"command": COMMAND})
    assert whole["result"]["page"].startswith("# project\n")
    assert "`known`" in whole["result"]["page"]
    arguments = [(project / "inner").as_uri()]
    part = await client.request("workspace/executeCommand", {"command": COMMAND, "arguments": arguments})
    assert "Deep down. [`deep.py:1`](deep.py#L1)" in part["result"]["page"]
    again = await client.request("workspace/executeCommand", {"command": COMMAND})
    assert (whole["result"]["changed"], again["result"]["changed"]) == (2, 0)
    assert again["result"]["page"] == whole["result"]["page"]


async def test_links_lead_from_where_the_page_will_lie(
    start: Start, project: Path, cache: dict[str, str], tmp_path: Path
) -> None:
    client = await start(cache)
    await client.initialize(project, options=OFFLINE)
    arguments = [project.as_uri(), (tmp_path / "pages" / "page.md").as_uri()]
    reply = await client.request("workspace/executeCommand", {"command": COMMAND, "arguments": arguments})
    assert "(../project/known.py#L1)" in reply["result"]["page"]
    assert not (tmp_path / "pages").exists()
    wrong = {"command": COMMAND, "arguments": [project.as_uri(), "untitled:x"]}
    assert (await client.request("workspace/executeCommand", wrong))["error"]["code"] == -32602


@pytest.mark.parametrize("argument", [5, "nonsense", "file:///", "untitled:x"])
async def test_what_is_no_folder_of_the_workspace_is_refused(
    start: Start, project: Path, cache: dict[str, str], argument: object
) -> None:
    client = await start(cache)
    await client.initialize(project, options=OFFLINE)
    reply = await client.request("workspace/executeCommand", {"command": COMMAND, "arguments": [argument]})
    assert reply["error"]["code"] == -32602


async def test_progress_is_shown_and_ends(start: Start, project: Path, cache: dict[str, str]) -> None:
    client = await start(cache)
    await client.initialize(project, options=OFFLINE, capabilities=CAPABILITIES)
    await client.request("workspace/executeCommand", {"command": COMMAND})
    kinds = [one["value"]["kind"] for one in client.seen("$/progress")]
    assert kinds[0] == "begin"
    assert kinds[-1] == "end"
    assert "report" in kinds


async def test_a_cancelled_request_is_answered_as_such(
    start: Start, project: Path, cache: dict[str, str]
) -> None:
    _make_large(project)
    client = await start(cache)
    await client.initialize(project, options=OFFLINE)
    reply = client.send("workspace/executeCommand", {"command": COMMAND}, request_id="stop-me")
    client.notify("$/cancelRequest", {"id": "stop-me"})
    answer = await asyncio.wait_for(reply, 20)
    assert answer["error"]["code"] == -32800
    assert (await client.status())["folders"]  # and the server goes on


async def test_the_bar_can_be_cancelled(start: Start, project: Path, cache: dict[str, str]) -> None:
    _make_large(project)
    client = await start(cache)
    await client.initialize(project, options=OFFLINE)
    reply = client.send("workspace/executeCommand", {"command": COMMAND})
    await client.until(lambda: client.seen("$/progress"))
    client.notify("window/workDoneProgress/cancel", {"token": client.seen("$/progress")[0]["token"]})
    answer = await asyncio.wait_for(reply, 20)
    assert answer["error"]["code"] == -32800
    assert not (Path(cache["XDG_CACHE_HOME"])).exists()  # nothing was finished
    await client.until(lambda: client.seen("$/progress")[-1]["value"]["kind"] == "end")


def _make_large(project: Path) -> None:
    """Enough work that it cannot be done before the next message is read."""
    for number in range(400):
        (project / f"module{number}.py").write_text("import os\nx = [1, 2, 3]\n" * 400)
