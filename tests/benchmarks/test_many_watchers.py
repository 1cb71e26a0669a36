"""What 500 deferred operators cost: the triggerer's event loop that watches their jobs, and the Ray head that is asked.

500 real jobs would need 42 GB (85 MB each), so 500 triggers share a few real jobs of a real head. The triggers run as
in a triggerer, in one event loop of a process of their own; only Airflow's supervisor is a stand-in, with XComs in a
dict.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.benchmark

WATCHERS = 500
JOBS = 4
SECONDS = 60.0
LINE_SECONDS = 2  # a line of each job's log
FOLDER = Path(__file__).parents[1] / "jobs"


class Supervisor:
    """Keeps XComs in memory."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.writes = 0

    async def asend(self, message: Any) -> Any:
        from airflow.sdk.execution_time.comms import XComResult

        if type(message).__name__ == "SetXCom":
            self.values[message.task_id] = message.value
            self.writes += 1
            return None
        return XComResult(key="log", value=self.values.get(message.task_id))


def head_cpu(head: Any) -> float:
    """CPU seconds of all processes of the head so far."""
    return sum(sum(process.cpu_times()[:2]) for process in head.members())


def figures(watcher: subprocess.Popen[str]) -> Any:
    """The next figures of the watcher, between the log lines that it shows."""
    assert watcher.stdout is not None
    for line in watcher.stdout:
        if line.startswith("FIGURES "):
            return json.loads(line.removeprefix("FIGURES "))
    raise AssertionError("the watcher ended without its figures")


def tell(what: Any) -> None:
    print("FIGURES " + json.dumps(what), flush=True)


@pytest.mark.timeout(900)
def test_watchers_of_one_triggerer(tmp_path: Path):
    from embedded.http import request_json
    from embedded.processes import poll
    from embedded.ray_head import RayHead
    from ray_jobs_api.client import RayJobsClient
    from ray_jobs_api.job_request import command_line
    from ray_jobs_api.packages import pack
    from ray_jobs_api.settings import ClusterSettings

    package = pack(FOLDER)
    ids = [f"bench-{number}" for number in range(JOBS)]

    async def submit(url: str) -> None:
        async with RayJobsClient(ClusterSettings(url, "bench")) as client:
            await client.upload_package(package.name, package.content)
            for submission_id in ids:
                command = command_line(["python", "behave.py", "until", str(tmp_path / "end"), LINE_SECONDS])
                request = {"entrypoint": command, "runtime_env": {"working_dir": package.uri}}
                await client.submit({**request, "submission_id": submission_id})

    def all_run() -> bool:
        jobs = request_json("GET", f"{head.dashboard_url}/api/jobs/")
        return sum(job["status"] == "RUNNING" for job in jobs) == JOBS

    with RayHead(tmp_path / "ray") as head:
        asyncio.run(submit(head.dashboard_url))
        poll(all_run, 120, "the jobs do not run", interval=1)
        before = head_cpu(head)
        time.sleep(SECONDS)
        idle = (head_cpu(head) - before) / SECONDS
        environment = {
            **os.environ,
            "AIRFLOW_CONN_RAY_BENCH": json.dumps({"conn_type": "ray", "host": head.dashboard_url}),
        }
        watcher = subprocess.Popen(
            [sys.executable, __file__, str(WATCHERS), str(SECONDS), str(tmp_path / "end"), *ids],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert figures(watcher) == "steady"
        before = head_cpu(head)
        result = figures(watcher)
        busy = (head_cpu(head) - before) / SECONDS
        ended = figures(watcher)
        assert watcher.wait(60) == 0
    everything = {"head_cores_idle": round(idle, 3), "head_cores_watched": round(busy, 3), **result, **ended}
    print("\n" + json.dumps(everything, indent=1))
    assert ended["succeeded"] == WATCHERS
    # The limits of cluster_throttle.py: 25 polls and 10 requests for logs.
    assert result["requests_per_second"] < 40
    assert result["log_streams"] < 100


async def watch_all(count: int, seconds: float, end: Path, ids: list[str]) -> None:
    """The watcher's side: prints `steady`, the figures of the steady state, and those of the end."""
    from airflow.sdk.execution_time import task_runner

    from airflow_ray.triggers.job import RayJobTrigger
    from ray_jobs_api.client import RayJobsClient
    from ray_jobs_api.transport import HttpTransport

    supervisor = Supervisor()
    task_runner.SUPERVISOR_COMMS = supervisor
    requests: Counter[str] = Counter()
    open_request, tail = HttpTransport.open, RayJobsClient.tail

    def counted_open(self: Any, method: str, path: str, **options: Any) -> Any:
        requests["http"] += 1
        return open_request(self, method, path, **options)

    def counted_tail(self: Any, submission_id: str) -> Any:
        requests["websocket"] += 1
        return tail(self, submission_id)

    HttpTransport.open, RayJobsClient.tail = counted_open, counted_tail
    process = psutil.Process()
    memory = process.memory_info().rss

    async def one(number: int) -> str:
        trigger = RayJobTrigger(
            conn_id="ray_bench",
            submission_id=ids[number % len(ids)],
            task_key=["dag", "run", f"task-{number}", -1],
            limits={},
        )
        async for event in trigger.run():
            return str(event.payload["status"])
        raise AssertionError("a trigger fires one event")

    tasks = [asyncio.create_task(one(number)) for number in range(count)]
    await asyncio.sleep(60)
    tell("steady")
    at_start, cpu, writes = Counter(requests), sum(process.cpu_times()[:2]), supervisor.writes
    await asyncio.sleep(seconds)
    tell(
        {
            "watchers": count,
            "watcher_cores": round((sum(process.cpu_times()[:2]) - cpu) / seconds, 3),
            "watcher_mb_each": round((process.memory_info().rss - memory) / count / 1e6, 3),
            "requests_per_second": round((requests["http"] - at_start["http"]) / seconds, 2),
            "log_streams": requests["websocket"],
            "xcom_writes_per_second": round((supervisor.writes - writes) / seconds, 2),
        }
    )
    await asyncio.to_thread(end.touch)
    ended = time.monotonic()
    states = await asyncio.gather(*tasks)
    tell({"succeeded": states.count("SUCCEEDED"), "seconds_to_see_the_end": round(time.monotonic() - ended, 1)})


if __name__ == "__main__":
    asyncio.run(watch_all(int(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:]))
