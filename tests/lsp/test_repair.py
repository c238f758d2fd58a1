"""Diagnostics → code action → resolve → edit, and the command codeworld.fix with its tests in the sandbox."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lsp_client import CAPABILITIES, WireClient
from tests.lsp.conftest import Start

OFFLINE = {"engine": {"spawn": False, "preload": False}, "index": {"enabled": False}}
VERSIONED = CAPABILITIES | {"workspace": {"workspaceEdit": {"documentChanges": True}}}
BROKEN = "é = '😀'\nfor x in range(3)\n    print(x)  # kept\n"
FIXED = "é = '😀'\nfor x in range(3):\n    print(x)  # kept\n"


def at(line: int, start: int = 0, end: int = 0) -> dict[str, Any]:
    return {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}


async def actions(
    client: WireClient, uri: str, where: dict[str, Any], **context: Any
) -> list[dict[str, Any]]:
    params = {"textDocument": {"uri": uri}, "range": where, "context": {"diagnostics": [], **context}}
    reply = await client.request("textDocument/codeAction", params)
    result: list[dict[str, Any]] = reply["result"]
    return result


def applied(text: str, edits: list[dict[str, Any]]) -> str:
    """The edits of one document; the text has one UTF-16 unit per character on the lines that they touch."""
    lines = text.splitlines(keepends=True)
    starts = [sum(map(len, lines[:row])) for row in range(len(lines) + 1)]
    for edit in sorted(edits, key=lambda one: -one["range"]["start"]["line"]):
        start, end = (
            starts[p["line"]] + p["character"] for p in (edit["range"]["start"], edit["range"]["end"])
        )
        text = text[:start] + edit["newText"] + text[end:]
    return text


@pytest.fixture
def broken(project: Path) -> str:
    (project / "broken.py").write_text(BROKEN)
    return (project / "broken.py").as_uri()


async def test_the_fix_of_a_diagnostic(start: Start, project: Path, broken: str) -> None:
    client = await start()
    capabilities = await client.initialize(project, options=OFFLINE)
    provider = capabilities["codeActionProvider"]
    assert "quickfix" in provider["codeActionKinds"]
    assert provider["resolveProvider"]
    client.did_open(broken, BROKEN)
    diagnostic = {"range": at(1, 17, 17), "message": "expected ':'", "source": "linter"}
    (action,) = await actions(client, broken, at(1), diagnostics=[diagnostic], only=["quickfix"])
    assert action["kind"] == "quickfix"
    assert action["diagnostics"] == [diagnostic]
    assert "edit" not in action
    reply = await client.request("codeAction/resolve", action)
    assert applied(BROKEN, reply["result"]["edit"]["changes"][broken]) == FIXED


async def test_edits_are_minimal_and_of_a_version(start: Start, project: Path, broken: str) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE, capabilities=VERSIONED)
    client.did_open(broken, BROKEN, version=7)
    (action,) = await actions(client, broken, at(1))
    reply = await client.request("codeAction/resolve", action)
    (change,) = reply["result"]["edit"]["documentChanges"]
    assert change["textDocument"] == {"uri": broken, "version": 7}
    assert change["edits"] == [{"range": at(1, 17, 17), "newText": ":"}]


@pytest.mark.parametrize(
    ("text", "line", "context"),
    [
        (FIXED, 1, {"only": ["quickfix"]}),  # nothing is wrong
        (BROKEN, 2, {}),  # nothing is wrong there
        (BROKEN, 1, {"only": ["refactor"]}),
        ("?" * 40 + "\n", 0, {}),  # beyond repair
    ],
)
async def test_nothing_is_offered(
    start: Start, project: Path, broken: str, text: str, line: int, context: dict[str, Any]
) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    client.did_open(broken, text)
    assert await actions(client, broken, at(line), **context) == []


async def test_an_action_of_an_old_text_is_refused(start: Start, project: Path, broken: str) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    client.did_open(broken, BROKEN)
    (action,) = await actions(client, broken, at(1))
    client.insert(broken, 2, 0, 0, "# ")
    reply = await client.request("codeAction/resolve", action)
    assert "edit" not in reply["result"]
    assert reply["result"]["disabled"]["reason"] == "the document has changed"


async def test_an_ignored_file_is_left_alone(start: Start, project: Path, broken: str) -> None:
    (project / ".gitignore").write_text("broken.py\n")
    client = await start()
    await client.initialize(project, options=OFFLINE)
    client.did_open(broken, BROKEN)
    assert await actions(client, broken, at(1)) == []


async def test_the_command_asks_the_editor_to_apply(start: Start, project: Path, broken: str) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    client.did_open(broken, BROKEN)
    reply = await client.request(
        "workspace/executeCommand", {"command": "codeworld.fix", "arguments": [broken]}
    )
    assert reply["result"]["checks"] == ["parses"]
    (asked,) = client.seen("workspace/applyEdit")
    assert applied(BROKEN, asked["edit"]["changes"][broken]) == FIXED
    kinds = [one["value"]["kind"] for one in client.seen("$/progress")]
    assert (kinds[0], kinds[-1]) == ("begin", "end")


WRONG = "def larger(a, b):\n    return a if a < b else b\n"
TEST = f'{sys.executable} -c "from shop import larger; assert larger(2, 3) == 3 and larger(5, 4) == 5"'


@pytest.mark.timeout(300)  # a hundred programs are run, each in a sandbox
async def test_a_test_finds_what_is_wrong(start: Start, project: Path) -> None:
    (project / "shop.py").write_text(WRONG)
    uri = (project / "shop.py").as_uri()
    client = await start()
    await client.initialize(project, options=OFFLINE)
    client.did_open(uri, WRONG)
    arguments = [uri, TEST]
    reply = await client.request(
        "workspace/executeCommand", {"command": "codeworld.fix", "arguments": arguments}, 180
    )
    assert reply["result"]["checks"] == ["parses", "names", "tests"]
    (asked,) = client.seen("workspace/applyEdit")
    assert applied(WRONG, asked["edit"]["changes"][uri]) in (
        WRONG.replace("<", ">"),
        WRONG.replace("<", ">="),
    )
    assert (project / "shop.py").read_text() == WRONG


async def test_the_bar_can_be_cancelled(start: Start, project: Path) -> None:
    (project / "shop.py").write_text(WRONG)
    uri = (project / "shop.py").as_uri()
    client = await start()
    await client.initialize(project, options=OFFLINE)
    client.did_open(uri, WRONG)
    arguments = [uri, f'{sys.executable} -c "import time; time.sleep(600)"']
    reply = client.send("workspace/executeCommand", {"command": "codeworld.fix", "arguments": arguments})
    await client.until(lambda: client.seen("$/progress"))
    client.notify("window/workDoneProgress/cancel", {"token": client.seen("$/progress")[0]["token"]})
    answer = await asyncio.wait_for(reply, 30)
    assert answer["error"]["code"] == -32800
    assert not client.seen("workspace/applyEdit")


async def test_completion_goes_on_meanwhile(start: Start, project: Path, broken: str) -> None:
    client = await start()
    await client.initialize(project, options={"index": {"enabled": False}})
    client.did_open(broken, BROKEN)
    typed = (project / "typed.py").as_uri()
    client.did_open(typed, "# FILL=ready()\n# STEPS=4\n\n")
    await client.until_ghost(typed, 2, 0, ["ready()"])
    ghosts = [client.ask(typed, 2, 0, invoked=True) for _ in range(20)]
    (action,) = await actions(client, broken, at(1))
    reply = await client.request("codeAction/resolve", action)
    assert applied(BROKEN, reply["result"]["edit"]["changes"][broken]) == FIXED
    assert all("error" not in one for one in await asyncio.gather(*ghosts))


@pytest.mark.parametrize("arguments", [[], [5], ["untitled:x"], ["file:///nowhere.py", 3]])
async def test_what_is_no_open_document_is_refused(
    start: Start, project: Path, arguments: list[object]
) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    reply = await client.request(
        "workspace/executeCommand", {"command": "codeworld.fix", "arguments": arguments}
    )
    assert reply["error"]["code"] == -32602
