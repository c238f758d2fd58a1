"""The engine itself: what each message does to queue, cache and model. Lives on the event loop's thread.

It knows connections as numbers and replies through ``send``; codeworld.engine.front has the sockets.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from codeworld.canvas import InfillReply
from codeworld.engine.cache import ReplyCache
from codeworld.engine.protocol import (
    VERSION,
    Cancel,
    EngineStatus,
    Failed,
    Filled,
    Infill,
    Load,
    Request,
    Shutdown,
    Status,
)
from codeworld.engine.scheduler import Answer, Job, Run, Scheduler, Ticket
from codeworld.engine.worker import Backend, Worker, give_back, one_line, resident_mb, stack, where

log = logging.getLogger("codeworld.engine")

Send = Callable[[int, int, Filled | EngineStatus | Failed], None]
# Some CUDA errors poison the process for good: after so many crashes in a row a fresh one is the only cure.
CRASHES_IN_A_ROW = 3

# A process that weighs more than this after unloading carries torch, and perhaps a CUDA context, which only its end
# gives back. Clients start the next one when they need it, 0.2 s later than this one would have been ready.
LEAN_MB = 100.0


@dataclass(frozen=True)
class Patience:
    """How long the engine waits before it does something by itself, in seconds."""

    idle_s: float = 15 * 60.0  # without requests, then the model is unloaded (and see LEAN_MB)
    exit_s: float = 60 * 60.0  # without requests and clients, then the process ends
    unused_s: float = 60.0  # the same for an engine never asked: started by a second editor, and one too many
    retry_load_s: float = 15.0  # after a failed load; an explicit Load does not wait
    stuck_s: float = 30.0  # for the model to notice that it should stop, then the process ends

    @property
    def tick_s(self) -> float:
        """How often to look at the clock."""
        return max(0.01, min(5.0, min(self.idle_s, self.exit_s, self.unused_s, self.stuck_s) / 4))


class Engine:
    """One model, one queue. ``post`` runs a callable on the loop's thread and may be called from any thread;
    ``end`` is told once, with a reason, that the process should end."""

    def __init__(
        self,
        factory: Callable[[], Backend],
        send: Send,
        post: Callable[[Callable[[], None]], object],
        end: Callable[[str], None],
        patience: Patience = Patience(),
    ) -> None:
        self._factory, self._send, self._post, self._end = factory, send, post, end
        self._patience = patience
        self._worker = Worker()
        self._scheduler = Scheduler()
        self._cache = ReplyCache()
        self._backend: Backend | None = None
        self._state: Literal["unloaded", "loading", "ready", "failed"] = "unloaded"
        self._detail = ""
        self._working = False  # the worker has something to do: a load, a run or an unload
        self._closing = False
        self._asked = False  # for a fill or a load, ever
        self._served = self._crashes = 0
        self._started_s = self._used_s = time.monotonic()
        self._retry_load_at_s = 0.0
        self._stopping: tuple[Run, float] | None = None  # the run that is to stop, and since when

    # Messages

    def handle(self, connection: int, request: Request) -> None:
        """Act on one message; its answer is sent now or later, exactly once (never for a Cancel)."""
        body = request.body
        if isinstance(body, Cancel):
            self._deliver(self._scheduler.cancel(Ticket(connection, body.request_id)))
        elif isinstance(body, Status):
            self._send(connection, request.id, self.status())
        elif isinstance(body, Shutdown):
            self._send(connection, request.id, self.status())
            self._finish("shutdown")
        elif self._closing:
            self._send(connection, request.id, Failed("closing"))
        elif request.version != VERSION:
            detail = f"the engine speaks protocol {VERSION}, not {request.version}: restart it"
            self._send(connection, request.id, Failed("bad-request", detail))
        elif isinstance(body, Load):
            self._load(Ticket(connection, request.id))
        else:
            self._infill(Ticket(connection, request.id), body)

    def disconnected(self, connection: int) -> None:
        """The client is gone, and nobody wants its answers."""
        self._used_s = time.monotonic()
        self._scheduler.disconnect(connection)

    def status(self) -> EngineStatus:
        """The state at this moment; never waits for the model."""
        return EngineStatus(
            state=self._state,
            pid=os.getpid(),
            version=VERSION,
            device=self._backend.device if self._backend else "",
            model=self._backend.model if self._backend else "",
            detail=self._detail,
            queued=self._scheduler.queued,
            served=self._served,
            resident_mb=resident_mb(),
            uptime_s=round(time.monotonic() - self._started_s, 3),
        )

    def close(self, timeout_s: float = 2.0) -> bool:
        """Answer what is open with "closing", end the worker; False when the model holds on to its thread."""
        self._closing = True
        self._deliver(self._scheduler.close(Failed("closing")))
        return self._worker.close(timeout_s)

    def _load(self, ticket: Ticket) -> None:
        self._used_s, self._asked = time.monotonic(), True
        if self._backend is not None:
            self._send(ticket.connection, ticket.request, self.status())
            return
        self._deliver(self._scheduler.submit(Job(ticket, None)))
        self._pump()

    def _infill(self, ticket: Ticket, body: Infill) -> None:
        now = self._used_s = time.monotonic()
        self._asked = True
        job = Job(ticket, body.hole, body.document, body.priority, now)
        known = self._cache.find(body.hole) if _is_typed(job) else None
        if known is not None:
            self._deliver(self._scheduler.supersede(job.document, job.priority))
            self._fill(job, known, queued_ms=0.0)
        elif self._state == "failed" and now < self._retry_load_at_s:
            self._send(ticket.connection, ticket.request, Failed("unavailable", self._detail))
        else:
            self._deliver(self._scheduler.submit(job))
        self._pump()

    # The model

    def _pump(self) -> None:
        """Give the worker its next task if it is free and there is one."""
        while not self._working and not self._closing and self._scheduler.queued:
            if self._backend is None:
                self._working, self._state = True, "loading"
                self._worker.start(self._factory, lambda result: self._back(partial(self._loaded, result)))
                return
            run = self._scheduler.next()
            assert run is not None
            if run.job.hole is None:
                self._scheduler.finish(run, stopped=False)
                self._send(run.job.ticket.connection, run.job.ticket.request, self.status())
            else:
                self._start(run, partial(self._backend.infill, run.job.hole, run.should_stop))

    def _start(self, run: Run, task: Callable[[], InfillReply]) -> None:
        self._working = True
        queued_ms = (time.monotonic() - run.job.submitted_s) * 1e3
        self._worker.start(task, lambda result: self._back(partial(self._finished, run, queued_ms, result)))

    def _back(self, call: Callable[[], None]) -> None:
        """From the worker's thread to the loop's."""
        try:
            self._post(call)
        except RuntimeError:
            log.info("the loop is closed; a result of the model is dropped")

    def _loaded(self, result: Backend | BaseException) -> None:
        self._working = False
        if isinstance(result, BaseException):
            self._state, self._detail = "failed", one_line(result)
            self._retry_load_at_s = time.monotonic() + self._patience.retry_load_s
            log.error("the model cannot be loaded: %s [%s]", self._detail, stack(result))
            self._deliver(self._scheduler.close(Failed("unavailable", self._detail)))
        else:
            self._backend, self._state, self._detail = result, "ready", ""
            log.info("loaded %s on %s, %s MiB resident", result.model, result.device, resident_mb())
        self._used_s = time.monotonic()
        self._pump()

    def _finished(self, run: Run, queued_ms: float, result: InfillReply | BaseException) -> None:
        self._working = False
        self._used_s = time.monotonic()
        job = run.job
        failed = isinstance(result, BaseException)
        wanted = self._scheduler.finish(run, stopped=failed and run.stopping)
        if isinstance(result, BaseException):
            if wanted:
                self._crashed(job, result)
        else:
            self._crashes = 0
            if _is_typed(job) and job.hole is not None:
                self._cache.store(job.hole, result)  # also when it was superseded: the work is done
            if wanted:
                self._fill(job, result, queued_ms)
        self._pump()

    def _crashed(self, job: Job, error: BaseException) -> None:
        self._crashes += 1
        log.error("a request crashed: %s [%s]", type(error).__name__, stack(error))
        self._deliver([Answer(job, Failed("crashed", where(error)))])
        if self._crashes >= CRASHES_IN_A_ROW and self._backend is not None and self._backend.device != "cpu":
            self._finish(f"{self._crashes} crashes in a row on {self._backend.device}")

    def _fill(self, job: Job, reply: InfillReply, queued_ms: float) -> None:
        self._served += 1
        self._send(job.ticket.connection, job.ticket.request, Filled(reply, round(queued_ms, 3)))

    # Time

    def tick(self, clients: int) -> None:
        """Look at the clock: unload an idle model, end an idle or a stuck process."""
        now = time.monotonic()
        self._watch_stopping(now)
        if self._working or not self._scheduler.idle:
            return
        idle_s = now - self._used_s
        exit_s = self._patience.exit_s if self._asked else min(self._patience.exit_s, self._patience.unused_s)
        if self._backend is not None and idle_s >= self._patience.idle_s:
            self._unload(self._backend)
        elif clients == 0 and idle_s >= exit_s:
            self._finish("idle")

    def _unload(self, backend: Backend) -> None:
        self._backend, self._state, self._working = None, "unloaded", True
        self._cache.clear()  # it holds text of documents
        self._worker.start(
            partial(give_back, backend), lambda result: self._back(partial(self._unloaded, result))
        )

    def _unloaded(self, result: BaseException | None) -> None:
        self._working = False
        log.info("unloaded, %s MiB resident%s", resident_mb(), f" [{where(result)}]" if result else "")
        if self._scheduler.idle and resident_mb() > LEAN_MB:
            self._finish("idle")
        self._pump()

    def _watch_stopping(self, now: float) -> None:
        run = self._scheduler.running
        if run is None or not run.stopping:
            self._stopping = None
        elif self._stopping is None or self._stopping[0] is not run:
            self._stopping = run, now
        elif now - self._stopping[1] >= self._patience.stuck_s:
            self._finish("the model does not stop")

    def _finish(self, reason: str) -> None:
        if not self._closing:
            self._closing = True
            self._deliver(self._scheduler.close(Failed("closing")))
            self._end(reason)

    def _deliver(self, answers: Iterable[Answer]) -> None:
        for job, failed in answers:
            # A Load is answered with the state it led to.
            load_failed = job.hole is None and failed.reason == "unavailable"
            self._send(job.ticket.connection, job.ticket.request, self.status() if load_failed else failed)


def _is_typed(job: Job) -> bool:
    """Whether somebody edits the document, so that answers are worth keeping. All else (a command, a benchmark, an
    evaluation) must always ask the model."""
    return bool(job.document) and job.priority != "batch"
