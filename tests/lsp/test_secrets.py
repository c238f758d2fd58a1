"""Planted secrets never appear in a prompt, a log or an offer, whatever is asked and wherever they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeworld.context.secrets import has_secret
from tests.lsp.conftest import Start
from tests.planted import PLANTED

OPTIONS = {
    "completion": {"threshold": 0.0, "quietAfterUndoMs": 0, "inStrings": True, "maxLatencyMs": 20_000},
}
ALL = "".join(one.source for one in PLANTED)
IGNORED = ("local_settings.py", ".env", ".env.py", "server.pem")


@pytest.fixture
def planted(project: Path) -> Path:
    """A repository full of secrets, in files that are read and in files that are not."""
    (project / ".gitignore").write_text("local_settings.py\n")
    for name in IGNORED:
        (project / name).write_text(f"IN_AN_IGNORED_FILE = 1\n{ALL}")
    (project / "known.py").write_text(f"before = 1\n{ALL}after = 1\n")
    return project


async def test_planted_secrets_are_never_seen_again(start: Start, planted: Path, tmp_path: Path) -> None:
    record = tmp_path / "record"
    client = await start({"CODEWORLD_TOLD_RECORD": str(record)})
    await client.initialize(planted, options=OPTIONS)
    await client.until_indexed()
    offered = []
    for number, one in enumerate(PLANTED):
        # A user who is about to type it again, in a file that holds all of them around the cursor or none.
        typed = one.source[: one.source.index(one.secret)]
        around = ALL if number % 2 else ""
        head = f"# FILL={one.secret if has_secret(one.secret) else 'x'}\n{around}before = 1\n{typed}"
        uri = (planted / f"m{number}.py").as_uri()
        client.did_open(uri, f"{head}\nafter = 1\n{around}")
        offered += await client.ghost(uri, head.count("\n"), len(head.rpartition("\n")[2]), invoked=True)
    for name in IGNORED:
        client.did_open((planted / name).as_uri(), "IN_AN_IGNORED_FILE = \n")
        offered += await client.ghost((planted / name).as_uri(), 0, 21, invoked=True)
    asked = (await client.status())["server"]["asked"]
    await client.close()
    prompts = record.read_text()
    assert prompts.count("\n") >= asked == len(PLANTED)
    assert "client.connect(" in prompts
    assert "IN_AN_IGNORED_FILE" not in prompts
    assert [one.name for one in PLANTED if one.secret in prompts] == []
    assert [one.name for one in PLANTED if one.secret in str(offered)] == []
    assert "xxxxxxxx" not in str(offered)
    logs = client.stderr.decode() + str(client.notifications)
    assert [one.name for one in PLANTED if one.secret in logs] == []


async def test_nothing_that_was_read_is_in_a_file_of_the_engine(
    start: Start, planted: Path, runtime: Path
) -> None:
    client = await start()
    await client.initialize(planted, options=OPTIONS)
    uri = (planted / "a.py").as_uri()
    client.did_open(uri, "# FILL=compute(1)\nMARKED = \n")
    assert await client.ghost(uri, 1, 9) == ["compute(1)"]
    files = [path for path in runtime.iterdir() if path.is_file()]
    assert "engine.log" in {path.name for path in files}
    assert all("MARKED" not in path.read_text() and "compute" not in path.read_text() for path in files)
