"""The flags that all pipelines share, and the checked options of a run."""

from __future__ import annotations

import argparse
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
from ingest.common.owner_values import DEFAULT_ORIGINS, Origin
from ingest.ledger.deletion_limit import DeletionLimit
from ingest.milvus.client import check_prefix
from ingest.milvus.partition_key import partition_key
from ingest.milvus.schema import RUN_ID_LENGTH, SOURCE_LENGTH, VECTOR_INDEXES, IndexSettings
from ingest.run.flags import COUNT, COUNT_OR_ZERO, FRACTION, INTEGERS, JSON_OBJECT, POSITIVE, SWITCH, Flag, ValueType
from ingest.store.object_reading import ReadSettings
from ingest.store.object_store import normalise_sources

_LIMITS = Limits()


def _run_id(text: str) -> str:
    length = len(text.encode(errors="surrogateescape"))
    if length > RUN_ID_LENGTH:
        raise argparse.ArgumentTypeError(f"it has {length} bytes, and may have {RUN_ID_LENGTH}")
    text.encode()
    return text


_RUN_ID = ValueType(_run_id, {"type": "string"})


def _origins(text: str) -> frozenset[Origin]:
    try:
        return frozenset(Origin(name.strip()) for name in text.split(",") if name.strip() != "none")
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: name any of {','.join(Origin)}, or none") from None


_ORIGINS = ValueType(_origins, {"type": "string"})


def _partition_key(text: str) -> str:
    try:
        return partition_key(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


_PARTITION_KEY = ValueType(_partition_key, {"type": "string"})

MILVUS_FLAGS = (
    Flag(
        "milvus-uri",
        "The Milvus server, such as http://host:19530. Its token comes from MILVUS_TOKEN, or from the environment "
        "variable that MILVUS_TOKEN_VARIABLE names.",
        metavar="URI",
        required=True,
    ),
    Flag("collection", "Prefix of the collections' names.", metavar="PREFIX", default=""),
)
"""Flags of every script that connects to Milvus. Credentials are never flags; they come only from the environment."""

CHANGE_FLAGS = (
    *MILVUS_FLAGS,
    Flag("report", "Also write the report to this file.", metavar="PATH", default=""),
    Flag("dry-run", "Print the planned work and change nothing.", SWITCH, default=False, title="Dry run"),
    Flag(
        "run-id",
        "Name of the run in the ledger and the report. By default, the Ray job's id.",
        _RUN_ID,
        metavar="ID",
        default="",
    ),
    Flag(
        "lease-seconds",
        "Seconds that this run waits for a run over the same objects that no longer renews its lease.",
        POSITIVE,
        metavar="S",
        default=30,
    ),
)
"""Flags of every script that changes collections."""

RUN_FLAGS = (
    Flag(
        "source",
        "s3://bucket/prefix/ or a local folder; may be repeated, for one run over several. A source within another one "
        "is part of it. A prefix is literal: without its slash, s3://bucket/a takes s3://bucket/ab too.",
        metavar="URI",
        required=True,
        repeated=True,
        may_be_path=True,
        title="Source",
    ),
    *CHANGE_FLAGS,
    Flag(
        "summary",
        "A dry run that prints the state of each source (done, empty, failed, behind, never ingested) instead of each "
        "difference.",
        SWITCH,
        default=False,
    ),
    Flag("full-refresh", "Also process unchanged objects.", SWITCH, default=False, title="Full refresh"),
    Flag(
        "only-failed",
        "Process only objects that failed before, regardless of their attempts: all of them, or only those that failed "
        "for REASON, such as Encrypted or parse/Encrypted.",
        metavar="REASON",
        const="",
    ),
    Flag(
        "metadata",
        f"Where the metadata that owners give their objects come from: any of {','.join(Origin)}, or none. Of values "
        "with the same name, that of the first of these counts. object means x-amz-meta-* headers; tags cost a request "
        "for each object.",
        _ORIGINS,
        metavar="ORIGINS",
        default=",".join(origin for origin in Origin if origin in DEFAULT_ORIGINS),
        title="Metadata of owners",
        rare=True,
        site_default=True,
    ),
    Flag(
        "refresh-metadata",
        "Read the metadata of unchanged objects again too. If they have changed, the rows get them and keep their "
        "vectors.",
        SWITCH,
        default=False,
        title="Refresh the metadata of owners",
        rare=True,
    ),
    Flag(
        "keep-missing",
        "Keep the rows of objects that left the source.",
        SWITCH,
        default=False,
        title="Keep objects that left the source",
        rare=True,
    ),
    Flag(
        "migrate",
        "If the model has changed, build a collection for the new model beside the one that is searched, and switch "
        "searches to it when it is complete.",
        SWITCH,
        default=False,
        title="Migrate to another model",
        rare=True,
    ),
    Flag(
        "max-failed-fraction",
        "Fraction of the listed objects that may fail. Above it, the run ends with exit code 3. Of those that were "
        "replaced or deleted meanwhile, 10 do not count.",
        FRACTION,
        metavar="F",
        default=0.1,
        title="Fraction that may fail",
        rare=True,
    ),
    Flag(
        "max-deleted-fraction",
        "Fraction of the objects that the ledger knows under a source that may be removed because they left it. If a "
        "source would lose more, and more than 10, none of them is removed and the run ends with exit code 3.",
        FRACTION,
        metavar="F",
        default=0.2,
        title="Fraction that may be removed",
        rare=True,
    ),
    Flag(
        "ask-first",
        "Leave to a run without this flag what a person should decide, and report it under awaiting: removals above "
        "--max-deleted-fraction, which then do not end the run with exit code 3, and with --migrate the switch.",
        SWITCH,
        default=False,
    ),
    Flag(
        "approved-removals",
        "Objects that may be removed from a source whatever --max-deleted-fraction says, such as "
        '{"s3://bucket/": 75}: the awaiting_removals of a run with --ask-first, once a person has approved them.',
        INTEGERS,
        metavar="JSON",
    ),
    Flag(
        "limit",
        "Process at most N objects; 0 means all.",
        COUNT_OR_ZERO,
        metavar="N",
        default=0,
        title="At most N objects",
        rare=True,
    ),
    Flag(
        "analyzer",
        "Analyzer of the full-text index: auto (the server's best for mixed languages), standard, english, chinese, "
        "icu, jieba, or a JSON object.",
        metavar="NAME",
        default="auto",
    ),
    Flag(
        "partition-key",
        "Name of the owner's value by which new collections are partitioned, such as tenant: a search with a condition "
        "for it looks at no other tenant. By default, new collections are partitioned by none.",
        _PARTITION_KEY,
        metavar="NAME",
        default="",
        title="Partition key of new collections",
        rare=True,
        site_default=True,
    ),
    Flag("index-type", "Type of the vector index.", choices=VECTOR_INDEXES, default="HNSW"),
    Flag(
        "index-params",
        'Parameters of the vector index. By default, those of HNSW are {"M": 16, "efConstruction": 200}.',
        INTEGERS,
        metavar="JSON",
    ),
    Flag(
        "resources",
        'The stages\' share of the cluster, such as {"embed": {"actors": [1, 4], "gpus": 0.5}}. By default, the stages '
        "share the whole cluster.",
        JSON_OBJECT,
        metavar="JSON",
        title="Resources of the stages",
        rare=True,
    ),
    Flag(
        "wait-for-resources",
        "Seconds that the run waits for nodes that an autoscaler adds. For room that other work takes, it waits "
        "without a limit.",
        POSITIVE,
        metavar="S",
        default=900,
    ),
    Flag("max-object-mb", "Larger objects fail.", POSITIVE, metavar="MB", default=512),
    Flag(
        "max-object-seconds",
        "Objects whose parsing takes longer fail.",
        POSITIVE,
        metavar="S",
        default=_LIMITS.seconds,
    ),
    Flag(
        "max-object-memory-mb",
        "Objects whose parsing needs more memory fail.",
        POSITIVE,
        metavar="MB",
        default=_LIMITS.memory_bytes // 1_000_000,
    ),
    Flag("max-pages", "Documents with more pages fail.", COUNT, metavar="N", default=_LIMITS.pages),
    Flag(
        "max-megapixels",
        "Images with more megapixels fail.",
        POSITIVE,
        metavar="MP",
        default=_LIMITS.pixels // 1_000_000,
    ),
    Flag(
        "max-media-seconds",
        "Recordings that play longer fail.",
        POSITIVE,
        metavar="S",
        default=_LIMITS.media_seconds,
    ),
)
"""Flags of every pipeline."""


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
