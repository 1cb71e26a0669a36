"""Flags that all job scripts share, and what they mean once parsed."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ingest.common.errors import ConfigurationError, ExitCode
from ingest.common.failures import Failure
from ingest.common.limits import Limits
from ingest.milvus.client import check_prefix
from ingest.milvus.schema import VECTOR_INDEXES, IndexSettings


@dataclass(frozen=True, slots=True)
class Options:
    """What every pipeline is told. `limit` 0 means no limit; `max_failed_fraction` is of the objects listed.

    `only_failed` takes objects that failed before for that reason, with `""` for any, and with None all objects.
    """

    source: str
    milvus_uri: str
    collection: str = ""
    report: str = ""
    dry_run: bool = False
    full_refresh: bool = False
    keep_missing: bool = False
    migrate: bool = False
    only_failed: str | None = None
    max_failed_fraction: float = 0.1
    limit: int = 0
    run_id: str = ""
    analyzer: str = "auto"
    index: IndexSettings = field(default_factory=IndexSettings)
    max_object_bytes: int = 512_000_000
    limits: Limits = field(default_factory=Limits)
    lease_seconds: float = 30.0
    resources: Mapping[str, Any] = field(default_factory=dict)

    def limits_by_failure(self) -> dict[str, float]:
        """The limits by the type of failure of an object that goes over one."""
        return {
            Failure.TOO_LARGE: self.max_object_bytes,
            Failure.TIME_LIMIT: self.limits.seconds,
            Failure.MEMORY_LIMIT: self.limits.memory_bytes,
            Failure.TOO_MANY_PAGES: self.limits.pages,
            Failure.TOO_MANY_PIXELS: self.limits.pixels,
            Failure.TOO_LONG: self.limits.media_seconds,
        }


class Parser(argparse.ArgumentParser):
    """Errors end in one sentence behind `ERROR: `, as all errors of a job do, and not in the usage text."""

    def error(self, message: str) -> NoReturn:
        print(f"ERROR: bad arguments: {message}; see --help", file=sys.stderr, flush=True)
        sys.exit(ExitCode.CONFIGURATION)


def add_common_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `Options`. Credentials are not among them: they come from the environment alone."""
    add = parser.add_argument
    add("--source", required=True, metavar="URI", help="s3://bucket/prefix/ or a local folder")
    add_milvus_flags(parser)
    add("--full-refresh", action="store_true", help="process unchanged objects too")
    add("--only-failed", nargs="?", const="", default=None, metavar="REASON",
        help="process only objects that failed before, however often; REASON, such as Encrypted or parse/Encrypted, "
             "takes those that failed for it")  # fmt: skip
    add("--keep-missing", action="store_true", help="keep the rows of objects that left the source")
    add("--migrate", action="store_true",
        help="with another model than before: build its collection beside the one that is searched, and switch to it "
             "when it is complete")  # fmt: skip
    add("--max-failed-fraction", type=_fraction, default=0.1, metavar="F",
        help="fraction of the listed objects that may fail; above it: exit code 3 (default: 0.1)")  # fmt: skip
    add("--limit", type=_count, default=0, metavar="N", help="process at most N objects (default: 0, all)")
    add("--analyzer", default="auto", metavar="NAME",
        help="of the full-text index: auto, standard, english, chinese, icu, jieba, or a JSON object (default: auto, "
             "the server's best for mixed languages)")  # fmt: skip
    add("--index-type", default="HNSW", choices=VECTOR_INDEXES, help="index of the vectors (default: HNSW)")
    add("--index-params", type=_integers, default=None, metavar="JSON",
        help='parameters of that index (default for HNSW: {"M": 16, "efConstruction": 200})')  # fmt: skip
    add("--resources", type=_json, default={}, metavar="JSON",
        help='what the stages take of the cluster, such as {"embed": {"actors": [1, 4], "gpus": 0.5}}; '
             "default: shared out by what there is")  # fmt: skip
    add("--max-object-mb", type=positive, default=512, metavar="MB", help="larger objects fail (default: 512)")
    add("--max-object-seconds", type=positive, default=300, metavar="S",
        help="objects whose parsing takes longer fail (default: 300)")  # fmt: skip
    add("--max-object-memory-mb", type=positive, default=4000, metavar="MB",
        help="objects whose parsing needs more memory fail (default: 4000)")  # fmt: skip
    add("--max-pages", type=positive_count, default=20_000, metavar="N",
        help="documents with more pages fail (default: 20000)")  # fmt: skip
    add("--max-megapixels", type=positive, default=200, metavar="MP",
        help="images with more pixels fail (default: 200 million)")  # fmt: skip
    add("--max-media-seconds", type=positive, default=12 * 3600, metavar="S",
        help="recordings that play longer fail (default: 43200, which is 12 hours)")  # fmt: skip


def add_milvus_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of every script that changes collections: where they are, and how it reports."""
    add = parser.add_argument
    add("--milvus-uri", required=True, metavar="URI", help="http://host:19530; the token comes from MILVUS_TOKEN")
    add("--collection", default="", metavar="PREFIX", help="prefix of the collections' names (default: none)")
    add("--report", default="", metavar="PATH", help="write the report there too")
    add("--dry-run", action="store_true", help="print what would be done, change nothing")
    add("--run-id", default="", metavar="ID", help="written to the ledger and the report (default: the Ray job's id)")
    add("--lease-seconds", type=positive, default=30, metavar="S",
        help="how long a run over the same objects that shows no sign of life is waited for (default: 30)")  # fmt: skip


def add_clip_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that name a CLIP model, with the production defaults."""
    add = parser.add_argument
    add("--clip-model", default="ViT-B-32", metavar="NAME",
        help="open_clip architecture, hf-hub:org/name, or a model's folder (default: ViT-B-32)")  # fmt: skip
    add("--clip-pretrained", default="laion2b_s34b_b79k", metavar="TAG",
        help="weights of an architecture (default: laion2b_s34b_b79k)")  # fmt: skip
    add("--clip-batch-size", type=positive_count, default=32, metavar="N", help="images per forward pass (default: 32)")


def options_from(arguments: argparse.Namespace) -> Options:
    """Check what argparse cannot.

    Raises:
        ConfigurationError: a collection prefix that Milvus would not take, or flags that contradict each other.
    """
    if arguments.only_failed is not None and arguments.full_refresh:
        raise ConfigurationError("--only-failed and --full-refresh contradict each other; give one of them")
    check_prefix(arguments.collection)
    params = arguments.index_params
    if params is None:
        params = IndexSettings().params if arguments.index_type == "HNSW" else {}
    return Options(
        source=arguments.source,
        milvus_uri=arguments.milvus_uri,
        collection=arguments.collection,
        report=arguments.report,
        dry_run=arguments.dry_run,
        full_refresh=arguments.full_refresh,
        keep_missing=arguments.keep_missing,
        migrate=arguments.migrate,
        only_failed=arguments.only_failed,
        max_failed_fraction=arguments.max_failed_fraction,
        limit=arguments.limit,
        run_id=arguments.run_id or job_id(),
        analyzer=arguments.analyzer,
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
        resources=arguments.resources,
    )


def job_id() -> str:
    """The submission id of the Ray job this is the driver of, or a new id."""
    try:
        metadata = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")).get("metadata", {})
    except ValueError:
        metadata = {}
    return str(metadata.get("job_submission_id") or f"manual-{uuid.uuid4().hex[:12]}")


def _fraction(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def positive_count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON") from None


def _integers(text: str) -> dict[str, Any]:
    value = _json(text)
    if not isinstance(value, dict) or not all(type(number) is int for number in value.values()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object of integers")
    return value
