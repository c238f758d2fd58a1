"""Ghost text as an editor sees it: real server process, real engine process, a model that says what it is told."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import msgspec
import pytest

from benchmarks.lsp_client import CAPABILITIES, WireClient, items
from codeworld.canvas import InfillRequest
from tests.lsp.conftest import Start

QUIET = {"completion": {"threshold": 0.0, "quietAfterUndoMs": 60_000}}
EAGER = {"completion": {"threshold": 0.0, "quietAfterUndoMs": 0, "maxLatencyMs": 60_000}}
CANCELLED = -32800
LOADING = "Codeworld: loading the model"


def uri_of(project: Path, name: str = "a.py") -> str:
    return (project / name).as_uri()


async def begun(start: Start, project: Path, options: object = EAGER) -> WireClient:
    client = await start()
    await client.initialize(project, options=options)
    return client


async def test_a_completion_from_the_engine(start: Start, project: Path) -> None:
    client = await begun(start, project)
    client.did_open(uri_of(project), "# FILL=compute(1)\nx = \n")
    reply = await client.ask(uri_of(project), 1, 4)
    at = {"line": 1, "character": 4}
    assert items(reply) == [{"insertText": "compute(1)", "range": {"start": at, "end": at}}]


async def test_what_was_offered_is_typed_without_asking_again(start: Start, project: Path) -> None:
    client = await begun(start, project)
    uri = uri_of(project)
    client.did_open(uri, "# FILL=compute(1)\nx = \n")
    assert await client.ghost(uri, 1, 4) == ["compute(1)"]
    asked = (await client.status())["server"]["asked"]
    for typed, letter in enumerate("comp"):
        client.insert(uri, 2 + typed, 1, 4 + typed, letter)
        assert await client.ghost(uri, 1, 5 + typed) == ["compute(1)"[typed + 1 :]]
    after = (await client.status())["server"]
    assert after["asked"] == asked
    assert after["from_memory"] == 4
    client.insert(uri, 9, 1, 8, "X")
    await client.ghost(uri, 1, 9)
    assert (await client.status())["server"]["asked"] == asked + 1


async def test_a_newer_request_supersedes(start: Start, project: Path) -> None:
    """Neovim does not cancel: the older request must be answered, with nothing, when the newer one comes."""
    client = await begun(start, project)
    uri = uri_of(project)
    client.did_open(uri, "# FILL=one(1)\n# STEPS=100000\nx = \n")
    assert await asyncio.wait_for(
        client.request("workspace/executeCommand", {"command": "codeworld.status"}), 20
    )
    older = client.ask(uri, 2, 4)
    await asyncio.sleep(0.1)
    newer = client.ask(uri, 0, 0)
    assert items(await asyncio.wait_for(older, 30)) == []
    await asyncio.wait_for(newer, 30)


async def test_a_request_for_an_old_text_is_answered_with_nothing(start: Start, project: Path) -> None:
    client = await begun(start, project)
    uri = uri_of(project)
    client.did_open(uri, "# FILL=one(1)\n# STEPS=100000\nx = \n")
    stale = client.ask(uri, 2, 4)
    await asyncio.sleep(0.1)
    client.insert(uri, 2, 2, 4, "y")
    assert items(await asyncio.wait_for(stale, 30)) == []


async def test_a_request_is_about_the_text_when_it_was_sent(start: Start, project: Path) -> None:
    """Request and change arrive in one piece: the request must not be answered for the changed text."""
    client = await begun(start, project)
    uri = uri_of(project)
    client.did_open(uri, "# FILL=compute(1)\nx = \n")
    await client.ghost(uri, 0, 0)
    stale = [client.ask(uri, 1, 4)]
    client.insert(uri, 2, 1, 0, "\n")
    stale.append(client.ask(uri, 1, 0))
    client.insert(uri, 3, 1, 0, "yy = ")
    assert [items(await asyncio.wait_for(one, 30)) for one in stale] == [[], []]


async def test_what_is_found_late_answers_the_next_keystroke(start: Start, project: Path) -> None:
    client = await begun(start, project)
    uri = uri_of(project)
    client.did_open(uri, "# FILL=one(1)\n# STEPS=100\nx = \n")
    stale = client.ask(uri, 2, 4)
    await asyncio.sleep(0.1)
    client.insert(uri, 2, 2, 4, "o")
    assert items(await stale) == []
    await until_served(client, 1)
    assert await client.ghost(uri, 2, 5) == ["ne(1)"]
    assert (await client.status())["server"]["asked"] == 1


async def until_served(client: WireClient, count: int) -> None:
    async with asyncio.timeout(30):
        while (await client.status())["engine"].get("served", 0) < count:
            await asyncio.sleep(0.02)


def recorded(record: Path) -> list[InfillRequest]:
    lines = record.read_bytes().splitlines() if record.exists() else []
    return [msgspec.json.decode(line, type=InfillRequest) for line in lines]


async def test_what_comes_after_an_accept_is_known_by_then(
    start: Start, project: Path, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    client = await start({"CODEWORLD_TOLD_RECORD": str(record)})
    await client.initialize(project, options=EAGER)
    await client.until_indexed()
    uri = uri_of(project)
    client.did_open(uri, "# FILL=prepare_everything()\n\n")
    assert await client.ghost(uri, 1, 0) == ["prepare_everything()"]
    await until_served(client, 3)
    asked, behind, below = recorded(record)
    assert behind.prefix == asked.prefix + "prepare_everything()"
    assert below.prefix == behind.prefix + "\n"
    assert [seed.text for seed in below.seeds] == ["launch_the_rocket()"], "it is asked as it will be asked"
    client.insert(uri, 2, 1, 0, "prepare_everything()\n")
    assert await client.ghost(uri, 2, 0) == []  # the line above again
    assert (await client.status())["server"]["asked"] == 2
    assert recorded(record)[3:] == [], "the model was not asked"


async def test_cancel_stops_the_engine(start: Start, project: Path) -> None:
    client = await begun(start, project)
    uri = uri_of(project)
    client.did_open(uri, "# FILL=one(1)\n# STEPS=100000\nx = \n")
    asked = client.ask(uri, 2, 4, request_id="mine")
    await asyncio.sleep(0.5)
    client.notify("$/cancelRequest", {"id": "mine"})
    reply = await asyncio.wait_for(asked, 30)
    assert reply["error"]["code"] == CANCELLED
    client.did_open(uri_of(project, "b.py"), "# FILL=two(2)\nx = \n")
    assert await client.ghost(uri_of(project, "b.py"), 1, 4) == ["two(2)"]  # the model is free again


@pytest.mark.parametrize(("encoding", "wider"), [("utf-8", 6), ("utf-16", 2), ("utf-32", 0)])
async def test_columns_count_the_clients_units(
    start: Start, project: Path, encoding: str, wider: int
) -> None:
    client = await start()
    general = {"positionEncodings": [encoding]}
    await client.initialize(project, options=EAGER, capabilities={**CAPABILITIES, "general": general})
    uri = uri_of(project)
    client.did_open(uri, '# FILL=compute(1)\nsmile = "😀😀"; x = \n')
    column = len('smile = "😀😀"; x = ') + wider
    reply = await client.ask(uri, 1, column)
    assert [item["range"]["start"]["character"] for item in items(reply)] == [column]
    client.insert(uri, 2, 1, column, "c")
    assert await client.ghost(uri, 1, column + 1) == ["ompute(1)"]


async def test_nothing_right_after_a_deletion_unless_asked(start: Start, project: Path) -> None:
    client = await begun(start, project, QUIET)
    uri = uri_of(project)
    client.did_open(uri, "# FILL=compute(1)\nx = y\n")
    end = {"line": 1, "character": 5}
    client.did_change(uri, 2, {"range": {"start": {"line": 1, "character": 4}, "end": end}, "text": ""})
    assert await client.ghost(uri, 1, 4) == []
    assert await client.ghost(uri, 1, 4, invoked=True) == ["compute(1)"]


async def test_a_position_beyond_the_text_gets_nothing(start: Start, project: Path) -> None:
    client = await begun(start, project)
    client.did_open(uri_of(project), "# FILL=compute(1)\nx = ")
    assert await client.ghost(uri_of(project), 7, 0) == []
    assert await client.ghost(uri_of(project), 1, 999) == ["compute(1)"]  # clamped to the unterminated line


@pytest.mark.parametrize("name", [".env.py", "ignored.py", "b/deep.py"])
async def test_ignored_files_get_nothing_and_are_not_read(start: Start, project: Path, name: str) -> None:
    (project / ".gitignore").write_text("ignored.py\nb/\n")
    (project / "b").mkdir()
    (project / name).write_text("x = 1\n")
    client = await begun(start, project)
    client.did_open(uri_of(project, name), "# FILL=compute(1)\nx = \n")
    assert await client.ghost(uri_of(project, name), 1, 4) == []
    status = await client.status()
    assert status["server"]["asked"] == 0
    await client.until(lambda: client.seen("$/progress"))
    assert status["folders"][0]["files"] in (0, 1)


async def test_a_file_becomes_ignored_while_it_is_open(start: Start, project: Path) -> None:
    client = await begun(start, project)
    uri = uri_of(project)
    client.did_open(uri, "# FILL=compute(1)\nx = \n")
    assert await client.ghost(uri, 1, 4) == ["compute(1)"]
    (project / ".codeworldignore").write_text("a.py\n")
    changed = {"uri": (project / ".codeworldignore").as_uri(), "type": 1}
    client.notify("workspace/didChangeWatchedFiles", {"changes": [changed]})
    await client.until_ghost(uri, 1, 4, [])


async def test_a_file_of_ten_megabytes_gets_nothing(start: Start, project: Path) -> None:
    client = await begun(start, project)
    client.did_open(uri_of(project), "# FILL=compute(1)\nx = \n" + "y = 1\n" * 1_700_000)
    assert await client.ghost(uri_of(project), 1, 4) == []
    assert (await client.status())["server"]["documents"] == 0


async def test_another_language_gets_nothing(start: Start, project: Path) -> None:
    client = await begun(start, project)
    client.did_open(uri_of(project, "a.txt"), "# FILL=compute(1)\nx = \n", language="plaintext")
    assert await client.ghost(uri_of(project, "a.txt"), 1, 4) == []
    assert await client.ghost(uri_of(project, "never-opened.py"), 0, 0) == []


async def test_a_killed_engine_is_started_again(start: Start, project: Path) -> None:
    client = await begun(start, project)
    uri = uri_of(project)
    client.did_open(uri, "# FILL=one(1)\n# STEPS=100000\nx = \n")
    asked = client.ask(uri, 2, 4)
    async with asyncio.timeout(30):
        while (engine := (await client.status())["engine"]).get("state") != "ready":
            await asyncio.sleep(0.02)
    os.kill(engine["pid"], signal.SIGKILL)
    assert items(await asyncio.wait_for(asked, 30)) == []
    client.did_open(uri_of(project, "b.py"), "# FILL=two(2)\nx = \n")
    assert await client.ghost(uri_of(project, "b.py"), 1, 4) == ["two(2)"]
    assert (await client.status())["engine"]["pid"] != engine["pid"]
    assert ["engine.crash" in one["message"] for one in client.seen("window/logMessage")] == [True]
    assert client.seen("window/showMessage") == []


async def test_an_idle_model_is_unloaded_and_loaded_again_unnoticed(start: Start, project: Path) -> None:
    client = await start({"CODEWORLD_IDLE_S": "0.2"})
    await client.initialize(project, options=EAGER)
    client.did_open(uri_of(project), "# FILL=one(1)\nx = \n")
    assert await client.ghost(uri_of(project), 1, 4) == ["one(1)"]
    async with asyncio.timeout(30):
        while (await client.status())["engine"].get("state") == "ready":
            await asyncio.sleep(0.05)
    client.did_open(uri_of(project, "b.py"), "# FILL=two(2)\nx = \n")
    assert await client.ghost(uri_of(project, "b.py"), 1, 4) == ["two(2)"]
    assert client.seen("window/showMessage") == client.seen("window/logMessage") == []


async def test_two_editors_share_one_engine_and_do_not_supersede_each_other(
    start: Start, project: Path
) -> None:
    clients = [await begun(start, project) for _ in range(2)]
    for client in clients:
        client.did_open(uri_of(project), "# FILL=one(1)\n# STEPS=20\nx = \n")
    asked = [client.ghost(uri_of(project), 2, 4) for client in clients]
    assert await asyncio.gather(*asked) == [["one(1)"]] * 2
    engines = [(await client.status())["engine"]["pid"] for client in clients]
    assert engines[0] == engines[1]


async def test_progress_is_shown_while_the_model_loads(start: Start, project: Path) -> None:
    client = await start({"CODEWORLD_SLOW_LOAD_S": "0.5"})
    await client.initialize(project, options=EAGER)
    client.did_open(uri_of(project), "# FILL=one(1)\nx = \n")
    assert await client.ghost(uri_of(project), 1, 4) == ["one(1)"]

    def shown() -> list[str]:
        values = [(one["token"], one["value"]) for one in client.seen("$/progress")]
        tokens = {token for token, value in values if value.get("title") == LOADING}
        return [value["kind"] for token, value in values if token in tokens]

    await client.until(lambda: shown() == ["begin", "end"])


async def test_a_model_that_cannot_be_loaded_is_told_once(start: Start, project: Path) -> None:
    client = await start({"CODEWORLD_SLOW_LOAD": "fails"})
    await client.initialize(project, options=EAGER)
    client.did_open(uri_of(project), "# FILL=one(1)\nx = \n")
    for line in (1, 0, 1):
        assert await client.ghost(uri_of(project), line, 0) == []
    messages = client.seen("window/showMessage")
    assert len(messages) == 1
    assert "no checkpoint in this test" in messages[0]["message"]


async def test_without_an_engine_the_repository_answers(start: Start, project: Path) -> None:
    client = await start()
    await client.initialize(project, options={"completion": {"threshold": 0.0}, "engine": {"spawn": False}})
    await client.until_indexed()
    client.did_open(uri_of(project), "def again():\n    prepare_everything()\n    \n")
    assert await client.ghost(uri_of(project), 2, 4) == ["launch_the_rocket()"]


async def test_the_menus_entry_is_for_editors_without_ghost_text(start: Start, project: Path) -> None:
    without = {**CAPABILITIES, "textDocument": {}}
    for capabilities, count in ((CAPABILITIES, 0), (without, 1)):
        client = await start()
        await client.initialize(project, options=EAGER, capabilities=capabilities)
        client.did_open(uri_of(project), "# FILL=compute(1)\nx = \n")
        params = {"textDocument": {"uri": uri_of(project)}, "position": {"line": 1, "character": 4}}
        reply = await client.request("textDocument/completion", params)
        assert len(items(reply)) == count


async def test_the_selected_entry_of_the_menu_is_respected(start: Start, project: Path) -> None:
    client = await begun(start, project)
    uri = uri_of(project)
    client.did_open(uri, "# FILL=pute(1)\nx = com\n")
    word = {"start": {"line": 1, "character": 4}, "end": {"line": 1, "character": 7}}
    for text, expected in (("compute", ["compute(1)"]), ("command", [])):
        params = {
            "textDocument": {"uri": uri},
            "position": {"line": 1, "character": 7},
            "context": {"triggerKind": 2, "selectedCompletionInfo": {"range": word, "text": text}},
        }
        reply = await client.request("textDocument/inlineCompletion", params)
        assert [item["insertText"] for item in items(reply)] == expected
