"""source.generateTests: offered, resolved, applied into a real repository's own tests, whose own command is green."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lsp_client import CAPABILITIES, WireClient
from tests.lsp.conftest import Start
from tests.lsp.test_repair import applied, at

OPTIONS = {
    "engine": {"spawn": False, "preload": False},
    "index": {"enabled": False},
    "tests": {"trusted": True, "budgetS": 2},
}
EDITING = CAPABILITIES | {
    "workspace": {
        "workspaceEdit": {
            "documentChanges": True,
            "resourceOperations": ["create"],
            "changeAnnotationSupport": {"groupsOnLabel": False},
        }
    }
}
SOURCE = '''"""é😀"""


def sign(number: int) -> int:
    """-1, 0 or 1."""
    if number < 0:
        return -1
    return 1 if number > 0 else 0
'''
EXISTING = """import pytest


def test_that_is_there():
    assert True  # é😀
"""


async def begin(start: Start, project: Path, **changed: Any) -> tuple[WireClient, str]:
    (project / "signs.py").write_text(SOURCE)
    client = await start()
    await client.initialize(project, options=OPTIONS | changed, capabilities=EDITING)
    uri = (project / "signs.py").as_uri()
    client.did_open(uri, SOURCE)
    return client, uri


async def ask(client: WireClient, uri: str, line: int, **context: Any) -> list[dict[str, Any]]:
    params = {
        "textDocument": {"uri": uri},
        "range": at(line),
        "context": {"diagnostics": [], **context},
    }
    reply = await client.request("textDocument/codeAction", params)
    result: list[dict[str, Any]] = reply["result"]
    return result


def run_tests(project: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)


async def test_a_new_file_is_created_and_passes(start: Start, project: Path) -> None:
    client, uri = await begin(start, project)
    (action,) = await ask(client, uri, 5, only=["source"])
    assert action["kind"] == "source.generateTests"
    assert action["title"].endswith("tests of sign")
    assert "edit" not in action
    reply = await client.request("codeAction/resolve", action, 110)
    create, change = reply["result"]["edit"]["documentChanges"]
    path = project / "tests" / "test_signs.py"
    assert create["kind"] == "create"
    assert create["uri"] == change["textDocument"]["uri"] == path.as_uri()
    (annotation,) = reply["result"]["edit"]["changeAnnotations"].values()
    assert annotation["needsConfirmation"] is True
    assert not path.exists()
    path.parent.mkdir()
    path.write_text(change["edits"][0]["newText"])
    assert run_tests(project).returncode == 0
    (project / "signs.py").write_text(SOURCE.replace("-1\n", "-2\n"))
    assert run_tests(project).returncode == 1


async def test_an_editor_that_announces_only_that_it_creates_files(start: Start, project: Path) -> None:
    """As Neovim does."""
    (project / "signs.py").write_text(SOURCE)
    client = await start()
    edits = {"workspace": {"workspaceEdit": {"resourceOperations": ["rename", "create", "delete"]}}}
    await client.initialize(project, options=OPTIONS, capabilities=CAPABILITIES | edits)
    uri = (project / "signs.py").as_uri()
    client.did_open(uri, SOURCE)
    reply = await client.request(
        "workspace/executeCommand", {"command": "codeworld.generateTests", "arguments": [uri, "sign"]}, 110
    )
    assert reply["result"]["new"] is True
    (asked,) = client.seen("workspace/applyEdit")
    create, _ = asked["edit"]["documentChanges"]
    assert create["uri"] == (project / "tests" / "test_signs.py").as_uri()


async def test_an_editor_that_cannot_create_files_is_told(start: Start, project: Path) -> None:
    (project / "signs.py").write_text(SOURCE)
    client = await start()
    await client.initialize(project, options=OPTIONS)
    uri = (project / "signs.py").as_uri()
    client.did_open(uri, SOURCE)
    reply = await client.request(
        "workspace/executeCommand", {"command": "codeworld.generateTests", "arguments": [uri, "sign"]}, 110
    )
    assert reply["result"] == {"applied": False, "reason": "the editor cannot create files"}


async def test_the_command_extends_the_file_that_is_there(start: Start, project: Path) -> None:
    path = project / "tests" / "test_signs.py"
    path.parent.mkdir()
    path.write_text(EXISTING)
    client, uri = await begin(start, project)
    command = {"command": "codeworld.generateTests", "arguments": [uri, "sign"]}
    reply = await client.request("workspace/executeCommand", command, 110)
    assert reply["result"]["tests"] >= 3
    assert reply["result"]["path"] == str(path)
    (asked,) = client.seen("workspace/applyEdit")
    (change,) = asked["edit"]["documentChanges"]
    after = applied(EXISTING, change["edits"])
    assert after.startswith("import pytest\nfrom signs import sign\n")
    assert EXISTING.partition("\n")[2] in after
    path.write_text(after)
    assert run_tests(project).returncode == 0
    kinds = [one["value"]["kind"] for one in client.seen("$/progress")]
    assert (kinds[0], kinds[-1]) == ("begin", "end")


async def test_an_untrusted_workspace_is_not_run(start: Start, project: Path) -> None:
    client, uri = await begin(start, project, tests={"trusted": False})
    (action,) = await ask(client, uri, 5)
    assert "trusted" in action["disabled"]["reason"]
    reply = await client.request("codeAction/resolve", action)
    assert "edit" not in reply["result"]
    command = {"command": "codeworld.generateTests", "arguments": [uri]}
    reply = await client.request("workspace/executeCommand", command)
    assert reply["result"]["applied"] is False
    assert "trusted" in reply["result"]["reason"]


@pytest.mark.parametrize(
    "context", [{"only": ["quickfix"]}, {"only": ["source.organizeImports"]}, {"triggerKind": 2}]
)
async def test_it_is_not_offered(start: Start, project: Path, context: dict[str, Any]) -> None:
    client, uri = await begin(start, project)
    assert await ask(client, uri, 5, **context) == []


async def test_an_action_of_an_old_text_is_refused(start: Start, project: Path) -> None:
    client, uri = await begin(start, project)
    (action,) = await ask(client, uri, 5)
    client.insert(uri, 2, 0, 0, "# ")
    reply = await client.request("codeAction/resolve", action)
    assert reply["result"]["disabled"]["reason"] == "the document has changed"


async def test_unsaved_tests_are_left_alone(start: Start, project: Path) -> None:
    path = project / "tests" / "test_signs.py"
    path.parent.mkdir()
    path.write_text(EXISTING)
    client, uri = await begin(start, project)
    client.did_open(path.as_uri(), EXISTING + "# more\n")
    command = {"command": "codeworld.generateTests", "arguments": [uri]}
    reply = await client.request("workspace/executeCommand", command, 110)
    assert "not saved" in reply["result"]["reason"]
    assert not client.seen("workspace/applyEdit")


async def test_the_bar_can_be_cancelled(start: Start, project: Path) -> None:
    slow = "import time\n\n\ndef wait(number: int) -> int:\n    time.sleep(60)\n    return number\n"
    (project / "slow.py").write_text(slow)
    client, _ = await begin(start, project, tests={"trusted": True, "budgetS": 600})
    uri = (project / "slow.py").as_uri()
    client.did_open(uri, slow)
    command = {"command": "codeworld.generateTests", "arguments": [uri]}
    reply = client.send("workspace/executeCommand", command)
    await client.until(lambda: client.seen("$/progress"))
    client.notify("window/workDoneProgress/cancel", {"token": client.seen("$/progress")[0]["token"]})
    answer = await asyncio.wait_for(reply, 60)
    assert answer["error"]["code"] == -32800


@pytest.mark.parametrize("arguments", [[], [5], ["file:///nowhere.py"], ["untitled:x", 3]])
async def test_what_is_no_open_document_is_refused(
    start: Start, project: Path, arguments: list[object]
) -> None:
    client, _ = await begin(start, project)
    command = {"command": "codeworld.generateTests", "arguments": arguments}
    reply = await client.request("workspace/executeCommand", command)
    assert reply["error"]["code"] == -32602
