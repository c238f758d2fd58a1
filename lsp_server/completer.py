"""From a cursor position to a completion: memory first, then the repository and the engine. Shared by the
features.

At most one request per document waits. It is answered with nothing as soon as a newer one comes or the text
changes; the engine's work goes on in the second case, because what it finds is often what is being typed. Behind
each offer the engine is asked, at low priority, for what comes after it is accepted.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from typing import TYPE_CHECKING, NamedTuple

from codeworld.canvas import Accept, Candidate, InfillReply, InfillRequest, Reject, Source, Verdict
from codeworld.engine.protocol import Failed

if TYPE_CHECKING:
    from codeworld.syntax.document import Snapshot
    from codeworld.verify.settings import CompletionSettings
    from lsp_server.server import CodeworldServer
    from lsp_server.session import Offer, OpenDocument

log = logging.getLogger("codeworld.server")

LOOK_AHEAD_DELAY_S = 0.03  # the offer itself is sent first


class Completion(NamedTuple):
    """``text`` to insert at a client's position of ``document`` as it is now."""

    document: OpenDocument
    row: int
    column: int
    text: str


class Completer:
    """Answers completion requests for one client."""

    def __init__(self, server: CodeworldServer) -> None:
        self._server = server
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._ahead: dict[str, asyncio.Task[None]] = {}
        self.from_memory = 0
        self.asked = 0

    async def complete(self, uri: str, row: int, column: int, *, explicit: bool) -> Completion | None:
        """The completion at a client's position; None when there is nothing to offer, or nothing any more.

        ``explicit``: the user asked for it, so the quiet time after a deletion does not count.
        """
        self.give_way(uri)
        document = self._server.session.get(uri)
        if document is None or not self._may_complete(document, explicit):
            return None
        # Who asks explicitly may know that something else has changed.
        known = document.offer.at(row, column) if document.offer is not None and not explicit else None
        self.from_memory += known is not None
        verdict = known or await self._find(document, row, column)
        if not isinstance(verdict, Accept):
            return None
        return Completion(document, row, column, verdict.text)

    def give_way(self, uri: str) -> None:
        """Answer the request that waits for this document, if there is one, with nothing."""
        waiting = self._waiting.pop(uri, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    def closed(self, uri: str) -> None:
        """Drop all work for a document."""
        self.give_way(uri)
        for tasks in (self._jobs, self._ahead):
            task = tasks.pop(uri, None)
            if task is not None:
                task.cancel()

    def _may_complete(self, document: OpenDocument, explicit: bool) -> bool:
        settings = self._server.settings.completion
        if not settings.enabled:
            return False
        if not explicit and document.is_quiet(time.monotonic(), settings.quiet_after_undo_ms):
            return False
        return self._server.allows(document.path)

    async def _find(self, document: OpenDocument, row: int, column: int) -> Verdict | None:
        """Ask, and wait until there is an answer or nobody wants it any more."""
        snapshot = document.snapshot()
        if row >= snapshot.line_count:
            return None  # of a text we do not have
        before = self._jobs.pop(document.uri, None)
        if before is not None:
            before.cancel()
        encoding = self._server.encoding
        offer = document.begin_offer(snapshot.char_at(row, column, encoding), encoding)
        job = asyncio.create_task(self._ask(document, snapshot, offer))
        waiting = asyncio.get_running_loop().create_future()
        self._jobs[document.uri], self._waiting[document.uri] = job, waiting
        patience_s = self._server.settings.completion.max_latency_ms / 1e3
        try:
            await asyncio.wait({job, waiting}, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            job.cancel()
            raise
        finally:
            if self._waiting.get(document.uri) is waiting:
                del self._waiting[document.uri]
        return None if waiting.done() else offer.verdict

    async def _ask(self, document: OpenDocument, snapshot: Snapshot, offer: Offer) -> None:
        """Run the pipeline and put its verdict into ``offer``."""
        try:
            offer.verdict = await self._run(document, snapshot, offer.cursor_char)
        except Exception as error:  # an offer is never worth an error message while typing
            offer.verdict = Reject("error", type(error).__name__)
            _log(error)
        finally:
            if self._jobs.get(document.uri) is asyncio.current_task():
                del self._jobs[document.uri]

    async def _run(self, document: OpenDocument, snapshot: Snapshot, cursor_char: int) -> Verdict | None:
        from codeworld.complete import choose

        request = self._prepare(document, snapshot, cursor_char)
        if isinstance(request, Reject):
            return request
        self.asked += 1
        reply = await self._server.engine.infill(request, self._key(document))
        if isinstance(reply, Failed):
            if reply.reason in ("superseded", "cancelled"):
                return None
            return choose(snapshot, cursor_char, _without_model(request), self._settings)
        verdict = choose(snapshot, cursor_char, reply, self._settings)
        if isinstance(verdict, Accept):
            ahead = self._look_ahead(document, snapshot, cursor_char, verdict.text)
            self._ahead[document.uri] = asyncio.create_task(ahead)
        return verdict

    async def _look_ahead(
        self, document: OpenDocument, snapshot: Snapshot, cursor_char: int, text: str
    ) -> None:
        """Have the engine fill what comes after ``text``, so that its cache knows when it is asked."""
        from codeworld.complete import continuations

        offer = document.offer
        await asyncio.sleep(LOOK_AHEAD_DELAY_S)
        try:
            for after, after_char in continuations(snapshot, cursor_char, text):
                if offer is None or document.offer is not offer or not offer.agrees:
                    return
                request = self._prepare(document, after, after_char)
                if not isinstance(request, Reject):
                    await self._server.engine.infill(request, self._key(document), "speculative")
        except Exception as error:
            _log(error)

    def _prepare(
        self, document: OpenDocument, snapshot: Snapshot, cursor_char: int
    ) -> InfillRequest | Reject:
        from codeworld.complete import prepare

        folder = self._server.folders.of(document.path) if document.path is not None else None
        return prepare(
            snapshot,
            cursor_char,
            path=folder.relative(document.path) if folder is not None and document.path is not None else "",
            index=folder.index if folder is not None else None,
            rules=folder.rules if folder is not None else None,
            settings=self._settings,
        )

    @property
    def _settings(self) -> CompletionSettings:
        return self._server.settings.completion.pipeline()

    def _key(self, document: OpenDocument) -> str:
        """What the engine knows this client's document by: a newer request supersedes an older one."""
        return f"{self._server.client_key} {document.uri}"


def _log(error: Exception) -> None:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    log.error("completion failed: %s at %s:%s", type(error).__name__, frame.filename, frame.lineno)


def _without_model(request: InfillRequest) -> InfillReply:
    """What the repository alone has to say; the ranking knows that no model looked at it (no tokens)."""
    candidates = tuple(
        Candidate(seed.text, Source.RETRIEVED, logprob_nats=0.0, tokens=0, seed=seed)
        for seed in request.seeds
    )
    return InfillReply(candidates, latency_ms=0.0, device="none", model="none")
