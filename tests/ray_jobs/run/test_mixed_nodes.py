"""Nodes that differ: each stage is on those that it asks for."""

import json

import pytest

import clusters
from clusters import SleepingRun, notes, objects
from embedded.ray_head import RayHead
from embedded.ray_node import RayNode

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

RESOURCES = json.dumps(
    {
        "embed": {"resources": {"a10": 1}, "labels": {"kind": "accelerated"}},
        "parse": {"labels": {"kind": "!accelerated"}},
    }
)


def test_each_stage_is_on_the_nodes_that_it_asks_for(milvus, tmp_path):
    prefix = f"{tmp_path.name}_".replace("-", "_")
    with (
        RayHead(tmp_path / "head", clusters.environment(tmp_path / "notes"), 2, memory=1 << 38) as head,
        RayNode(tmp_path / "node", head, 2, resources={"a10": 2}, labels={"kind": "accelerated"}),
    ):
        run = SleepingRun(head, milvus, objects(tmp_path / "objects", 40), prefix, ["--resources", RESOURCES])
        try:
            assert run.report(400)["rows_written"] == 40
        finally:
            run.stop()
    found = notes(tmp_path / "notes")
    parsed, embedded = ({node for noted, node, *_ in found if noted == what} for what in ("parse", "embed"))
    assert [len(parsed), len(embedded)] == [1, 1]
    assert parsed != embedded
