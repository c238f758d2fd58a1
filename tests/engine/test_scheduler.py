from __future__ import annotations

import random
from collections import Counter

import pytest

from codeworld.canvas import InfillRequest
from codeworld.engine.protocol import Failed, Priority
from codeworld.engine.scheduler import Answer, Job, Run, Scheduler, Ticket


def job(request: int, priority: Priority = "interactive", document: str = "") -> Job:
    return Job(Ticket(1, request), InfillRequest(f"prefix {request}", ""), document, priority)


def reasons(answers: list[Answer]) -> list[tuple[int, str]]:
    return [(answer.job.ticket.request, answer.failed.reason) for answer in answers]


def run_next(scheduler: Scheduler) -> Run:
    run = scheduler.next()
    assert run is not None
    return run


def order(scheduler: Scheduler) -> list[int]:
    """Run everything that waits and tell in which order."""
    requests = []
    while (run := scheduler.next()) is not None:
        requests.append(run.job.ticket.request)
        assert scheduler.finish(run, stopped=False)
    return requests


def test_priority_then_arrival() -> None:
    scheduler = Scheduler()
    priorities: list[Priority] = ["batch", "interactive", "speculative", "batch", "interactive"]
    for number, priority in enumerate(priorities):
        scheduler.submit(job(number, priority))
    assert order(scheduler) == [1, 4, 2, 0, 3]
    assert scheduler.idle


def test_one_at_a_time() -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1))
    scheduler.submit(job(2))
    run = run_next(scheduler)
    assert scheduler.next() is None
    assert scheduler.queued == 1
    scheduler.finish(run, stopped=False)
    assert run_next(scheduler).job.ticket.request == 2


@pytest.mark.parametrize("low", ["speculative", "batch"])
def test_interactive_preempts_and_the_other_resumes_in_its_place(low: Priority) -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1, low))
    scheduler.submit(job(2, low))
    run = run_next(scheduler)
    assert not run.should_stop()
    assert scheduler.submit(job(3)) == []
    assert run.should_stop()
    assert not scheduler.finish(run, stopped=True)
    assert order(scheduler) == [3, 1, 2]


def test_a_preempted_job_that_finished_nevertheless_is_answered() -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1, "batch"))
    run = run_next(scheduler)
    scheduler.submit(job(2))
    assert scheduler.finish(run, stopped=False)
    assert order(scheduler) == [2]


@pytest.mark.parametrize("newer", ["speculative", "batch"])
def test_only_interactive_preempts(newer: Priority) -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1, "batch"))
    run = run_next(scheduler)
    scheduler.submit(job(2, newer))
    assert not run.should_stop()


def test_interactive_does_not_preempt_interactive() -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1, document="a"))
    run = run_next(scheduler)
    scheduler.submit(job(2, document="b"))
    assert not run.should_stop()


def test_newest_of_a_document_wins() -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1, document="a"))
    run = run_next(scheduler)
    assert reasons(scheduler.submit(job(2, document="a"))) == [(1, "superseded")]
    assert run.should_stop()
    assert reasons(scheduler.submit(job(3, document="a"))) == [(2, "superseded")]
    assert scheduler.submit(job(4, document="b")) == []
    assert not scheduler.finish(run, stopped=True), "answered already"
    assert order(scheduler) == [3, 4]


def test_no_document_supersedes_nothing() -> None:
    scheduler = Scheduler()
    assert scheduler.submit(job(1)) == []
    assert scheduler.submit(job(2)) == []
    assert order(scheduler) == [1, 2]


def test_speculative_supersedes_no_interactive() -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1, document="a"))
    assert scheduler.submit(job(2, "speculative", "a")) == []
    assert reasons(scheduler.submit(job(3, document="a"))) == [(1, "superseded"), (2, "superseded")]


def test_cancel_waiting_and_running() -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1))
    scheduler.submit(job(2))
    run = run_next(scheduler)
    assert reasons(scheduler.cancel(Ticket(1, 2))) == [(2, "cancelled")]
    assert reasons(scheduler.cancel(Ticket(1, 1))) == [(1, "cancelled")]
    assert run.should_stop()
    assert scheduler.cancel(Ticket(1, 1)) == [], "answered once"
    assert scheduler.cancel(Ticket(2, 7)) == []
    assert not scheduler.finish(run, stopped=True)
    assert scheduler.idle


def test_cancel_of_a_preempted_job_that_still_runs() -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1, "batch"))
    run = run_next(scheduler)
    scheduler.submit(job(2))
    assert reasons(scheduler.cancel(Ticket(1, 1))) == [(1, "cancelled")]
    assert not scheduler.finish(run, stopped=True)
    assert order(scheduler) == [2], "it is not queued again"


def test_disconnect_forgets_only_that_connection() -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1))
    scheduler.submit(Job(Ticket(2, 1), None))
    scheduler.submit(job(2))
    run = run_next(scheduler)
    scheduler.disconnect(1)
    assert run.should_stop()
    assert not scheduler.finish(run, stopped=True)
    assert run_next(scheduler).job.ticket.connection == 2


def test_a_request_id_in_use_is_refused_and_the_first_one_lives() -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1))
    assert reasons(scheduler.submit(job(1))) == [(1, "bad-request")]
    assert order(scheduler) == [1]


def test_full_queue_refuses_or_makes_room_for_better() -> None:
    scheduler = Scheduler(limit=2)
    scheduler.submit(job(1, "batch"))
    scheduler.submit(job(2, "batch"))
    assert reasons(scheduler.submit(job(3, "batch"))) == [(3, "unavailable")]
    assert reasons(scheduler.submit(job(4))) == [(2, "unavailable")]
    assert order(scheduler) == [4, 1]


def test_close_answers_all_and_stops_the_running_one() -> None:
    scheduler = Scheduler()
    scheduler.submit(job(1))
    scheduler.submit(job(2))
    run = run_next(scheduler)
    assert sorted(reasons(scheduler.close(Failed("closing")))) == [(1, "closing"), (2, "closing")]
    assert run.should_stop()
    assert not scheduler.finish(run, stopped=True)
    assert scheduler.idle


@pytest.mark.parametrize("seed", range(20))
def test_every_request_is_answered_exactly_once(seed: int) -> None:
    """A random life: whatever happens in whatever order, no answer is lost or given twice."""
    dice = random.Random(seed)
    scheduler = Scheduler(limit=8)
    answered: Counter[Ticket] = Counter()
    tickets = []

    def count(answers: list[Answer]) -> None:
        answered.update(answer.job.ticket for answer in answers)

    def step(number: int) -> None:
        run = scheduler.running
        match dice.randrange(5):
            case 0 | 1:
                priority: Priority = dice.choice(["interactive", "speculative", "batch"])
                tickets.append(Ticket(dice.randrange(3), number))
                count(scheduler.submit(Job(tickets[-1], None, dice.choice(["", "a", "b"]), priority)))
            case 2 if tickets:
                count(scheduler.cancel(dice.choice(tickets)))
            case 3:
                scheduler.next()
            case 4 if run is not None:
                finished(run, stopped=run.should_stop() and dice.random() < 0.7)

    def finished(run: Run, stopped: bool) -> None:
        if scheduler.finish(run, stopped=stopped):
            answered[run.job.ticket] += 1

    for number in range(500):
        step(number)
    while not scheduler.idle:
        run = scheduler.running or run_next(scheduler)
        finished(run, stopped=run.should_stop())
    assert len(tickets) > 100
    assert answered == Counter(tickets)
