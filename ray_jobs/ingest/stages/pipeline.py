"""A pipeline, as a run sees it: its models, its collections, and its stages between the differences and the sink."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from ingest.ledger.work_list import BLOCK_BYTES as WORK_BYTES
from ingest.migration.generations import Names
from ingest.milvus.partition_key import partition_key_of
from ingest.milvus.schema import IndexSettings, ensure_rows
from ingest.stages.blocks import TASK_RETRIES
from ingest.stages.gathering import StretchCollectorClient
from ingest.stages.ocr import OcrActors
from ingest.stages.placement import FirstActorPlaced, OneTaskPlaced
from ingest.stages.progress import Observe, ProgressReporter, gathered
from ingest.stages.requests import ActorPool, ModelStage, Resources
from ingest.stages.vector_cache import VectorCacheClient
from ingest.store.parse_cache import ParseCache

if TYPE_CHECKING:
    import pyarrow as pa
    from pymilvus import MilvusClient
    from ray.data import Dataset


@dataclass(frozen=True, slots=True)
class Shared:
    """What the stages of a run share: the vectors that they need not compute again, and the stretches of recordings.

    Attributes:
        cache: the vectors of the texts of this run.
        load_stored: called with the difference of an object before the object is embedded; copies its vectors from
            Milvus to `cache`. None if the stored vectors cannot be trusted.
        collector: puts the stretches of long recordings together.
        ocr: has the models of OCR; None if each parse task has them itself.
    """

    cache: VectorCacheClient
    load_stored: Callable[[Mapping[str, Any]], None] | None
    collector: StretchCollectorClient
    ocr: OcrActors | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection of a pipeline's rows.

    Attributes:
        name: its name without a prefix.
        dimension: the dimension of its vectors.
        model: the name of their model, for people.
    """

    name: str
    dimension: int
    model: str


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The properties in which one pipeline differs from another.

    Attributes:
        name: its name in the ledger and the report.
        unit: the things that its stage `embed` embeds, in the plural.
        suffixes: suffixes of the names of the objects that it takes, in lower case.
        collections: the collections of its rows.
        model: the identity of its models; other models get collections of their own.
        models: its stages with models.
        left_out: names of stages that other flags leave out. Requests for them are allowed, and change nothing.
        fingerprint: a digest of everything that shapes its rows.
        build: puts its stages between the differences and the sink.
        block_bytes: target size of the tables between its stages: a model works on one table at a time, later stages
            wait for it, and a crash loses it. Ray Data's default, 128 MiB, would be hours of embedding; 256 KiB are
            about 400 chunks, 20 s of a small model on one core.
        bytes_per_block: bytes of the objects that a parse task reads, at first.
        parts_per_write: parts of objects that are written together where models have GPUs: about 1,000 rows.
        cache: where results of reading are kept, which go when their object goes.
        objects_per_actor: another actor of a model is worth loading only for at least so many more objects,
        bytes_per_actor: or for so many more bytes of objects.
    """

    name: str
    unit: str
    suffixes: tuple[str, ...]
    collections: tuple[Collection, ...]
    model: str
    models: tuple[ModelStage, ...]
    fingerprint: str
    build: Callable[[Dataset, Resources, ProgressReporter, Shared], Dataset]
    block_bytes: int = 256 << 10
    bytes_per_block: int = WORK_BYTES
    parts_per_write: int = 100
    cache: ParseCache | None = None
    left_out: tuple[str, ...] = ()
    objects_per_actor: int = 16
    bytes_per_actor: float = math.inf

    def models_for(self, requested: Mapping[str, Any]) -> tuple[ModelStage, ...]:
        """Its stages with models in a run with these values of `--resources`."""
        return tuple(stage for stage in self.models if not stage.optional or stage.name in requested)

    def worthwhile_actors(self, objects: int, size: int) -> int:
        """The most actors of a model that are worth loading for so many objects of `size` bytes together."""
        return math.ceil(max(objects / self.objects_per_actor, size / self.bytes_per_actor))

    @property
    def dimension(self) -> int:
        """The dimension of the ledger's vectors, which are means of vectors of any of the collections."""
        return max(collection.dimension for collection in self.collections)

    def prepare(
        self, client: MilvusClient, names: Names, analyzer: str, index: IndexSettings, partition_key: str = ""
    ) -> None:
        """Create its collections if they do not exist, and load them. The arguments are those of `ensure_rows`.

        By default, they have the partition key of the collections that are searched.
        """
        for collection, rows, public in zip(self.collections, names.rows, names.public, strict=True):
            key = partition_key or partition_key_of(client, public)
            ensure_rows(client, collection.name, rows, collection.dimension, analyzer, index, collection.model, key)


def map_objects(dataset: Dataset, parse: Callable[..., Any], resources: Resources, **arguments: Any) -> Dataset:
    """A stage that reads and parses: `parse` takes a block of differences and `arguments`, and yields tables.

    Its argument `observe` gathers the counts of a block.
    """
    from ray.data import TaskPoolStrategy

    from ingest.stages.execution import first_tasks

    @wraps(parse)
    def parse_block(block: pa.Table, observe: Observe, **others: Any) -> Iterator[pa.Table]:
        with gathered(observe) as observe_together:
            yield from parse(block, observe=observe_together, **others)

    return dataset.map_batches(
        parse_block,
        batch_size=None,
        batch_format="pyarrow",
        fn_kwargs=arguments,
        compute=TaskPoolStrategy(size=resources.parse_tasks),
        num_cpus=resources.parse_cpus,
        memory=resources.parse_memory or None,
        resources=dict(resources.parse_custom) or None,
        label_selector=dict(resources.parse_labels) or None,
        max_retries=TASK_RETRIES,
        ray_remote_args_fn=OneTaskPlaced(resources.parse_place, first_tasks) if resources.parse_place else None,
    )


def map_model(dataset: Dataset, actor: type, pool: ActorPool, rows: int | None, **arguments: Any) -> Dataset:
    """A stage with a model: actors of the class `actor`, made with `arguments`, take tables and return tables.

    Args:
        rows: rows per table on GPUs. Without GPUs, or with None, a table is a block, whose size is bounded.
    """
    from ray.data import ActorPoolStrategy

    return dataset.map_batches(
        actor,
        batch_size=rows if pool.gpus else None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(min_size=pool.min_actors, max_size=pool.max_actors, initial_size=pool.first),
        fn_constructor_kwargs={
            "threads": pool.threads,
            "batch_size": pool.batch_size,
            "device": pool.device,
            **arguments,
        },
        **pool.arguments(),
        max_task_retries=TASK_RETRIES,
        ray_remote_args_fn=FirstActorPlaced(pool.place) if pool.place else None,
    )
