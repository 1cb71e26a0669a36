"""A job that prints faster than its log is shown. Ray is a stand-in: the job has ended before its log is shown.

But for one test, all logs count as too long to be read again at the job's end.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ray_jobs_api import log_stream, watch
from ray_jobs_api.client import JobInfo
from ray_jobs_api.failures import FailureReason, RayApiError
from ray_jobs_api.job_outcome import JobOutcome
from ray_jobs_api.watch import JobLimits, JobWatch

LINES = [f"line {number}" for number in range(200)]
LOG = "".join(f"{line}\n" for line in LINES) + 'REPORT {"listed": 200}\n'


class Finished:
    """As a client: a job that has succeeded, with a log that streams in pieces as slow as ``pause``."""

    def __init__(self, pause: float = 0.0, readable: bool = True) -> None:
        self.pause, self.readable = pause, readable

    async def job(self, submission_id: str) -> JobInfo:
        return JobInfo(submission_id, "SUCCEEDED", exit_code=0)

    async def tail(self, submission_id: str) -> AsyncIterator[str]:
        for line in LOG.splitlines(keepends=True):
            yield line
            await asyncio.sleep(self.pause)

    async def whole_log(self, submission_id: str, last_lines: int = -1) -> AsyncIterator[str]:
        if not self.readable:
            raise RayApiError("It is away.", FailureReason.UNREACHABLE)
        yield "".join(LOG.splitlines(keepends=True)[-last_lines if last_lines > 0 else 0 :])


class Position:
    """A ``LogPosition`` in memory."""

    saved = 0

    async def load(self) -> int:
        return 0

    async def is_current(self) -> bool:
        return True

    async def save(self, offset: int) -> None:
        self.saved = offset


def follow(client: Any, **options: Any) -> tuple[JobOutcome, list[str]]:
    lines: list[str] = []
    options = {"emit": lines.append, "limits": JobLimits(), **options}
    return asyncio.run(JobWatch(client, "the-job", **options).run()), lines


@pytest.fixture(autouse=True)
def _no_log_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_SHORT_LOG", 0)


class StaysOpen(Finished):
    """A log of which a part has streamed when the job ends, and whose stream does not end by itself."""

    async def tail(self, submission_id: str) -> AsyncIterator[str]:
        yield LOG[:1_000]
        await asyncio.Event().wait()

    async def log(self, submission_id: str) -> str:
        return LOG


@pytest.mark.parametrize("position", [None, Position()])
def test_the_rest_of_a_short_log_does_not_wait_for_the_end_of_the_stream(monkeypatch, position):
    monkeypatch.setattr(watch, "_SHORT_LOG", 10_000)
    outcome, lines = follow(StaysOpen(readable=False), position=position)
    assert lines[:-1] == LINES
    assert (outcome.log_complete, outcome.report) == (True, {"listed": 200})


@pytest.mark.parametrize("position", [None, Position()])
def test_a_stream_that_still_moves_is_shown_to_its_end(monkeypatch, position):
    monkeypatch.setattr(watch, "_DRAIN_SECONDS", 0.5)
    monkeypatch.setattr(log_stream, "_BATCH_SECONDS", 0.05)
    outcome, lines = follow(Finished(pause=0.005), position=position)
    assert lines[:-1] == LINES
    assert (outcome.log_complete, outcome.report) == (True, {"listed": 200})
    assert position is None or position.saved == len(LOG)


@pytest.mark.parametrize("position", [None, Position()])
def test_a_log_that_takes_too_long_is_counted_and_its_report_read(monkeypatch, position):
    monkeypatch.setattr(watch, "_MAX_DRAIN_SECONDS", 0.5)
    monkeypatch.setattr(log_stream, "_BATCH_SECONDS", 0.05)
    outcome, lines = follow(Finished(pause=0.02), position=position)
    shown = [line for line in lines if line.startswith("line")]
    assert shown == LINES[: len(shown)]
    assert 0 < len(shown) < 200
    left = len(LOG) - sum(len(line) + 1 for line in shown)
    assert lines[-1] == (
        f"({left:,} characters of the job's log are omitted here. "
        "Read them with 'ray job logs the-job' or in the Ray dashboard.)"
    )
    assert (outcome.log_complete, outcome.report) == (True, {"listed": 200})


def test_a_log_that_cannot_even_be_counted_is_reported_as_missing(monkeypatch):
    monkeypatch.setattr(watch, "_MAX_DRAIN_SECONDS", 0.5)
    outcome, lines = follow(Finished(pause=0.02, readable=False))
    assert "at least" in lines[-1]
    assert not outcome.log_complete


def test_others_in_the_event_loop_get_their_turn_between_lines(monkeypatch):
    monkeypatch.setattr(log_stream, "_TURN_SECONDS", -1.0)
    shown: list[str] = []
    steps: list[int] = []

    async def story() -> None:
        async def others() -> None:
            while True:
                steps.append(len(shown))
                await asyncio.sleep(0)

        beating = asyncio.create_task(others())
        await JobWatch(Finished(), "the-job", limits=JobLimits(), emit=shown.append, position=Position()).run()
        beating.cancel()
        steps.append(len(shown))

    asyncio.run(story())
    assert len(shown) == 201
    assert max(after - before for before, after in itertools.pairwise(steps)) == 1


def test_a_cancel_between_two_lines_loses_none(monkeypatch):
    monkeypatch.setattr(log_stream, "_TURN_SECONDS", -1.0)
    shown: list[str] = []

    async def story() -> None:
        async def nothing_new() -> bool:
            return True

        log = log_stream.LogStream(
            Finished(), "the-job", emit=shown.append, has_ended=nothing_new, ended=asyncio.Event(), position=Position()
        )
        running = asyncio.create_task(log.run())
        while len(shown) < 50:
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await log.finish(complete=False)

    asyncio.run(story())
    assert shown[:-1] == LINES


class EndsBehindItsReport(Finished):
    """A job that ends when it has printed its report, and whose stream ends after somebody has seen that."""

    def __init__(self) -> None:
        super().__init__()
        self.status, self.seen = "RUNNING", asyncio.Event()

    async def job(self, submission_id: str) -> JobInfo:
        if self.status != "RUNNING":
            self.seen.set()
        return JobInfo(submission_id, self.status)

    async def tail(self, submission_id: str) -> AsyncIterator[str]:
        await asyncio.sleep(0)
        self.status = "SUCCEEDED"
        yield 'REPORT {"listed": 1}\n'
        await self.seen.wait()

    async def whole_log(self, submission_id: str, last_lines: int = -1) -> AsyncIterator[str]:
        yield 'REPORT {"listed": 1}\n'


def test_the_end_of_a_job_is_noticed_behind_its_report_and_not_with_the_next_poll(monkeypatch):
    monkeypatch.setattr(watch, "_FIRST_POLL", 3600)

    async def watched() -> JobOutcome:
        job = JobWatch(EndsBehindItsReport(), "the-job", emit=lambda line: None, limits=JobLimits(), interval=3600)
        return await asyncio.wait_for(job.run(), 20)

    assert asyncio.run(watched()).report == {"listed": 1}
