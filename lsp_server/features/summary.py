"""workspace/executeCommand: ``codeworld.summarizeRepository``."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

from pygls.exceptions import JsonRpcInvalidParams, JsonRpcRequestCancelled

from lsp_server.background import in_background, post
from lsp_server.folders import path_of
from lsp_server.progress import Progress, progress
from lsp_server.server import CodeworldServer

_REPORT_INTERVAL_S = 0.1


def register(server: CodeworldServer) -> None:
    """Add the command."""
    server.command("codeworld.summarizeRepository")(summarize_repository)


async def summarize_repository(
    server: CodeworldServer, uri: object = None, page_uri: object = None
) -> dict[str, Any]:
    """A page about the workspace's folder ``uri`` (the first one when left out). ``page_uri`` is where the client will
    put it: its links are relative to that place, else to the folder. The server writes nothing.

    Raises JsonRpcInvalidParams for what is no folder of the workspace, JsonRpcRequestCancelled when the user stops it.
    """
    root = folder_of(server, uri)
    if root is None:
        raise JsonRpcInvalidParams("codeworld.summarizeRepository takes a folder of the workspace")
    page = _page(page_uri)
    async with progress(server, f"Codeworld: summarizing {root.name}", cancellable=True) as bar:
        stop = threading.Event()
        try:
            return await in_background("summary", _work(root, page, bar, stop, asyncio.get_running_loop()))
        finally:
            stop.set()


def folder_of(server: CodeworldServer, uri: object) -> Path | None:
    """The folder of the workspace that ``uri`` names, the first one for None; None for any other."""
    roots = [folder.root for folder in server.folders]
    if uri is None and roots:
        return roots[0]
    path = path_of(uri) if isinstance(uri, str) else None
    if path is None or not path.is_dir() or not any(path.is_relative_to(root) for root in roots):
        return None
    return path


def _page(uri: object) -> Path | None:
    path = path_of(uri) if isinstance(uri, str) else None
    if uri is not None and path is None:
        raise JsonRpcInvalidParams("codeworld.summarizeRepository: the page's place is the URI of a file")
    return path


def _work(
    root: Path, to: Path | None, bar: Progress, stop: threading.Event, loop: asyncio.AbstractEventLoop
) -> Any:
    """What the thread does."""
    last_s = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last_s
        time.sleep(0)  # lets the loop's thread have the interpreter between two files
        if time.monotonic() - last_s > _REPORT_INTERVAL_S or done == total:
            last_s = time.monotonic()
            post(loop, bar.report, done, total)

    def summarize() -> dict[str, Any]:
        from codeworld.summary import page, sources
        from codeworld.summary import summarize as summaries

        def should_stop() -> bool:
            return stop.is_set() or bar.cancelled

        try:
            made = summaries.summarize(root, progress=report, should_stop=should_stop)
        except sources.Cancelled as error:
            raise JsonRpcRequestCancelled("stopped") from error
        return {
            "folder": root.as_uri(),
            "page": page.render(made.summary, made.sources, to=to),
            "undetermined": list(made.summary.undetermined),
            "changed": made.changed,
        }

    return summarize
