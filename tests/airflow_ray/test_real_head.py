"""The operators' helpers, the hook and the example against a real Ray head."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_ray.job_ids import Attempt
from airflow_ray.operators.cleanup import delete_old_jobs, jobs_with_prefix
from embedded.ray_head import RayHead
from ray_head_client import JOBS, RayHeadClient, behaving, place_attempt, watched
from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.failures import FailureReason, RayApiError
from ray_jobs_api.job_request import command_line, job_request
from ray_jobs_api.packages import pack
from ray_jobs_api.runtime_env import resolve_code
from ray_jobs_api.settings import ClusterSettings
from ray_jobs_api.stopping import stop_and_wait

EXAMPLES = Path(__file__).parents[2] / "dags" / "examples"


@pytest.mark.nightly
def test_old_records_of_ours_are_deleted_and_nothing_else(cluster, attempt):
    ours = replace(attempt, prefix="tidy")
    other = replace(attempt, prefix="tidier")
    living = replace(ours, try_number=2)

    async def story(client: RayJobsClient) -> Any:
        for each in (ours, other):
            await place_attempt(client, each, behaving("ok", metadata=each.metadata), packages=[pack(JOBS)])
            await watched(client, each.submission_id, stream_logs=False)
        await place_attempt(client, living, behaving("sleep", 60, metadata=living.metadata), adopt=False)
        found = await jobs_with_prefix(client, "tidy")
        young = await delete_old_jobs(client, found, 3600)
        old = await delete_old_jobs(client, found, 0)
        left = {job.submission_id for job in await client.jobs()}
        await stop_and_wait(client, living.submission_id)
        return found, young, old, left

    found, young, old, left = cluster.ask(story)
    assert {job.submission_id for job in found} == {ours.submission_id, living.submission_id}
    assert (young, old) == (0, 1)
    assert left >= {other.submission_id, living.submission_id}
    assert ours.submission_id not in left


@pytest.mark.nightly
def test_a_guarded_head_wants_its_token(tmp_path_factory):
    from airflow.sdk import Connection

    from airflow_ray.hooks.cluster import RayHook

    with RayHead(tmp_path_factory.mktemp("guarded"), auth_token="the-right-token", num_cpus=1) as head:
        guarded = RayHeadClient(ClusterSettings(head.dashboard_url, "test", token=head.auth_token))
        for token, status in ((None, 401), ("not-the-token", 403)):
            with pytest.raises(RayApiError, match=f"HTTP {status}") as caught:
                guarded.at(head.dashboard_url, token=token).ask(lambda client: client.job("x"))
            assert caught.value.reason is FailureReason.AUTHENTICATION
            assert "token-" not in str(caught.value)
        outcome, lines = guarded.run_job(Attempt("dag", "run", "guarded", -1, 0, 1), "ok", 3)
        assert outcome.status == "SUCCEEDED"
        assert "line 2 of the job" in lines  # so the websocket carries the token too

        class OneConnection(RayHook):
            password = "the-right-token"

            @classmethod
            def get_connection(cls, conn_id: str) -> Connection:
                return Connection(conn_id=conn_id, conn_type="ray", host=head.dashboard_url, password=cls.password)

        good, text = OneConnection().test_connection()
        assert good and text.startswith("Ray 2.")
        OneConnection.password = "wrong"
        good, text = OneConnection().test_connection()
        assert not good and "HTTP 403" in text


@pytest.mark.nightly
def test_the_example_runs_as_its_dag_says(cluster, attempt):
    from airflow.dag_processing.dagbag import DagBag

    (task,) = DagBag(str(EXAMPLES)).dags["example_ray_job"].tasks
    packages, runtime_env = resolve_code(task.working_dir, {})
    command = command_line(task.entrypoint, {**task.arguments, "samples": 1000, "seed": 1})
    request = job_request(entrypoint=command, runtime_env=runtime_env, metadata={})

    async def story(client: RayJobsClient) -> Any:
        await place_attempt(client, attempt, request, packages=packages)
        return await watched(client, attempt.submission_id)

    outcome, lines = cluster.ask(story)
    assert outcome.status == "SUCCEEDED", lines
    assert outcome.report["samples"] == 1000
    assert 3 < outcome.report["pi"] < 3.3
