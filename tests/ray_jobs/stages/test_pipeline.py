"""The request of a pipeline to Ray for the actors of a model."""

import pytest

from ingest.stages.pipeline import map_model
from ingest.stages.requests import ActorPool, Resources
from ingest.stages.write import write_objects


class RecordingDataset:
    """Stands in for a dataset: it records the request to Ray Data and runs nothing."""

    def map_batches(self, actor, **requested):
        self.requested = requested
        return self

    def iter_batches(self, **_):
        return []


@pytest.mark.parametrize(("gpus", "device"), [(0, "cpu"), (0.5, "cuda"), (1, "cuda")])
def test_a_model_computes_on_a_gpu_only_where_its_pool_has_one(gpus, device):
    recorded = map_model(RecordingDataset(), object, ActorPool(1, 2, 1.0, gpus, 2, 32), 16, model="any")
    arguments = recorded.requested["fn_constructor_kwargs"]
    assert arguments == {"threads": 2, "batch_size": 32, "device": device, "model": "any"}
    assert recorded.requested["num_gpus"] == gpus


@pytest.mark.parametrize(("first", "initial"), [(None, 4), (2, 2)])
def test_a_pool_begins_with_all_its_actors_or_with_those_that_are_worth_loading(first, initial):
    pool = ActorPool(1, 4, 1.0, 0, 1, 32, first)
    compute = map_model(RecordingDataset(), object, pool, 16).requested["compute"]
    assert (compute.min_size, compute.initial_size, compute.max_size) == (1, initial, 4)


@pytest.mark.parametrize(("gpus", "rows"), [(0, None), (0.5, 100), (1, 100)])
def test_tables_of_gpus_are_written_together(gpus, rows):
    pools = {"caption": ActorPool(1, 1, 1.0, 0, 2, 32), "embed": ActorPool(1, 2, 1.0, gpus, 2, 32)}
    dataset = RecordingDataset()
    write_objects(dataset, "uri", None, Resources(1, 1, 0.25, 25, pools), None, None, 100)
    assert dataset.requested["batch_size"] == rows
    assert dataset.requested["compute"].max_size == 25
