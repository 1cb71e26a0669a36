"""The sentence of a run that waits for room on the cluster."""

from ingest.run.reservation import not_come, waiting, waiting_for_nodes
from ingest.stages.cluster import Demand

DEMANDS = [Demand("parse", {"CPU": 0.04, "memory": 1.5e9}), Demand("embed", {"CPU": 0.96, "GPU": 0.5, "memory": 2e9})]


def test_a_run_that_waits_says_for_what_and_behind_whom():
    free = {"CPU": 0.25, "memory": 1e9, "node:10.0.0.1": 1.0}
    assert waiting(DEMANDS, free, ["backfill", "day\n"]) == (
        "waiting behind the runs backfill, day\\n on the Ray cluster: this run begins with 1 CPUs and 0.5 GPUs and "
        "3.5 GB, and 0.25 CPUs and 0 GPUs and 1.0 GB are free"
    )
    assert waiting(DEMANDS, free, []).startswith("waiting behind other work on the Ray cluster")
    assert waiting(DEMANDS, free, ["one"]).startswith("waiting behind the run one on")


def test_a_run_that_waits_for_nodes_says_what_finds_no_place():
    assert waiting_for_nodes(DEMANDS, {"embed": 1}) == (
        "waiting for more nodes of the Ray cluster, which has no room for 0.96 CPUs and 0.5 GPUs and 2.0 GB for embed"
    )
    assert not_come(DEMANDS, {"embed": 1}, 900).startswith(
        "the Ray cluster got no nodes for 900 s, and has no room for 0.96 CPUs and 0.5 GPUs and 2.0 GB for embed; look"
    )
