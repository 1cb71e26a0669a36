"""``on_kill`` of the trigger while Airflow's own answer about the task is slow, late or missing.

The supervisor and the Ray head are stand-ins here: neither a real triggerer nor a real head is slow on demand. What a
real Airflow does on a kill is in ``tests/dags/test_operator.py``.
"""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from airflow.sdk.execution_time.comms import TaskStatesResult

from airflow_ray.triggers import job


class Supervisor:
    """Answers a question for task states after a pause."""

    def __init__(self, state: str | None, pause: float) -> None:
        self.state, self.pause = state, pause

    async def asend(self, message: Any) -> Any:
        if type(message).__name__ != "GetTaskStates":
            return None
        await asyncio.sleep(self.pause)
        return TaskStatesResult(task_states={"run": {"task": self.state}})


async def kill(
    monkeypatch: pytest.MonkeyPatch, supervise: Any, supervisor: Supervisor, *, cancel_after: float | None
) -> list[str]:
    supervise(supervisor)
    stopped = []

    async def stop(request: web.Request) -> web.Response:
        stopped.append(request.match_info["job"])
        return web.json_response({"stopped": True})

    app = web.Application()
    app.router.add_post("/api/jobs/{job}/stop", stop)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    monkeypatch.setenv("AIRFLOW_CONN_RAY_KILL", f"ray://127.0.0.1:{port}")
    trigger = job.RayJobTrigger(
        conn_id="ray_kill", submission_id="the-job", task_key=["dag", "run", "task", -1], limits={}
    )
    killing = asyncio.create_task(trigger.on_kill())
    if cancel_after is not None:
        await asyncio.sleep(cancel_after)
        killing.cancel()
    await asyncio.gather(killing, return_exceptions=True)
    await asyncio.gather(*job._stops)
    await runner.cleanup()
    return stopped


def test_a_second_cancel_does_not_lose_the_stop(monkeypatch, supervise):
    stopped = asyncio.run(kill(monkeypatch, supervise, Supervisor("failed", pause=0.5), cancel_after=0.1))
    assert stopped == ["the-job"]


@pytest.mark.parametrize("state", ["failed", "success", None])
def test_a_task_that_is_no_longer_deferred_stops_its_job(monkeypatch, supervise, state):
    assert asyncio.run(kill(monkeypatch, supervise, Supervisor(state, pause=0), cancel_after=None)) == ["the-job"]


def test_a_trigger_that_another_triggerer_took_over_leaves_the_job_alone(monkeypatch, supervise):
    assert asyncio.run(kill(monkeypatch, supervise, Supervisor("deferred", pause=0), cancel_after=None)) == []
