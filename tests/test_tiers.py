"""Every test has one tier, and a test of the tier `unit` starts no part."""

import os
from pathlib import Path

import pytest

from embedded.milvus_lite import MilvusLite

TIERS = {"unit", "parts", "airflow", "lint", "nightly", "chaos", "benchmark", "gpu", "docker"}


def test_every_test_has_exactly_one_tier(request: pytest.FixtureRequest) -> None:
    tiers = {item.nodeid: TIERS & {mark.name for mark in item.iter_markers()} for item in request.session.items}
    assert {name: found for name, found in tiers.items() if len(found) != 1} == {}


def test_a_part_refuses_to_start_in_a_unit_test(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"a test of the tier `unit` starts milvus: .* mark the test"):
        MilvusLite(tmp_path).start()


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process runs all tests: see it with -n 3")
def test_the_processes_of_a_run_share_tests_out_by_group(request: pytest.FixtureRequest) -> None:
    # Without it each process would start every part. pytest-xdist writes the group into the node id.
    without = [item.nodeid for item in request.session.items if "@" not in item.nodeid.rpartition("]")[2]]
    assert without == []
