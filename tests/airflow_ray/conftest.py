"""The shared Ray head as the provider's tests see it, and an attempt of its own for each test."""

import uuid
from typing import Any

import pytest

from airflow_ray.job_ids import Attempt
from conversations import Cluster
from ray_jobs_api.settings import ClusterSettings


@pytest.fixture
def cluster(ray_head: Any) -> Cluster:
    return Cluster(ClusterSettings(ray_head.dashboard_url, "test", token=ray_head.auth_token))


@pytest.fixture
def attempt() -> Attempt:
    return Attempt("dag", f"run-{uuid.uuid4()}", "task", -1, epoch=0, try_number=1)
