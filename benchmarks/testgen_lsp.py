"""One run end to end: ``python -m benchmarks.testgen_lsp --judge PYTHON [--out STEM]``.

A client opens files of a checkout of keon/algorithms (heldout-dev), runs ``codeworld.generateTests`` on each over LSP,
applies the edits that the server asks for, as an editor would, and then runs the repository's own test command, which
its README names: ``python -m pytest tests/``.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from benchmarks import results
from benchmarks.lsp_client import CAPABILITIES, WireClient
from benchmarks.testgen_functions import checkout

FILES = (
    "algorithms/math/gcd.py",
    "algorithms/string/is_palindrome.py",
    "algorithms/stack/valid_parenthesis.py",
)
EDITING = CAPABILITIES | {
    "workspace": {"workspaceEdit": {"documentChanges": True, "resourceOperations": ["create"]}}
}
OPTIONS = {
    "engine": {"spawn": False, "preload": False},
    "index": {"enabled": False},
    "tests": {"trusted": True},
}


class Report(msgspec.Struct):
    files: list[dict[str, Any]]
    before: str
    after: str


async def generate(root: Path, python: Path) -> list[dict[str, Any]]:
    """What the server answered for each file; its edits are applied."""
    client = await WireClient.start({"VIRTUAL_ENV": str(python.parent.parent)})
    found = []
    try:
        await client.initialize(root, options=OPTIONS, capabilities=EDITING)
        for name in FILES:
            uri = (root / name).as_uri()
            client.did_open(uri, (root / name).read_text())
            command = {"command": "codeworld.generateTests", "arguments": [uri]}
            seen = len(client.seen("workspace/applyEdit"))
            reply = await client.request("workspace/executeCommand", command, 600)
            for asked in client.seen("workspace/applyEdit")[seen:]:
                for change in asked["edit"]["documentChanges"]:
                    put(change)
            found.append({"file": name, **reply["result"]})
    finally:
        await client.close()
    return found


def put(change: dict[str, Any]) -> None:
    """Apply one document change to the disk; positions are in UTF-16 units of lines that are ASCII here."""
    if change.get("kind") == "create":
        path = path_of(change["uri"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
        return
    path = path_of(change["textDocument"]["uri"])
    lines = path.read_text().splitlines(keepends=True)
    for edit in sorted(change["edits"], key=lambda one: -one["range"]["start"]["line"]):
        start, end = edit["range"]["start"], edit["range"]["end"]
        head = (
            "".join(lines[: start["line"]])
            + "".join(lines[start["line"] : start["line"] + 1])[: start["character"]]
        )
        tail = "".join(lines[end["line"] : end["line"] + 1])[end["character"] :] + "".join(
            lines[end["line"] + 1 :]
        )
        lines = (head + edit["newText"] + tail).splitlines(keepends=True)
    path.write_text("".join(lines))


def path_of(uri: str) -> Path:
    return Path(unquote(uri.removeprefix("file://")))


def own_tests(root: Path, python: Path) -> str:
    """The last line of the repository's own test command."""
    command = [str(python), "-m", "pytest", "tests/", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return f"exit code {done.returncode}: {(done.stdout.strip().splitlines() or [''])[-1]}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--judge", type=Path, required=True, help="an interpreter with pytest")
    parser.add_argument("--work", type=Path, default=Path("build/testgen"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    root = checkout("keon/algorithms", options.work / "lsp", with_tests=True).resolve()
    before = own_tests(root, options.judge)
    found = asyncio.run(generate(root, options.judge))
    report = Report(found, before, own_tests(root, options.judge))
    figures = [
        results.Figure("own test command, before", report.before),
        results.Figure("own test command, with the generated tests", report.after, "exit code 0"),
    ]
    for one in found:
        place = Path(one["path"]).relative_to(root).as_posix() if one.get("path") else one.get("reason", "")
        figures.append(results.Figure(f"{one['file']}: tests, and where", f"{one.get('tests', 0)}, {place}"))
    results.publish(options.out, "Generated tests over LSP", results.stamp("none"), figures, report)


if __name__ == "__main__":
    main()
