"""Where the job of a piece of work is placed, with a stand-in for Ray's client."""

import asyncio
from dataclasses import dataclass, field

import pytest

from ray_jobs_api import placement
from ray_jobs_api.client import JobInfo
from ray_jobs_api.failures import FailureReason, JobNotFoundError, RayApiError
from ray_jobs_api.placement import place

GIVEN_UP = JobInfo("before", "FAILED", error_type="JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE", node_id="n1")
FAILED = JobInfo("before", "FAILED", error_type="JOB_ENTRYPOINT_COMMAND_ERROR")


@dataclass
class Client:
    """Knows one job, whose supervisor answers so often that it stops the driver."""

    known: JobInfo
    answers: int = 1
    done: list[str] = field(default_factory=list)

    async def version(self):
        return {"session_name": "session"}

    async def job(self, submission_id):
        if submission_id != self.known.submission_id:
            raise JobNotFoundError("unknown", FailureReason.CLUSTER_LOST)
        return self.known

    async def stop(self, submission_id):
        self.done.append(f"stop {submission_id}")
        self.answers -= 1
        return self.answers >= 0

    async def submit(self, request):
        self.done.append(f"submit {request['submission_id']}")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    async def sleep(seconds):
        pass

    monkeypatch.setattr(placement.asyncio, "sleep", sleep)


@pytest.mark.parametrize("before", [{"earlier": ["before"]}, {"superseded": "before"}], ids=["retried", "cleared"])
@pytest.mark.parametrize(
    ("job", "stops"), [(GIVEN_UP, ["stop before", "stop before"]), (FAILED, [])], ids=["given up", "failed"]
)
def test_the_driver_of_a_job_that_ray_has_given_up_ends_first(before, job, stops):
    """A task that is retried, or cleared, while Ray's head is replaced (ray#65025)."""
    client = Client(job)
    placed = asyncio.run(place(client, "new", {}, **before))
    assert client.done == [*stops, "submit new"]
    assert (placed.submission_id, placed.attached) == ("new", False)


def test_a_driver_that_does_not_stop_is_named_with_its_node(monkeypatch):
    monkeypatch.setattr(placement, "STOP_SECONDS", 0)
    with pytest.raises(RayApiError, match=r"before has failed, but .* does not stop; .* on its node n1") as caught:
        asyncio.run(place(Client(GIVEN_UP, answers=10), "new", {}, earlier=["before"]))
    assert caught.value.reason is FailureReason.INFRASTRUCTURE
