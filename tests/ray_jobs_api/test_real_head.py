"""Client, placement and watch against a real Ray head, with small jobs in plain Python."""

import asyncio
import json
import re
import time
import uuid
from dataclasses import replace
from typing import Any

import pytest

from embedded.ports import free_ports
from ray_head_client import JOBS, behaving, place_attempt, watched
from ray_jobs_api.client import RayJobsClient
from ray_jobs_api.failures import FailureReason, JobExistsError, JobNotFoundError, RayApiError
from ray_jobs_api.job_outcome import JobOutcome, complete_output
from ray_jobs_api.job_request import command_line, job_request
from ray_jobs_api.packages import pack
from ray_jobs_api.ray_messages import cause_of_setup
from ray_jobs_api.runtime_env import carry_command, resolve_code
from ray_jobs_api.stopping import stop_and_wait
from ray_jobs_api.watch import JobLimits


def test_a_job_with_its_lines_once_and_its_report(cluster, attempt):
    outcome, lines = cluster.run_job(attempt, "ok", 25)
    assert outcome.status == "SUCCEEDED"
    assert outcome.log_complete
    assert outcome.report == {"pipeline": "behave", "listed": 25}
    assert [line for line in lines if line.startswith("line")] == [f"line {number} of the job" for number in range(25)]
    assert JobOutcome(**json.loads(json.dumps(outcome.to_event()))) == outcome


def test_a_failed_job_with_exit_code_sentence_and_tail(cluster, attempt):
    outcome, _ = cluster.run_job(attempt, "exit", 4, "no such store")
    assert (outcome.status, outcome.exit_code, outcome.error) == ("FAILED", 4, "no such store")
    assert "about to fail" in outcome.tail


@pytest.mark.nightly
def test_output_comes_from_the_finished_log_when_it_was_not_streamed(cluster, attempt):
    outcome, lines = cluster.run_job(attempt, "ok", 4, stream_logs=False)
    assert (lines, outcome.log_complete, outcome.report) == ([], False, None)
    filled = cluster.ask(lambda client: complete_output(client, outcome))
    assert filled.report == {"pipeline": "behave", "listed": 4}


def test_a_submit_under_a_taken_id_is_refused_and_place_attaches(cluster, attempt):
    wanted = {**behaving("sleep", 20), "submission_id": attempt.submission_id}

    async def twice(client: RayJobsClient) -> Any:
        first = await place_attempt(client, attempt, behaving("sleep", 20), packages=[pack(JOBS)])
        with pytest.raises(JobExistsError, match="already exists"):
            await client.submit(wanted)
        second = await place_attempt(client, attempt, behaving("sleep", 20))
        await stop_and_wait(client, attempt.submission_id)
        return first, second

    first, second = cluster.ask(twice)
    assert (first.attached, second.attached) == (False, True)
    assert first.submission_id == second.submission_id == attempt.submission_id


def test_a_retry_adopts_a_living_job_and_replaces_a_dead_one(cluster, attempt):
    second, third = replace(attempt, try_number=2), replace(attempt, try_number=3)

    async def story(client: RayJobsClient) -> Any:
        await place_attempt(client, attempt, behaving("sleep", 60), packages=[pack(JOBS)])
        adopted = await place_attempt(client, second, behaving("sleep", 60))
        stopped = await stop_and_wait(client, attempt.submission_id)
        fresh = await place_attempt(client, third, behaving("ok"))
        return adopted, stopped, fresh

    adopted, stopped, fresh = cluster.ask(story)
    assert adopted.submission_id == attempt.submission_id
    assert stopped.status == "STOPPED"
    assert (fresh.submission_id, fresh.attached) == (third.submission_id, False)


@pytest.mark.nightly
def test_a_superseded_job_has_stopped_before_the_new_one_starts(cluster, attempt):
    cleared = replace(attempt, epoch=1, try_number=2)

    async def story(client: RayJobsClient) -> Any:
        await place_attempt(client, attempt, behaving("sleep", 60), packages=[pack(JOBS)])
        placed = await place_attempt(client, cleared, behaving("ok"), superseded=attempt.submission_id)
        return placed, await client.job(attempt.submission_id)

    placed, old = cluster.ask(story)
    assert placed.submission_id == cleared.submission_id
    assert old.status == "STOPPED"


@pytest.mark.parametrize("limit", ["deadline", pytest.param("job_timeout", marks=pytest.mark.nightly)])
def test_a_limit_stops_the_job(cluster, attempt, limit):
    value = time.time() + 4 if limit == "deadline" else 4
    outcome, _ = cluster.run_job(attempt, "sleep", 120, limits=JobLimits(**{limit: value}))
    assert outcome.status == "STOPPED"
    assert outcome.limit == limit


@pytest.mark.nightly
def test_a_job_that_cannot_be_placed_is_given_up_and_ends_when_it_would_begin(cluster, attempt):
    holder = replace(attempt, task_id="holder")

    async def story(client: RayJobsClient) -> Any:
        await place_attempt(client, holder, {**behaving("sleep", 120), "entrypoint_num_cpus": 2}, packages=[pack(JOBS)])
        while (await client.job(holder.submission_id)).status == "PENDING":
            await asyncio.sleep(0.2)
        await place_attempt(client, attempt, {**behaving("sleep", 60), "entrypoint_num_cpus": 1})
        outcome, _ = await watched(client, attempt.submission_id, limits=JobLimits(pending_timeout=2))
        await stop_and_wait(client, holder.submission_id)
        while not (job := await client.job(attempt.submission_id)).finished:
            await asyncio.sleep(0.2)
        return outcome, job

    outcome, job = cluster.ask(story)
    assert (outcome.limit, outcome.status) == ("pending_timeout", "PENDING")
    assert job.status == "STOPPED"


@pytest.mark.nightly
def test_cancelling_a_watch_leaves_the_job_alone(cluster, attempt):
    async def story(client: RayJobsClient) -> Any:
        placed = await place_attempt(client, attempt, behaving("sleep", 30), packages=[pack(JOBS)])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watched(client, placed.submission_id), 4)
        job = await client.job(placed.submission_id)
        await stop_and_wait(client, placed.submission_id)
        return job

    assert cluster.ask(story).status in ("PENDING", "RUNNING")


def test_an_unknown_job_is_a_lost_cluster(cluster):
    outcome, _ = cluster.ask(lambda client: watched(client, "never-submitted"))
    assert outcome.api_reason == FailureReason.CLUSTER_LOST
    with pytest.raises(JobNotFoundError):
        cluster.ask(lambda client: client.stop("never-submitted"))


def test_a_package_is_uploaded_once(cluster, tmp_path):
    (tmp_path / "main.py").write_text(f"print({uuid.uuid4().hex!r})")
    package = pack(tmp_path)

    async def story(client: RayJobsClient) -> Any:
        before = await client.has_package(package.name)
        await client.upload_package(package.name, package.content)
        return before, await client.has_package(package.name)

    assert cluster.ask(story) == (False, True)


def test_a_wrong_field_is_refused_at_once(cluster):
    with pytest.raises(RayApiError) as caught:
        cluster.ask(lambda client: client.submit({"entrypoint": "true", "colour": "red"}))
    assert caught.value.reason is FailureReason.REJECTED
    assert "colour" in str(caught.value)


def test_nobody_listens(cluster):
    (port,) = free_ports(1)
    with pytest.raises(RayApiError, match=rf"Cannot reach Ray at http://127.0.0.1:{port} \(connection 'test'\)"):
        cluster.at(f"http://127.0.0.1:{port}").ask(lambda client: client.version(), retry_delay=0.01)


@pytest.mark.nightly
def test_a_retry_uses_the_id_under_which_a_lost_submit_may_still_arrive(cluster, attempt):
    second = replace(attempt, try_number=2)
    noted: list[str] = []

    async def story(client: RayJobsClient) -> Any:
        placed = await place_attempt(
            client,
            second,
            behaving("ok"),
            packages=[pack(JOBS)],
            in_doubt=attempt.submission_id,
            on_submit=noted.append,
        )
        with pytest.raises(JobExistsError):  # the first try's request, late
            await client.submit({**behaving("ok"), "submission_id": attempt.submission_id})
        with pytest.raises(JobNotFoundError):
            await client.job(second.submission_id)
        return placed

    placed = cluster.ask(story)
    assert (placed.submission_id, placed.attached) == (attempt.submission_id, False)
    assert noted == [attempt.submission_id]


def test_a_deleted_record_and_a_replaced_cluster_are_told_apart(cluster):
    session = cluster.ask(lambda client: client.version())["session_name"]
    outcome, _ = cluster.ask(lambda client: watched(client, "never-submitted", session=session))
    assert outcome.api_error == f"the cluster is the same (session {session}), but the job's record was deleted."
    outcome, _ = cluster.ask(lambda client: watched(client, "never-submitted", session="session_before"))
    assert outcome.api_error == f"the cluster was replaced: session {session} does not know a job of session_before."


def test_a_local_module_is_importable_in_a_job_with_a_command_of_any_length(cluster, attempt, tmp_path):
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").write_text("WORD = 'from the module'")
    (tmp_path / "single.py").write_text("WORD = 'from the file'")
    modules = {"py_modules": [str(tmp_path / "tools"), str(tmp_path / "single.py")]}
    program = "import sys, tools, single; print(tools.WORD, single.WORD, len(sys.argv))"
    words = command_line(["python", "-c", program], {"x": ["y" * 100] * 2_000})
    command, packages, environment = carry_command(words, *resolve_code(None, modules))
    request = job_request(entrypoint=command, runtime_env=environment, metadata={})

    async def story(client: RayJobsClient) -> Any:
        await place_attempt(client, attempt, request, packages=packages)
        return await watched(client, attempt.submission_id)

    _, lines = cluster.ask(story)
    assert "from the module from the file 2001" in lines


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("field", "name", "cause"),
    [
        ("working_dir", "text.zip", "working_dir: zipfile.BadZipFile: File is not a zip file"),
        ("working_dir", "missing.zip", "working_dir: FileNotFoundError: .*missing.zip"),
        ("py_modules", "bad.whl", "py_modules: ERROR: .*wheel filename"),
    ],
)
def test_why_a_runtime_environment_cannot_be_set_up_is_in_what_is_kept_of_rays_message(
    cluster, attempt, tmp_path, field, name, cause
):
    for made in ("text.zip", "bad.whl"):
        (tmp_path / made).write_text("no zip")
    address = (tmp_path / name).as_uri()

    async def story(client: RayJobsClient) -> JobOutcome:
        environment = {field: [address] if field == "py_modules" else address}
        request = job_request(entrypoint="true", runtime_env=environment, metadata={})
        placed = await place_attempt(client, attempt, request)
        return (await watched(client, placed.submission_id))[0]

    outcome = cluster.ask(story)
    assert outcome.error_type == "RUNTIME_ENV_SETUP_FAILURE"
    assert re.search(cause, cause_of_setup(outcome.message))
