"""The request of a pipeline to Ray for the actors of a model."""

import pytest

from ingest.stages.pipeline import map_model
from ingest.stages.resources import ActorPool


class RecordingDataset:
    """Stands in for a dataset: it records the request to Ray Data and runs nothing."""

    def map_batches(self, actor, **requested):
        self.requested = requested
        return self


@pytest.mark.parametrize(("gpus", "device"), [(0, "cpu"), (0.5, "cuda"), (1, "cuda")])
def test_a_model_computes_on_a_gpu_only_where_its_pool_has_one(gpus, device):
    recorded = map_model(RecordingDataset(), object, ActorPool(1, 2, 1.0, gpus, 2, 32), 16, model="any")
    arguments = recorded.requested["fn_constructor_kwargs"]
    assert arguments == {"threads": 2, "batch_size": 32, "device": device, "model": "any"}
    assert recorded.requested["num_gpus"] == gpus
