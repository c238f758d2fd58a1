"""Settings, folders, index, progress."""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.lsp_client import CAPABILITIES
from tests.lsp.conftest import Start

OFFLINE = {"completion": {"threshold": 0.0}, "engine": {"spawn": False, "preload": False}}
TEXT = "def again():\n    prepare_everything()\n    \n"


async def test_two_roots_have_an_index_each(start: Start, project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "known.py").write_text("def start():\n    prepare_everything()\n    open_the_gates()\n")
    client = await start()
    await client.initialize(project, other, options=OFFLINE)
    await client.until_indexed()
    offered = []
    for root in (project, other):
        uri = (root / "a.py").as_uri()
        client.did_open(uri, TEXT)
        offered.append(await client.ghost(uri, 2, 4))
    assert offered == [["launch_the_rocket()"], ["open_the_gates()"]]


async def test_folders_come_and_go(start: Start, project: Path) -> None:
    client = await start()
    await client.initialize(options=OFFLINE)
    folder = {"uri": project.as_uri(), "name": "project"}
    for added, removed, count in (([folder], [], 1), ([], [folder], 0)):
        event = {"added": added, "removed": removed}
        client.notify("workspace/didChangeWorkspaceFolders", {"event": event})
        assert len((await client.status())["folders"]) == count


async def test_saved_changed_and_deleted_files_reach_the_index(start: Start, project: Path) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    await client.until_indexed()
    saved, uri = (project / "saved.py").as_uri(), (project / "a.py").as_uri()
    client.did_open(saved, "prepare_everything()\nring_the_bell()\nprepare_everything()\nring_the_bell()\n")
    client.notify("textDocument/didSave", {"textDocument": {"uri": saved}})
    client.did_open(uri, TEXT)
    assert await client.ghost(uri, 2, 4) == ["ring_the_bell()"]  # twice there, the other once
    client.notify("textDocument/didClose", {"textDocument": {"uri": saved}})  # never on disk
    changed = {"changes": [{"uri": (project / "known.py").as_uri(), "type": 2}]}
    (project / "known.py").write_text("    prepare_everything()\n    stay_on_the_ground()\n")
    client.notify("workspace/didChangeWatchedFiles", changed)
    await client.until_ghost(uri, 2, 4, ["stay_on_the_ground()"])
    (project / "known.py").unlink()
    client.notify("workspace/didChangeWatchedFiles", {"changes": [{**changed["changes"][0], "type": 3}]})
    await client.until_ghost(uri, 2, 4, [])


async def test_ignored_files_are_not_in_the_index(start: Start, project: Path) -> None:
    (project / ".gitignore").write_text("known.py\n")
    client = await start()
    await client.initialize(project, options=OFFLINE)
    await client.until_indexed()
    uri = (project / "a.py").as_uri()
    client.did_open(uri, TEXT)
    assert await client.ghost(uri, 2, 4) == []
    assert (await client.status())["folders"][0]["files"] == 0


async def test_secrets_never_leave_the_server(start: Start, project: Path) -> None:
    key = "AKIA" + "Q3EXAMPLE7KEYZZZ"[:16].replace("E", "B")
    (project / "known.py").write_text(f"    prepare_everything()\n    connect('{key}')\n")
    client = await start()
    await client.initialize(project, options=OFFLINE)
    await client.until_indexed()
    uri = (project / "a.py").as_uri()
    client.did_open(uri, TEXT)
    assert await client.ghost(uri, 2, 4) == []
    assert key.encode() not in client.stderr


async def test_progress_is_shown_and_ended(start: Start, project: Path) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE)
    await client.until_indexed()
    await client.until(lambda: any(one["value"]["kind"] == "end" for one in client.seen("$/progress")))
    values = [one["value"] for one in client.seen("$/progress")]
    assert values[0]["kind"] == "begin"
    assert values[0]["title"] == "Codeworld: reading project"
    assert values[0]["cancellable"] is True
    assert values[-1]["kind"] == "end"


async def test_indexing_can_be_cancelled(start: Start, project: Path) -> None:
    for number in range(3_000):
        (project / f"m{number}.py").write_text(f"value = {number}\n" * 50)
    client = await start()
    await client.initialize(project, options=OFFLINE)
    await client.until(lambda: client.seen("$/progress"))
    token = client.seen("$/progress")[0]["token"]
    client.notify("window/workDoneProgress/cancel", {"token": token})
    await client.until(lambda: client.seen("$/progress")[-1]["value"]["kind"] == "end")
    assert (await client.status())["folders"][0]["files"] < 3_001


async def test_a_client_without_progress_is_not_bothered(start: Start, project: Path) -> None:
    client = await start()
    await client.initialize(project, options=OFFLINE, capabilities={})
    await client.until_indexed()
    assert client.notifications == []


async def test_wrong_settings_are_one_warning_and_unknown_ones_one_log_line(
    start: Start, project: Path
) -> None:
    client = await start()
    wrong = {
        "codeworld": {"completion": {"threshold": 7, "enabled": "yes"}, "colour": 1, **OFFLINE["engine"]}
    }
    await client.initialize(project, options=wrong)
    client.notify("workspace/didChangeConfiguration", {"settings": wrong})
    settings = (await client.status())["settings"]
    assert settings["completion"]["enabled"] is True
    warnings = client.seen("window/showMessage")
    assert len(warnings) == 1
    assert "codeworld.completion.threshold" in warnings[0]["message"]
    assert "codeworld.completion.enabled" in warnings[0]["message"]
    logged = client.seen("window/logMessage")
    assert len(logged) == 1
    assert "codeworld.colour" in logged[0]["message"]


async def test_settings_are_fetched_from_a_client_that_has_them(start: Start, project: Path) -> None:
    client = await start()
    client.settings = {"completion": {"inComments": True, "inStrings": None}}
    capabilities = {**CAPABILITIES, "workspace": {"configuration": True}}
    await client.initialize(project, options=OFFLINE, capabilities=capabilities)
    while not (await client.status())["settings"]["completion"]["inComments"]:
        await asyncio.sleep(0.01)
    client.settings = {"completion": {"inComments": False}}
    client.notify("workspace/didChangeConfiguration", {"settings": None})
    while (await client.status())["settings"]["completion"]["inComments"]:
        await asyncio.sleep(0.01)
