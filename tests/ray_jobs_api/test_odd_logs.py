"""Logs that Ray's Jobs API cannot give, and those that take longer to show than their job lives."""

from typing import Any

import pytest

from embedded.gateway import Gateway
from ray_head_client import behaving, watched
from ray_jobs_api.job_outcome import complete_output

NUMBERED = [f"line {number} of the job" for number in range(31)]


@pytest.mark.nightly
@pytest.mark.parametrize("kind", ["bytes", "huge"])
def test_a_log_that_the_jobs_api_cannot_give_is_read_as_a_file(cluster, attempt, kind):
    outcome, lines = cluster.run_job(attempt, "odd", kind)
    assert outcome.status == "SUCCEEDED"
    assert [line for line in lines if line.startswith("line")] == NUMBERED
    odd = lines[lines.index(NUMBERED[-1]) - 1]
    assert odd == "latin � and nul �" if kind == "bytes" else "more characters in the job's own log" in odd
    assert (outcome.log_complete, outcome.report) == (True, {"pipeline": "behave", "listed": 31})
    outcome.report = None
    assert cluster.ask(lambda client: complete_output(client, outcome)).report == {"pipeline": "behave", "listed": 31}


@pytest.mark.nightly
def test_a_log_that_cannot_be_read_at_all_is_said_to_be_missing(cluster, ray_head, attempt):
    async def story(client: Any) -> Any:
        outcome, lines = await watched(client, attempt.submission_id)
        return await complete_output(client, outcome), lines

    with Gateway(ray_head.dashboard_url) as gateway, gateway.answers("logs", 500, "UnicodeDecodeError: no"):
        cluster.run_job(attempt, "ok", 3, stream_logs=False)
        outcome, lines = cluster.at(gateway.url).ask(story)
    assert "could not be read: Ray at" in lines[-1]
    assert f"ray job logs {attempt.submission_id}" in lines[-1]
    assert (outcome.status, outcome.report) == ("SUCCEEDED", None)
    assert outcome.report_problem.startswith("Its log cannot be read, so a REPORT in it may be missing: Ray at")


def test_a_job_that_never_began_has_no_log_and_no_word_about_it(cluster, attempt):
    request = {**behaving("ok"), "runtime_env": {"working_dir": "gcs://_ray_pkg_missing.zip"}}

    async def story(client: Any) -> Any:
        await client.submit({**request, "submission_id": attempt.submission_id})
        return await watched(client, attempt.submission_id)

    outcome, lines = cluster.ask(story)
    assert (outcome.status, outcome.error_type) == ("FAILED", "RUNTIME_ENV_SETUP_FAILURE")
    assert not [line for line in lines if "could not be" in line]
