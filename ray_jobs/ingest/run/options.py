"""The checked options of a run."""

from __future__ import annotations

import json
import os
import uuid
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ingest.common.errors import ConfigurationError
from ingest.common.failures import Failure
from ingest.common.limits import Limits
from ingest.common.owner_values import Origin
from ingest.ledger.deletion_limit import DeletionLimit
from ingest.milvus.client import check_prefix
from ingest.milvus.schema import RUN_ID_LENGTH, SOURCE_LENGTH, IndexSettings
from ingest.store.object_reading import ReadSettings
from ingest.store.object_store import normalise_sources


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run.

    Attributes:
        sources: as returned by `normalise_sources`: no object is under two of them.
        collection: prefix of the collections' names.
        dry_run: whether the run changes nothing.
        summary: whether a dry run prints the states of sources instead of the differences.
        origins: where the metadata of owners come from.
        refresh_metadata: whether those of unchanged objects are read again.
        only_failed: the failure whose objects are processed, `""` for any failure; None to process all objects.
        max_failed_fraction: fraction of the listed objects that may fail.
        deletions: the limit on the objects that are removed.
        limit: the largest number of objects to process; 0 means all.
        partition_key: name of the owner's value by which new collections are partitioned.
        index: settings of the vector index.
        max_object_bytes: the largest object that is read.
        limits: limits on the cost of parsing one object.
        lease_seconds: how long the run waits for a run that no longer renews its lease.
        resources: the value that `check_resources` checks.
        wait_for_resources: how long the run waits for nodes that an autoscaler adds, in seconds.
    """

    sources: tuple[str, ...]
    milvus_uri: str
    collection: str
    report: str
    dry_run: bool
    summary: bool
    full_refresh: bool
    keep_missing: bool
    migrate: bool
    ask_first: bool
    origins: frozenset[Origin]
    refresh_metadata: bool
    only_failed: str | None
    max_failed_fraction: float
    deletions: DeletionLimit
    limit: int
    run_id: str
    analyzer: str
    partition_key: str
    index: IndexSettings
    max_object_bytes: int
    limits: Limits
    lease_seconds: float
    resources: Mapping[str, Any]
    wait_for_resources: float

    def limits_by_failure(self) -> dict[str, float]:
        """Each limit, by the failure of an object that exceeds it."""
        return {
            Failure.TOO_LARGE: self.max_object_bytes,
            Failure.TIME_LIMIT: self.limits.seconds,
            Failure.MEMORY_LIMIT: self.limits.memory_bytes,
            Failure.TOO_MANY_PAGES: self.limits.pages,
            Failure.TOO_MANY_PIXELS: self.limits.pixels,
            Failure.TOO_LONG: self.limits.media_seconds,
        }

    def reading(self) -> ReadSettings:
        """How the objects of the sources are read."""
        return ReadSettings(self.sources, self.max_object_bytes, self.origins)

    @property
    def requested_pools(self) -> frozenset[str]:
        """The stages whose numbers of actors the user requests."""
        return frozenset(name for name, settings in self.resources.items() if "actors" in settings)

    @property
    def processes_all(self) -> bool:
        """Whether the run brings every object under its sources up to date."""
        return not self.limit and not self.keep_missing and self.only_failed is None


def run_options_from(arguments: Namespace) -> RunOptions:
    """The options in parsed RUN_FLAGS.

    Raises:
        ConfigurationError: Milvus does not allow the collection prefix, or flags contradict each other.
    """
    if arguments.only_failed is not None and arguments.full_refresh:
        raise ConfigurationError("--only-failed and --full-refresh contradict each other; give one of them")
    check_prefix(arguments.collection)
    if any(len(os.fsencode(source)) > SOURCE_LENGTH for source in arguments.source):
        raise ConfigurationError(f"--source is longer than {SOURCE_LENGTH} bytes, as no object's name is")
    params = arguments.index_params
    if params is None:
        params = IndexSettings().params if arguments.index_type == "HNSW" else {}
    return RunOptions(
        sources=normalise_sources(arguments.source),
        milvus_uri=arguments.milvus_uri,
        collection=arguments.collection,
        report=arguments.report,
        dry_run=arguments.dry_run or arguments.summary,
        summary=arguments.summary,
        full_refresh=arguments.full_refresh,
        keep_missing=arguments.keep_missing,
        migrate=arguments.migrate,
        ask_first=arguments.ask_first,
        origins=arguments.metadata,
        refresh_metadata=arguments.refresh_metadata,
        only_failed=arguments.only_failed,
        max_failed_fraction=arguments.max_failed_fraction,
        deletions=DeletionLimit(arguments.max_deleted_fraction, arguments.approved_removals or {}),
        limit=arguments.limit,
        run_id=arguments.run_id or job_id(),
        analyzer=arguments.analyzer,
        partition_key=arguments.partition_key,
        index=IndexSettings(arguments.index_type, params),
        max_object_bytes=int(arguments.max_object_mb * 1e6),
        limits=Limits(
            arguments.max_object_seconds,
            int(arguments.max_object_memory_mb * 1e6),
            arguments.max_pages,
            int(arguments.max_megapixels * 1e6),
            arguments.max_media_seconds,
        ),
        lease_seconds=arguments.lease_seconds,
        resources={} if arguments.resources is None else arguments.resources,
        wait_for_resources=arguments.wait_for_resources,
    )


def job_id() -> str:
    """The submission id of this process's Ray job; outside a job, a new id."""
    try:
        metadata = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")).get("metadata", {})
    except ValueError:
        metadata = {}
    found = str(metadata.get("job_submission_id") or f"manual-{uuid.uuid4().hex[:12]}")
    return found.encode()[:RUN_ID_LENGTH].decode(errors="ignore")
