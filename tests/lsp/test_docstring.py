"""refactor.rewrite.docstring with its resolve, and the command codeworld.generateDocstring."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lsp.conftest import Start
from tests.lsp.test_repair import OFFLINE, actions, applied, at

CODE = 'é = "😀"\n\n\ndef find_box(boxes: list) -> list:\n    first = boxes[0]\n    return first\n'
WRITTEN = CODE.replace("-> list:\n", '-> list:\n    """Find box."""\n')


@pytest.fixture
def uri(project: Path) -> str:
    (project / "box.py").write_text(CODE)
    return (project / "box.py").as_uri()


async def test_the_action_is_resolved(start: Start, project: Path, uri: str) -> None:
    client = await start()
    capabilities = await client.initialize(project, options=OFFLINE)
    assert "refactor.rewrite.docstring" in capabilities["codeActionProvider"]["codeActionKinds"]
    client.did_open(uri, CODE)
    assert await actions(client, uri, at(1), only=["refactor"]) == []
    assert await actions(client, uri, at(3), only=["quickfix"]) == []
    (action,) = await actions(client, uri, at(3), only=["refactor.rewrite"])
    assert action["kind"] == "refactor.rewrite.docstring"
    assert "edit" not in action
    reply = await client.request("codeAction/resolve", action)
    assert applied(CODE, reply["result"]["edit"]["changes"][uri]) == WRITTEN


async def test_asked_for_by_its_kind_the_cursor_may_be_anywhere_in_the_function(
    start: Start, project: Path, uri: str
) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    client.did_open(uri, CODE)
    assert await actions(client, uri, at(5), only=["refactor.rewrite"]) == []
    (action,) = await actions(client, uri, at(5), only=["refactor.rewrite.docstring"])
    assert action["data"]["qualname"] == "find_box"


async def test_an_action_of_an_old_text_is_refused(start: Start, project: Path, uri: str) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    client.did_open(uri, CODE)
    (action,) = await actions(client, uri, at(3), only=["refactor.rewrite.docstring"])
    client.insert(uri, 2, 0, 0, "# ")
    reply = await client.request("codeAction/resolve", action)
    assert reply["result"]["disabled"]["reason"] == "the document has changed"


async def test_a_docstring_that_is_true_is_left_alone(start: Start, project: Path, uri: str) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    client.did_open(uri, WRITTEN)
    (action,) = await actions(client, uri, at(4), only=["refactor.rewrite.docstring"])
    reply = await client.request("codeAction/resolve", action)
    assert "edit" not in reply["result"]
    assert reply["result"]["disabled"]["reason"].startswith("up-to-date")
    (told,) = client.seen(
        "window/showMessage"
    )  # no editor shows why an action that it offered came to nothing
    assert told["message"].startswith("Codeworld: update the docstring of find_box: up-to-date")


async def test_the_command_asks_the_editor_to_apply(start: Start, project: Path, uri: str) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    client.did_open(uri, CODE)
    command = {"command": "codeworld.generateDocstring", "arguments": [uri, "find_box", "numpy"]}
    reply = await client.request("workspace/executeCommand", command)
    assert reply["result"]["offers"][0]["phrases"][0] == {
        "slot": "summary",
        "text": "Find box.",
        "source": "name",
    }
    (asked,) = client.seen("workspace/applyEdit")
    assert "    boxes : list\n" in applied(CODE, asked["edit"]["changes"][uri])
    kinds = [one["value"]["kind"] for one in client.seen("$/progress")]
    assert (kinds[0], kinds[-1]) == ("begin", "end")


async def test_what_is_ignored_or_does_not_parse(start: Start, project: Path, uri: str) -> None:
    (project / ".gitignore").write_text("ignored.py\n")
    ignored = (project / "ignored.py").as_uri()
    client = await start()
    await client.initialize(project, options=OFFLINE)
    client.did_open(ignored, CODE)
    assert await actions(client, ignored, at(3), only=["refactor"]) == []
    client.did_open(uri, "def find_box(:\n    pass\n")
    assert await actions(client, uri, at(0), only=["refactor"]) == []
    command = {"command": "codeworld.generateDocstring", "arguments": [uri]}
    reply = await client.request("workspace/executeCommand", command)
    assert reply["result"] == {"applied": False, "reason": "does-not-parse: line 1"}


@pytest.mark.parametrize("arguments", [[], [5], ["untitled:x"], ["file:///nowhere.py", 3]])
async def test_what_is_no_open_document_is_refused(
    start: Start, project: Path, arguments: list[object]
) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    command = {"command": "codeworld.generateDocstring", "arguments": arguments}
    reply = await client.request("workspace/executeCommand", command)
    assert reply["error"]["code"] == -32602
