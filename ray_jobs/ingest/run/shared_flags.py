"""The flags that the scripts of all pipelines share."""

from __future__ import annotations

import argparse

from ingest.common.limits import Limits
from ingest.common.owner_values import DEFAULT_ORIGINS, Origin
from ingest.milvus.partition_key import partition_key
from ingest.milvus.schema import RUN_ID_LENGTH, VECTOR_INDEXES
from ingest.run.flags import COUNT, COUNT_OR_ZERO, FRACTION, INTEGERS, JSON_OBJECT, POSITIVE, SWITCH, Flag, ValueType

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
