"""The command codeworld.commitMessage."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lsp.conftest import Start
from tests.textdiff.repository import Repository

OFFLINE = {"engine": {"spawn": False, "preload": False}, "index": {"enabled": False}}


@pytest.mark.parametrize("named", [True, False])
async def test_the_message_of_what_is_staged(start: Start, tmp_path: Path, named: bool) -> None:
    repo = Repository(tmp_path / "repo")
    repo.commit("Start", a_py="x = 1\n")
    client = await start()
    await client.initialize(repo.root, options=OFFLINE)
    command = {
        "command": "codeworld.commitMessage",
        "arguments": [repo.root.as_uri()] if named else [],
    }
    reply = await client.request("workspace/executeCommand", command)
    assert (reply["result"]["message"], reply["result"]["reason"]) == ("", "nothing-staged")
    repo.stage("box.py", "def take():\n    pass\n")
    reply = await client.request("workspace/executeCommand", command)
    assert reply["result"]["message"] == "Add box\n"
    assert reply["result"]["phrases"][0]["source"] == "facts"
    kinds = [one["value"]["kind"] for one in client.seen("$/progress")]
    assert (kinds[0], kinds[-1]) == ("begin", "end")


@pytest.mark.parametrize("arguments", [[5], ["file:///nowhere"], ["untitled:x"]])
async def test_what_is_no_folder_of_the_workspace(
    start: Start, project: Path, arguments: list[object]
) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    reply = await client.request(
        "workspace/executeCommand", {"command": "codeworld.commitMessage", "arguments": arguments}
    )
    assert reply["error"]["code"] == -32602
