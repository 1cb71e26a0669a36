"""``RayRetryPolicy``: the reason of a failure decides, and Airflow's rules take over where it has no opinion."""

from datetime import timedelta

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction

from airflow_ray.exceptions import task_error
from airflow_ray.retry_policy import RayRetryPolicy
from ray_jobs_api.failures import FailureReason

POLICY = RayRetryPolicy(delays={"not_placed": timedelta(minutes=15)}, fail={FailureReason.KILLED})


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        (task_error("no room", FailureReason.NOT_PLACED), RetryAction.RETRY, timedelta(minutes=15)),
        (task_error("out of memory", FailureReason.KILLED), RetryAction.FAIL, None),
        (task_error("a node died", FailureReason.INFRASTRUCTURE), RetryAction.DEFAULT, None),
        (RuntimeError("not of Ray"), RetryAction.DEFAULT, None),
    ],
)
def test_the_reason_decides(error, action, delay):
    decision = POLICY.evaluate(error, 1, 3)
    assert (decision.action, decision.retry_delay) == (action, delay)


def test_an_unknown_reason_is_refused_where_the_dag_is_written():
    with pytest.raises(ValueError, match="'bad_luck' is not a valid FailureReason"):
        RayRetryPolicy(fail={"bad_luck"})
