"""Classification: which failures are retried, and the sentence that the task shows."""

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_ray.exceptions import RayJobError
from airflow_ray.job_failure import job_failure
from airflow_ray.operators.job import RayOperator
from ray_jobs_api.failures import FailureReason, classify
from ray_jobs_api.job_outcome import JobOutcome

COMMAND = "JOB_ENTRYPOINT_COMMAND_ERROR"
CODES = {2: FailureReason.CONFIGURATION, 3: FailureReason.TOO_MANY_FAILED, 4: FailureReason.DEPENDENCY}


@pytest.mark.parametrize(
    ("status", "error_type", "exit_code", "reason", "retryable"),
    [
        ("FAILED", COMMAND, 1, FailureReason.JOB_ERROR, True),
        ("FAILED", COMMAND, 2, FailureReason.CONFIGURATION, False),
        ("FAILED", COMMAND, 3, FailureReason.TOO_MANY_FAILED, False),
        ("FAILED", COMMAND, 4, FailureReason.DEPENDENCY, True),
        ("FAILED", COMMAND, 77, FailureReason.JOB_ERROR, True),
        ("FAILED", COMMAND, -9, FailureReason.KILLED, True),
        ("FAILED", COMMAND, 137, FailureReason.KILLED, True),
        ("FAILED", COMMAND, 139, FailureReason.KILLED, True),
        ("FAILED", COMMAND, 134, FailureReason.KILLED, True),
        ("FAILED", COMMAND, 255, FailureReason.JOB_ERROR, True),
        ("FAILED", "RUNTIME_ENV_SETUP_FAILURE", None, FailureReason.RUNTIME_ENV, True),
        ("FAILED", "JOB_SUPERVISOR_ACTOR_START_TIMEOUT", None, FailureReason.NOT_PLACED, True),
        ("FAILED", "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE", None, FailureReason.NOT_PLACED, True),
        ("FAILED", "JOB_SUPERVISOR_ACTOR_START_FAILURE", None, FailureReason.INFRASTRUCTURE, True),
        ("FAILED", "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE", None, FailureReason.INFRASTRUCTURE, True),
        ("FAILED", "JOB_SUPERVISOR_ACTOR_DIED", None, FailureReason.INFRASTRUCTURE, True),
        ("FAILED", "JOB_ENTRYPOINT_COMMAND_START_ERROR", None, FailureReason.INFRASTRUCTURE, True),
        ("FAILED", "SOMETHING_NEW", None, FailureReason.JOB_ERROR, True),
        ("STOPPED", None, -15, FailureReason.STOPPED, True),
    ],
)
def test_classification(status, error_type, exit_code, reason, retryable):
    assert classify(status, error_type, exit_code, CODES) is reason
    assert reason.retryable is retryable
    error = job_failure(JobOutcome("job", status, error_type, exit_code), CODES, {})
    assert isinstance(error, RayJobError if retryable else AirflowFailException)
    assert error.reason is reason


def test_every_error_type_of_the_installed_ray_is_known():
    from ray.dashboard.modules.job.common import JobErrorType

    unknown = [each for each in JobErrorType if classify("FAILED", each.value, None, {}) is FailureReason.JOB_ERROR]
    assert unknown == [JobErrorType.JOB_ENTRYPOINT_COMMAND_ERROR]


def test_exit_codes_mean_what_the_caller_says():
    codes = {2: FailureReason.DEPENDENCY, 9: FailureReason.CONFIGURATION}
    assert classify("FAILED", COMMAND, 2, codes).retryable
    assert not classify("FAILED", COMMAND, 9, codes).retryable
    assert classify("FAILED", COMMAND, 3, codes) is FailureReason.JOB_ERROR


def test_the_sentence_names_job_reason_and_remedy():
    outcome = JobOutcome("the-job", "FAILED", COMMAND, 4, "Job entrypoint ...", error="Milvus at http://m:1 is away.")
    assert str(job_failure(outcome, CODES, {})) == (
        "Ray job the-job failed (dependency_unreachable, exit code 4): Milvus at http://m:1 is away. "
        "Check that the service it names is up and reachable from the Ray nodes."
    )


def test_without_an_error_line_the_first_line_of_ray_counts():
    message = (
        "Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000 chars):\nTraceback\n"
    )
    sentence = str(job_failure(JobOutcome("j", "FAILED", COMMAND, 1, message), CODES, {}))
    assert sentence.startswith(
        "Ray job j failed (job_error, exit code 1): Job entrypoint command failed with exit code 1. Read"
    )
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("limit", "name"),
    [("deadline", "execution_timeout"), ("job_timeout", "job_timeout"), ("pending_timeout", "pending_timeout")],
)
def test_a_limit_is_named_with_its_seconds(limit, name):
    assert f"{name} of 90 s" in str(job_failure(JobOutcome("j", "STOPPED", limit=limit), CODES, {limit: 90.0}))


def test_a_signal_is_named():
    sentence = str(job_failure(JobOutcome("j", "FAILED", COMMAND, 139), CODES, {}))
    assert "(killed, exit code 139 = SIGSEGV)" in sentence
    assert "exit code -11 = SIGSEGV" in str(job_failure(JobOutcome("j", "FAILED", COMMAND, -11), CODES, {}))


def test_a_job_whose_end_was_not_seen_has_its_reason_named():
    outcome = JobOutcome("j", "UNKNOWN", api_error="It is away.", api_reason="ray_unreachable")
    assert "(ray_unreachable): It is away." in str(job_failure(outcome, CODES, {}))


def test_no_exit_code_has_a_meaning_where_none_is_given():
    assert RayOperator(task_id="t", entrypoint="x").exit_codes == {}
    assert classify("FAILED", COMMAND, 3, {}) is FailureReason.JOB_ERROR


def test_a_runtime_environment_that_ray_refuses_is_a_matter_of_configuration():
    # What Ray 2.60 says to working_dir="s3://b/c", shortened.
    message = (
        "Failed to start supervisor actor j: 'Only .zip, .tar.gz files are supported for working_dir URIs; got s3://b/c.'"
        '. Full traceback:\nTraceback (most recent call last):\n  File "ray/actor.py", line 1856, in options\n'
        '    updated_options["runtime_env"] = parse_runtime_env_for_task_or_actor(\n'
    )
    error = job_failure(JobOutcome("j", "FAILED", "JOB_SUPERVISOR_ACTOR_START_FAILURE", None, message), CODES, {})
    assert error.reason is FailureReason.CONFIGURATION
    assert "got s3://b/c.'. Correct the arguments" in str(error)
