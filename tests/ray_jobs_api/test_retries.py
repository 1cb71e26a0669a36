"""Retries of the client against a stand-in for Ray's dashboard: which failures, how often, after which delays."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from tenacity import RetryCallState

from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.failures import FailureReason, JobExistsError, RayApiError
from ray_jobs_api.settings import ClusterSettings
from ray_jobs_api.transport import HttpTransport

JOB = {"submission_id": "a-job", "status": "RUNNING"}


class Dashboard:
    """Answers requests with the given statuses in order, then with a job."""

    def __init__(self, *statuses: int, text: str = "busy") -> None:
        self.statuses, self.text, self.requests = list(statuses), text, 0

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        if self.statuses:
            return web.Response(status=self.statuses.pop(0), text=self.text)
        return web.json_response(JOB)

    def ask(self, question: Callable[[RayJobsClient], Awaitable[Any]], **options: Any) -> Any:
        async def run() -> Any:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self.answer)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                async with RayJobsClient(ClusterSettings(url, "test"), **{"retry_delay": 0.001, **options}) as client:
                    return await question(client)
            finally:
                await runner.cleanup()

        return asyncio.run(run())


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_transient_status_is_retried_until_the_last_attempt(status):
    dashboard = Dashboard(status, status, status)
    assert dashboard.ask(lambda client: client.job("a-job")).status == "RUNNING"
    assert dashboard.requests == 4
    dashboard = Dashboard(*[status] * 5)
    with pytest.raises(RayApiError, match=f"answered HTTP {status}: busy") as caught:
        dashboard.ask(lambda client: client.job("a-job"))
    assert (dashboard.requests, caught.value.reason) == (4, FailureReason.UNREACHABLE)


@pytest.mark.parametrize(
    ("status", "text", "reason"),
    [
        (400, "no such field", FailureReason.REJECTED),
        (401, "", FailureReason.AUTHENTICATION),
        (403, "", FailureReason.AUTHENTICATION),
        (404, "", FailureReason.CLUSTER_LOST),
        (500, "Request failed with status code 400: no such field", FailureReason.REJECTED),
        (500, "Job a-job already exists", FailureReason.REJECTED),
    ],
)
def test_a_permanent_status_is_not_retried(status, text, reason):
    dashboard = Dashboard(status, text=text)
    with pytest.raises(RayApiError) as caught:
        dashboard.ask(lambda client: client.submit({**JOB}))
    assert (dashboard.requests, caught.value.reason) == (1, reason)
    assert isinstance(caught.value, JobExistsError) is ("exists" in text)


def test_delays_double_and_vary_by_30_percent():
    transport = HttpTransport(ClusterSettings("http://ray.invalid:8265", "test"), retry_delay=1.0)
    retries = [RetryCallState(retry_object=None, fn=None, args=(), kwargs={}) for _ in range(5)]
    for number, state in enumerate(retries):
        state.attempt_number = number + 1
    ratios = [transport._delay(state) / 2**number for number, state in enumerate(retries)]
    assert 0.7 <= min(ratios) < max(ratios) <= 1.3
