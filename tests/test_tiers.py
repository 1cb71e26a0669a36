"""Every test has one tier, and a test of the tier `unit` starts no part."""

from pathlib import Path

import pytest

from embedded.milvus_lite import MilvusLite

TIERS = {"unit", "parts", "airflow", "lint", "chaos", "benchmark"}


def test_every_test_has_exactly_one_tier(request: pytest.FixtureRequest) -> None:
    tiers = {item.nodeid: TIERS & {mark.name for mark in item.iter_markers()} for item in request.session.items}
    assert {name: found for name, found in tiers.items() if len(found) != 1} == {}


def test_a_part_refuses_to_start_in_a_unit_test(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"a test of the tier `unit` starts milvus: .* mark the test"):
        MilvusLite(tmp_path).start()
