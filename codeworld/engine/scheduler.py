"""Which request the model works on next. Pure (no sockets, threads, clocks): calls return the answers they cause.

- Interactive before speculative before batch, first come first served within one priority. An interactive
  request stops a running one of lower priority, which goes back to its place in the queue.
- The newest request of a document wins: older ones of the same or lower priority are answered "superseded".
- Every submitted request is answered exactly once, whatever happens to it (but not after ``disconnect``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from codeworld.canvas import InfillRequest
from codeworld.engine.protocol import Failed, Priority

RANK: dict[Priority, int] = {"interactive": 0, "speculative": 1, "batch": 2}


class Ticket(NamedTuple):
    """Who asked: connection and request id."""

    connection: int
    request: int


@dataclass(frozen=True)
class Job:
    """One request in the queue; without a ``hole`` it only asks for the model to be loaded."""

    ticket: Ticket
    hole: InfillRequest | None
    document: str = ""
    priority: Priority = "interactive"
    submitted_s: float = 0.0  # monotonic time of arrival, carried for the caller
    order: int = 0  # set by the scheduler

    @property
    def place(self) -> tuple[int, int]:
        """Sort key of the queue, smallest first."""
        return RANK[self.priority], self.order


@dataclass
class Run:
    """One go of the worker at a job. The worker polls ``should_stop`` from its own thread."""

    job: Job
    stopping: bool = False
    answered: bool = False  # cancelled or superseded while it ran: its result is nobody's

    def should_stop(self) -> bool:
        """Whether the worker should come back without a result."""
        return self.stopping


class Answer(NamedTuple):
    """``job`` is over: tell whoever asked why."""

    job: Job
    failed: Failed


class Scheduler:
    """The queue and the one running job. ``limit`` bounds the jobs that wait."""

    def __init__(self, limit: int = 256) -> None:
        self.running: Run | None = None
        self._limit = limit
        self._waiting: dict[Ticket, Job] = {}
        self._order = 0

    @property
    def queued(self) -> int:
        """How many jobs wait, the running one excluded."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether nothing waits or runs."""
        return self.running is None and not self._waiting

    def submit(self, job: Job) -> list[Answer]:
        """Queue ``job``; answers those it supersedes or displaces, or itself when refused."""
        if any(job.ticket == other.ticket for other in self._open()):
            return [Answer(job, Failed("bad-request", "this request id is still in use"))]
        answers = self.supersede(job.document, job.priority)
        self._order += 1
        job = Job(job.ticket, job.hole, job.document, job.priority, job.submitted_s, self._order)
        if len(self._waiting) >= self._limit:
            last = max(self._waiting.values(), key=lambda other: other.place)
            loser = last if last.place > job.place else job
            answers.append(
                Answer(loser, Failed("unavailable", f"{self._limit} requests are waiting already"))
            )
            if loser is job:
                return answers
            del self._waiting[loser.ticket]
        self._waiting[job.ticket] = job
        if job.priority == "interactive" and self.running and self.running.job.priority != "interactive":
            self.running.stopping = True
        return answers

    def supersede(self, document: str, priority: Priority) -> list[Answer]:
        """A newer request for ``document`` has come: close its older ones, except those of a higher priority."""
        if not document:
            return []
        older = [
            job for job in self._open() if job.document == document and RANK[job.priority] >= RANK[priority]
        ]
        return self._close(older, Failed("superseded"))

    def cancel(self, ticket: Ticket) -> list[Answer]:
        """The client no longer wants it. Nothing to do when it was answered already."""
        return self._close([job for job in self._open() if job.ticket == ticket], Failed("cancelled"))

    def disconnect(self, connection: int) -> None:
        """The client is gone: forget its requests and stop its running one."""
        self._close([job for job in self._open() if job.ticket.connection == connection], Failed("cancelled"))

    def close(self, failed: Failed) -> list[Answer]:
        """Answer everything that waits or runs with ``failed``."""
        return self._close(self._open(), failed)

    def next(self) -> Run | None:
        """The job to run now, or None when nothing waits or one runs already."""
        if self.running is not None or not self._waiting:
            return None
        job = min(self._waiting.values(), key=lambda other: other.place)
        del self._waiting[job.ticket]
        self.running = Run(job)
        return self.running

    def finish(self, run: Run, *, stopped: bool) -> bool:
        """The worker came back from ``run``, stopped or with a result; True when the result is to be sent.

        A stopped job that was not answered meanwhile was pre-empted and takes its old place in the queue.
        """
        self.running = None
        if run.answered:
            return False
        if stopped:
            self._waiting[run.job.ticket] = run.job
        return not stopped

    def _open(self) -> Iterable[Job]:
        """Jobs without an answer yet."""
        yield from self._waiting.values()
        if self.running and not self.running.answered:
            yield self.running.job

    def _close(self, jobs: Iterable[Job], failed: Failed) -> list[Answer]:
        jobs = list(jobs)
        for job in jobs:
            if self._waiting.pop(job.ticket, None) is None:
                assert self.running is not None
                self.running.stopping = self.running.answered = True
        return [Answer(job, failed) for job in jobs]
