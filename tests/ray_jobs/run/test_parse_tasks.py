"""Parse tasks of a run are at work at the same time, one for each CPU."""

import pytest

import clusters
from embedded.ray_head import RayHead
from sleeping_run import MEET

pytestmark = [pytest.mark.tier("parts"), pytest.mark.timeout(300)]


def test_two_objects_on_two_cpus_are_parsed_at_the_same_time(milvus, tmp_path):
    """Each waits for the other: in a run that parses one after the other, both fail."""
    environment = {**clusters.environment(tmp_path / "notes"), MEET: "2"}
    with RayHead(tmp_path / "ray", environment, 2) as head, clusters.begun_runs(milvus, tmp_path) as run:
        assert run(head, 2).report(200)["rows_written"] == 2
