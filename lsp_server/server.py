"""The language server process: thin, never imports torch. ``main`` serves standard input and output.

What is imported here delays the editor's ``initialize``; tree-sitter and everything behind it comes in when
the first document is opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import logging
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcInvalidParams
from pygls.lsp.server import LanguageServer

from lsp_server import config
from lsp_server.completer import Completer
from lsp_server.engine_client import EngineConnection
from lsp_server.folders import Folders
from lsp_server.progress import progress
from lsp_server.protocol import AnsweringProtocol
from lsp_server.transport import QueuedWriter, read_in_thread

if TYPE_CHECKING:
    from codeworld.syntax.position import Encoding
    from lsp_server.session import Session

log = logging.getLogger("codeworld.server")

NAME, VERSION = "codeworld", "0.1.0"


class CodeworldServer(LanguageServer):
    """One client's server: its settings, documents, folders and the way to the engine."""

    protocol: AnsweringProtocol

    def __init__(self) -> None:
        super().__init__(NAME, VERSION, protocol_cls=AnsweringProtocol)
        self.started_s = time.monotonic()
        self.client_key = uuid.uuid4().hex
        self.settings = config.Settings()
        self.roots: list[str] = []
        self.folders = Folders()
        self.engine = EngineConnection(self._trouble, self._note)
        self.completer = Completer(self)
        self._raw_settings: dict[str, Any] = {}
        self._reported: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._engine_started = False
        self._stopped: asyncio.Future[int] | None = None

    @cached_property
    def session(self) -> Session:
        """The open documents."""
        from lsp_server.session import Session

        return Session()

    @property
    def encoding(self) -> Encoding:
        """What the client's columns count."""
        return cast("Encoding", str(self.server_capabilities.position_encoding))

    def allows(self, path: Path | None) -> bool:
        """Whether the user lets us look at ``path``; an unsaved document (None) has nothing to be ignored
        by."""
        return path is None or self.folders.of(path).allows(path)

    # Settings

    def configure(self, sent: Mapping[str, Any]) -> None:
        """Lay settings over those before."""
        self._raw_settings = config.overlay(self._raw_settings, sent)
        self.settings = config.read(self._raw_settings).settings
        self.engine.spawn = self.settings.engine.spawn

    def report_settings(self) -> None:
        """Tell what could not be used of the settings: one warning for wrong values, one log line for unknown
        names, neither of them twice."""
        reading = config.read(self._raw_settings)
        unknown = [name for name in reading.unknown if name not in self._reported]
        invalid = [problem for problem in reading.invalid if problem not in self._reported]
        self._reported.update(unknown, invalid)
        if unknown:
            text = f"Codeworld: unknown settings ignored: {', '.join(unknown)}"
            self.window_log_message(lsp.LogMessageParams(lsp.MessageType.Warning, text))
        if invalid:
            text = f"Codeworld: invalid settings: {'; '.join(invalid)}"
            self.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Warning, text))

    # The engine

    def start_engine(self) -> None:
        """Have the model loaded before it is needed; does something the first time only."""
        if not self._engine_started and self.settings.engine.preload:
            self._engine_started = True
            self.spawn(self._load())

    async def _load(self) -> None:
        async with progress(self, "Codeworld: loading the model", cancellable=False):
            await self.engine.load()

    def _trouble(self, why: str) -> None:
        text = f"Codeworld: completions come from the repository only: {why}"
        self.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Warning, text))

    def _note(self, why: str) -> None:
        self.window_log_message(lsp.LogMessageParams(lsp.MessageType.Warning, f"Codeworld: {why}"))

    # Work of our own

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run ``work`` in the background until it is done or the session ends."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def later(self, key: str, delay_s: float, call: Callable[[], None]) -> None:
        """Call ``call`` once nothing was put off under ``key`` for ``delay_s``."""
        before = self._timers.pop(key, None)
        if before is not None:
            before.cancel()

        def due() -> None:
            self._timers.pop(key, None)
            call()

        self._timers[key] = asyncio.get_running_loop().call_later(delay_s, due)

    async def ask_client(self, asked: Awaitable[object], timeout_s: float) -> object:
        """The client's answer, None when it refuses or keeps silent."""
        future = asyncio.ensure_future(asked)
        # Shielded: cancelling what awaits a client's answer makes pygls raise InvalidStateError when it
        # comes.
        done, _ = await asyncio.wait({future}, timeout=timeout_s)
        if not done:
            future.add_done_callback(lambda late: late.cancelled() or late.exception())
            return None
        return None if future.exception() else future.result()

    async def run_command(self, name: str, arguments: list[Any]) -> object:
        """Run one of our commands. Raises JsonRpcInvalidParams for a name we do not know."""
        handler = self.protocol.fm.commands.get(name)
        if handler is None:
            raise JsonRpcInvalidParams(f"unknown command {name[:100]!r}")
        result = handler(*arguments)
        return await result if inspect.isawaitable(result) else result

    def stop_work(self) -> None:
        """Stop everything that runs in the background."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for folder in self.folders:
            folder.stop()
        for task in list(self._tasks):
            task.cancel()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background work failed: %s", type(error).__name__)

    # The process

    def report_server_error(self, error: Exception, source: object) -> None:
        """Errors go to the log (their kind, not their text, which may quote a document); pygls would pop up a
        window."""
        log.warning("%s: %s", getattr(source, "__name__", ""), type(error).__name__)

    def stop(self, code: int) -> None:
        """End ``serve`` with an exit code."""
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(code)

    async def serve(self, stdin: int, stdout: int) -> int:
        """Serve one client on two file descriptors until it says ``exit`` or is gone. Returns the exit
        code."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_log_exception)
        self._stopped = loop.create_future()

        def gone() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                loop.call_soon_threadsafe(self.stop, 1)

        bodies: asyncio.Queue[bytes] = asyncio.Queue()

        def deliver(body: bytes) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(bodies.put_nowait, body)

        writer = QueuedWriter(stdout, gone)
        self.protocol.set_writer(writer)
        read_in_thread(stdin, deliver, gone)
        receiving = asyncio.create_task(self._receive(bodies))
        try:
            return await self._stopped
        finally:
            receiving.cancel()
            self.stop_work()
            await self.protocol.answer_all()
            await self.engine.close()
            await asyncio.to_thread(writer.close)

    async def _receive(self, bodies: asyncio.Queue[bytes]) -> None:
        while True:
            self.protocol.receive(await bodies.get())
            # Let a request's handler begin: it must see the text before the next message changes it.
            await asyncio.sleep(0)


def _log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """asyncio's own handler prints the repr of what it held, which may quote a document."""
    log.error("in the event loop: %s", type(context.get("exception")).__name__)


def create_server() -> CodeworldServer:
    """A server with all features."""
    from lsp_server.features import (
        code_action,
        commands,
        commit_message,
        completion,
        fix,
        generate_docstring,
        generate_tests,
        inline_completion,
        summary,
        sync,
        workspace,
    )

    server = CodeworldServer()
    for feature in (
        inline_completion,
        completion,
        sync,
        workspace,
        commands,
        summary,
        code_action,
        fix,
        commit_message,
        generate_docstring,
        generate_tests,
    ):
        feature.register(server)
    return server


def main() -> None:
    """Serve this process's standard input and output, then exit."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )
    # pygls logs whole messages, which are full of the user's code.
    logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)
    stdin, stdout = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # a stray print must not end up between two messages
    # The index is built in a thread of its own: handlers should not wait 5 ms for the interpreter.
    sys.setswitchinterval(0.001)
    server = create_server()
    gc.freeze()  # 300,000 objects of the protocol's types need not be looked at again
    code = asyncio.run(server.serve(stdin, stdout))
    # Threads that read or write for a client which hangs must not keep the process.
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
