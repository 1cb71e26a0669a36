"""Client, placement and watch against a real Ray head, with small jobs in plain Python."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_ray.client import RayJobsClient
from airflow_ray.errors import FailureReason, JobExistsError, JobNotFoundError, RayApiError
from airflow_ray.job_ids import Attempt
from airflow_ray.outcome import complete_output
from airflow_ray.packages import pack
from airflow_ray.settings import ClusterSettings
from airflow_ray.submission import command_line, job_request, place
from airflow_ray.watch import JobWatch, Limits, Outcome, stop_and_wait
from embedded.ports import free_ports
from embedded.ray_head import RayHead

JOBS = Path(__file__).parents[1] / "jobs"
Ask = Callable[[Callable[[RayJobsClient], Awaitable[Any]]], Any]


def settings_of(head: RayHead, **changes: Any) -> ClusterSettings:
    return replace(ClusterSettings(head.dashboard_url, "test", token=head.auth_token), **changes)


def talk(settings: ClusterSettings, ask: Callable[[RayJobsClient], Awaitable[Any]], **options: Any) -> Any:
    async def run() -> Any:
        async with RayJobsClient(settings, **options) as client:
            return await ask(client)

    return asyncio.run(run())


@pytest.fixture
def ask(ray_head: RayHead) -> Ask:
    return lambda question: talk(settings_of(ray_head), question)


@pytest.fixture
def attempt() -> Iterator[Attempt]:
    yield Attempt("dag", f"run-{uuid.uuid4()}", "task", -1, epoch=0, try_number=1)


def request(*behave: Any) -> dict[str, Any]:
    package = pack(JOBS)
    environment = {"working_dir": package.uri}
    return job_request(entrypoint=command_line(["python", "behave.py", *behave]), runtime_env=environment, metadata={})


async def watched(client: RayJobsClient, submission_id: str, **options: Any) -> tuple[Outcome, list[str]]:
    lines: list[str] = []
    limits = options.pop("limits", Limits())
    outcome = await JobWatch(client, submission_id, limits=limits, emit=lines.append, interval=0.5, **options).run()
    return outcome, lines


def run_job(ask: Ask, attempt: Attempt, *behave: Any, **options: Any) -> tuple[Outcome, list[str]]:
    async def all_of_it(client: RayJobsClient) -> tuple[Outcome, list[str]]:
        placed = await place(client, attempt, request(*behave), package=pack(JOBS))
        return await watched(client, placed.submission_id, **options)

    result: tuple[Outcome, list[str]] = ask(all_of_it)
    return result


def test_a_job_with_its_lines_once_and_its_report(ask, attempt):
    outcome, lines = run_job(ask, attempt, "ok", 25)
    assert outcome.status == "SUCCEEDED"
    assert outcome.log_complete
    assert outcome.report == {"pipeline": "behave", "listed": 25}
    assert [line for line in lines if line.startswith("line")] == [f"line {number} of the job" for number in range(25)]
    assert Outcome(**json.loads(json.dumps(outcome.to_event()))) == outcome


def test_a_failed_job_with_exit_code_sentence_and_tail(ask, attempt):
    outcome, _ = run_job(ask, attempt, "exit", 4, "no such store")
    assert (outcome.status, outcome.exit_code, outcome.error) == ("FAILED", 4, "no such store")
    assert "about to fail" in outcome.tail


def test_output_comes_from_the_finished_log_when_it_was_not_streamed(ask, attempt):
    outcome, lines = run_job(ask, attempt, "ok", 4, stream_logs=False)
    assert (lines, outcome.log_complete, outcome.report) == ([], False, None)
    filled = ask(lambda client: complete_output(client, outcome))
    assert filled.report == {"pipeline": "behave", "listed": 4}


def test_a_submit_under_a_taken_id_is_refused_and_place_attaches(ask, attempt):
    wanted = {**request("sleep", 20), "submission_id": attempt.submission_id}

    async def twice(client: RayJobsClient) -> Any:
        first = await place(client, attempt, request("sleep", 20), package=pack(JOBS))
        with pytest.raises(JobExistsError, match="already exists"):
            await client.submit(wanted)
        second = await place(client, attempt, request("sleep", 20))
        await stop_and_wait(client, attempt.submission_id)
        return first, second

    first, second = ask(twice)
    assert (first.attached, second.attached) == (False, True)
    assert first.submission_id == second.submission_id == attempt.submission_id


def test_a_retry_adopts_a_living_job_and_replaces_a_dead_one(ask, attempt):
    second, third = replace(attempt, try_number=2), replace(attempt, try_number=3)

    async def story(client: RayJobsClient) -> Any:
        await place(client, attempt, request("sleep", 60), package=pack(JOBS))
        adopted = await place(client, second, request("sleep", 60))
        stopped = await stop_and_wait(client, attempt.submission_id)
        fresh = await place(client, third, request("ok"))
        return adopted, stopped, fresh

    adopted, stopped, fresh = ask(story)
    assert adopted.submission_id == attempt.submission_id
    assert stopped.status == "STOPPED"
    assert (fresh.submission_id, fresh.attached) == (third.submission_id, False)


def test_a_superseded_job_has_stopped_before_the_new_one_starts(ask, attempt):
    cleared = replace(attempt, epoch=1, try_number=2)

    async def story(client: RayJobsClient) -> Any:
        await place(client, attempt, request("sleep", 60), package=pack(JOBS))
        placed = await place(client, cleared, request("ok"), superseded=attempt.submission_id)
        return placed, await client.job(attempt.submission_id)

    placed, old = ask(story)
    assert placed.submission_id == cleared.submission_id
    assert old.status == "STOPPED"


@pytest.mark.parametrize("limit", ["deadline", "job_timeout"])
def test_a_limit_stops_the_job(ask, attempt, limit):
    value = time.time() + 8 if limit == "deadline" else 8
    outcome, _ = run_job(ask, attempt, "sleep", 120, limits=Limits(**{limit: value}))
    assert outcome.status == "STOPPED"
    assert outcome.limit == ("execution_timeout" if limit == "deadline" else "job_timeout")


def test_a_job_that_cannot_be_placed_is_given_up(ask, attempt):
    async def story(client: RayJobsClient) -> Any:
        wanted = {**request("ok"), "entrypoint_resources": {"no_such_thing": 1.0}}
        placed = await place(client, attempt, wanted, package=pack(JOBS))
        return await watched(client, placed.submission_id, limits=Limits(pending_timeout=4))

    outcome, _ = ask(story)
    assert outcome.limit == "pending_timeout"


def test_cancelling_a_watch_leaves_the_job_alone(ask, attempt):
    async def story(client: RayJobsClient) -> Any:
        placed = await place(client, attempt, request("sleep", 30), package=pack(JOBS))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(watched(client, placed.submission_id), 4)
        job = await client.job(placed.submission_id)
        await stop_and_wait(client, placed.submission_id)
        return job

    assert ask(story).status in ("PENDING", "RUNNING")


def test_an_unknown_job_is_a_lost_cluster(ask):
    outcome, _ = ask(lambda client: watched(client, "never-submitted"))
    assert outcome.api_reason == FailureReason.CLUSTER_LOST
    with pytest.raises(JobNotFoundError):
        ask(lambda client: client.stop("never-submitted"))


def test_a_package_is_uploaded_once(ask, tmp_path):
    (tmp_path / "main.py").write_text(f"print({uuid.uuid4().hex!r})")
    package = pack(tmp_path)

    async def story(client: RayJobsClient) -> Any:
        before = await client.has_package(package.name)
        await client.upload_package(package.name, package.content)
        return before, await client.has_package(package.name)

    assert ask(story) == (False, True)


def test_a_wrong_field_is_refused_at_once(ask):
    with pytest.raises(RayApiError) as caught:
        ask(lambda client: client.submit({"entrypoint": "true", "colour": "red"}))
    assert caught.value.reason is FailureReason.REJECTED
    assert "colour" in str(caught.value)


def test_nobody_listens(ray_head):
    (port,) = free_ports(1)
    settings = settings_of(ray_head, base_url=f"http://127.0.0.1:{port}")
    with pytest.raises(RayApiError, match=rf"Cannot reach Ray at http://127.0.0.1:{port} \(connection 'test'\)"):
        talk(settings, lambda client: client.version(), first_pause=0.01)


def test_a_guarded_head_wants_its_token(tmp_path_factory):
    from airflow.sdk import Connection

    from airflow_ray.hook import RayHook

    with RayHead(tmp_path_factory.mktemp("guarded"), auth_token="the-right-token", num_cpus=1) as head:
        for token, status in ((None, 401), ("not-the-token", 403)):
            with pytest.raises(RayApiError, match=f"HTTP {status}") as caught:
                talk(settings_of(head, token=token), lambda client: client.job("x"))
            assert caught.value.reason is FailureReason.AUTHENTICATION
            assert "token-" not in str(caught.value)
        guarded = Attempt("dag", "run", "guarded", -1, 0, 1)
        outcome, lines = run_job(lambda question: talk(settings_of(head), question), guarded, "ok", 3)
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
