"""Throw mixed valid, malformed, superseded and cancelled messages at the language server and count what goes wrong.

    python -m benchmarks.lsp_fuzz [--count 10000] [--seed 1] [--out docs/results/lsp_fuzz]

The engine is the tests' own (deterministic, sometimes slow); nothing is downloaded and no model is needed. The server's
answers are checked against a text that is edited here: a *stale* reply is ghost text that was not made for the text and
the position it was asked for, as the engine's fill carries the number of the newest line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.lsp_client import ROOT, WireClient, encode
from benchmarks.results import Figure, markdown, stamp, write

IN_FLIGHT = 200  # wait for answers when more requests than this are open
URIS = 4


class Result(msgspec.Struct):
    """``growth_mb``: resident memory of the server at the end over that after a tenth of the messages."""

    seed: int
    messages: int = 0
    requests: int = 0
    malformed: int = 0
    cancelled: int = 0
    ghost_texts: int = 0
    crashes: int = 0
    unanswered: int = 0
    answered_twice: int = 0
    null_results: int = 0
    stale: int = 0
    popups: int = 0
    internal_errors: int = 0
    growth_mb: float = 0.0
    resident_mb: float = 0.0
    seconds: float = 0.0


class Text:
    """A document as the client has it: line 0 tells the engine what to say, and it names the version."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.version = 1
        self.lines: list[str] = []
        self.reset()

    def reset(self) -> None:
        self.lines = [self.told(), "x = ", "", "def f(a):", "    return a", ""]

    def told(self) -> str:
        return f"# STEPS={self.version % 7} # FILL=v{self.version}()"

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Fuzz:
    """One run."""

    def __init__(self, client: WireClient, seed: int, project: Path) -> None:
        self.client = client
        self.random = random.Random(seed)
        self.result = Result(seed)
        self.texts = [Text((project / f"m{number}.py").as_uri()) for number in range(URIS)]
        # request id → its document's version when it was asked
        self.asked: dict[Any, tuple[Text, int]] = {}
        self.futures: dict[Any, asyncio.Future[dict[str, Any]]] = {}
        self.count = 0

    def open_all(self) -> None:
        for text in self.texts:
            self.client.did_open(text.uri, text.text)

    def step(self) -> None:
        """Send one message (an edit of one document counts as one)."""
        self.result.messages += 1
        actions = [
            self.edit,
            self.ask,
            self.ask_and_cancel,
            self.malformed,
            self.bytes,
            self.notify,
            self.reopen,
        ]
        self.random.choices(actions, weights=[30, 40, 8, 10, 3, 7, 2])[0]()

    def edit(self) -> None:
        text = self.random.choice(self.texts)
        text.version += 1
        text.lines[0] = text.told()
        if len(text.lines) > 30 or self.random.random() < 0.3:
            text.reset()
        if self.random.random() < 0.7:
            text.lines.insert(2, f"y{text.version} = 1")
        else:
            row = self.random.randrange(2, len(text.lines))
            new = self.random.choice(["y", "é", "😀", "(", '"', "    ", "\n", "def ", "\r"])
            text.lines[row : row + 1] = (text.lines[row] + new).split("\n")
        # Without a range half of the time: both kinds of change are legal at any time.
        if self.random.random() < 0.5:
            changes = [{"text": text.text}]
        else:
            end = {"line": 10**6, "character": 0}
            changes = [{"range": {"start": {"line": 0, "character": 0}, "end": end}, "text": text.text}]
        self.client.did_change(text.uri, text.version, *changes)

    def ask(self) -> Any:
        text = self.random.choice(self.texts)
        line, character = 1, 4  # where something can be offered
        if self.random.random() < 0.3:
            line, character = self.random.randrange(len(text.lines) + 2), self.random.randrange(12)
        self.count += 1
        request_id = 10**6 + self.count if self.random.random() < 0.5 else f"r{self.count}"
        future = self.client.ask(
            text.uri, line, character, invoked=self.random.random() < 0.5, request_id=request_id
        )
        self._sent(request_id, future, (text, text.version))
        return request_id

    def ask_and_cancel(self) -> None:
        request_id = self.ask()
        self.result.cancelled += 1
        self.client.notify("$/cancelRequest", {"id": request_id})

    def malformed(self) -> None:
        self.result.malformed += 1
        self.count += 1
        method = self.random.choice(
            [
                "textDocument/inlineCompletion",
                "textDocument/completion",
                "workspace/executeCommand",
                "no/such",
            ]
        )
        params = self.random.choice(
            [None, [], {}, 7, "x", {"position": {}}, {"command": 3}, {"command": "rm"}]
        )
        self._sent(f"m{self.count}", self.client.send(method, params, f"m{self.count}"), None)

    def bytes(self) -> None:
        self.result.malformed += 1
        self.client.write(
            self.random.choice(
                [
                    b"Content-Length: 3\r\n\r\n{x}",
                    b"Content-Length: 2\r\n\r\n\xff\xfe",
                    b"Garbage\r\n\r\n",
                    encode([]),
                    encode({"jsonrpc": "1.0", "id": 1}),
                    encode({"jsonrpc": "2.0", "id": "never-asked", "result": []}),
                ]
            )
        )

    def notify(self) -> None:
        text = self.random.choice(self.texts)
        method, params = self.random.choice(
            [
                ("textDocument/didSave", {"textDocument": {"uri": text.uri}}),
                ("textDocument/didChange", {"textDocument": {"uri": text.uri}}),
                ("textDocument/didChange", {"textDocument": {"uri": "file:///never"}, "contentChanges": []}),
                ("$/cancelRequest", {"id": self.random.randrange(10**6)}),
                ("$/cancelRequest", {}),
                ("$/setTrace", {"value": "off"}),
                ("workspace/didChangeConfiguration", {"settings": {"completion": {"colour": 1}}}),
                ("window/workDoneProgress/cancel", {"token": "no-such-token"}),
                ("no/such/notification", {"a": [1] * 100}),
            ]
        )
        self.client.notify(method, params)

    def reopen(self) -> None:
        text = self.random.choice(self.texts)
        self.client.notify("textDocument/didClose", {"textDocument": {"uri": text.uri}})
        text.version += 1
        text.reset()
        self.client.did_open(text.uri, text.text, text.version)

    def _sent(
        self, request_id: Any, future: asyncio.Future[dict[str, Any]], about: tuple[Text, int] | None
    ) -> None:
        self.result.requests += 1
        self.futures[request_id] = future
        if about is not None:
            self.asked[request_id] = about
            future.add_done_callback(lambda done: self._check(request_id, done))

    def _check(self, request_id: Any, future: asyncio.Future[dict[str, Any]]) -> None:
        if future.cancelled():
            return
        reply = future.result()
        _, version = self.asked.pop(request_id)
        if "error" in reply:
            self.result.internal_errors += reply["error"]["code"] == -32603
            return
        result = reply["result"]
        self.result.null_results += result is None
        for item in (result or {}).get("items", []) if isinstance(result, dict) else result or []:
            self.result.ghost_texts += 1
            self.result.stale += item["insertText"] != f"v{version}()"

    async def drain(self, timeout_s: float) -> None:
        """Wait until everything is answered, at most so long."""
        waiting = [future for future in self.futures.values() if not future.done()]
        if waiting:
            await asyncio.wait(waiting, timeout=timeout_s)
        self.futures = {key: future for key, future in self.futures.items() if not future.done()}


def resident_mb(pid: int) -> float:
    """Resident memory of a process; 0 where /proc does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def run(count: int, seed: int) -> Result:
    """One run with a server and an engine of its own."""
    runtime, project = Path(tempfile.mkdtemp(prefix="cw-")), Path(tempfile.mkdtemp(prefix="cw-ws-"))
    environment = {
        "CODEWORLD_RUNTIME_DIR": str(runtime),
        "CODEWORLD_ENGINE_MODULE": "tests.lsp.told_engine",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    client = await WireClient.start(environment)
    options = {"completion": {"threshold": 0.0, "quietAfterUndoMs": 0, "maxLatencyMs": 10_000}}
    await client.initialize(project, options=options)
    fuzz = Fuzz(client, seed, project)
    result, begin_s, early_mb = fuzz.result, time.monotonic(), 0.0
    fuzz.open_all()
    for number in range(count):
        fuzz.step()
        if number % 20 == 0:  # now in one burst, now with time for an answer
            await fuzz.drain(fuzz.random.choice([0, 0.1]))
        if len(fuzz.futures) > IN_FLIGHT:
            await fuzz.drain(20)
        if number == count // 10:
            await fuzz.drain(20)
            early_mb = resident_mb(client.process.pid)
        if client.process.returncode is not None:
            result.crashes += 1
            break
    await fuzz.drain(30)
    result.seconds = round(time.monotonic() - begin_s, 1)
    result.resident_mb = round(resident_mb(client.process.pid), 1)
    result.growth_mb = round(result.resident_mb - early_mb, 1)
    result.unanswered = len(fuzz.futures)
    result.answered_twice = sum(count > 1 for key, count in client.replies.items() if key is not None)
    result.popups = len(client.seen("window/showMessage"))
    result.crashes += (await client.close()) != 0
    result.crashes += client.stderr.count(b"Traceback")
    end_engine(environment)
    shutil.rmtree(project, ignore_errors=True)
    shutil.rmtree(runtime, ignore_errors=True)
    return result


def end_engine(environment: dict[str, str]) -> None:
    """End the engine that was started in ``environment``."""
    from codeworld.engine.client import EngineClient

    with EngineClient(
        socket=Path(environment["CODEWORLD_RUNTIME_DIR"]) / "engine.sock", spawn=False
    ) as client:
        client.shutdown()


def figures(result: Result) -> list[Figure]:
    """The table's lines, beside what was asked for."""
    none = ("crashes", "unanswered", "answered_twice", "null_results", "stale", "popups", "internal_errors")
    targets = dict.fromkeys(none, "0") | {"growth_mb": "< 20"}
    found = msgspec.to_builtins(result).items()
    return [Figure(name.replace("_", " "), value, targets.get(name, "")) for name, value in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write STEM.md and STEM.json as well")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = asyncio.run(run(arguments.count, arguments.seed))
    title = "Mixed valid, malformed, superseded and cancelled messages"
    made = stamp("the tests' own engine")
    if arguments.json:
        print(json.dumps(msgspec.to_builtins(result)))
    else:
        print(markdown(title, made, figures(result)))
    if arguments.out:
        write(arguments.out, title, made, figures(result), result)


if __name__ == "__main__":
    main()
