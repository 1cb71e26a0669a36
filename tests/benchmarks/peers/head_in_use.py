"""Runs a Ray Data job, after which a Ray head has the actors that Ray Data keeps for all later jobs of a cluster."""

import ray


class Add:
    """A stage with actors."""

    def __call__(self, batch: dict) -> dict:
        return batch


ray.init(log_to_driver=False)
ray.data.range(4).map_batches(Add, concurrency=1).materialize()
