"""The command line of maintenance: flags in, checked options out."""

from __future__ import annotations

from argparse import Namespace

from ingest.maintenance.report import MaintenanceOptions
from ingest.milvus.client import check_prefix
from ingest.milvus.schema import COLLECTIONS
from ingest.run.flags import SWITCH, TEXT, Flag
from ingest.run.options import job_id
from ingest.run.shared_flags import CHANGE_FLAGS

FLAGS = (
    *CHANGE_FLAGS,
    Flag(
        "pipeline",
        "Check only the rows of this pipeline; may be repeated. By default, all pipelines are checked.",
        TEXT,
        choices=tuple(COLLECTIONS),
        repeated=True,
    ),
    Flag(
        "mend",
        "Mark objects with lost rows or lost ledger entries, so that the next run over them processes them again.",
        SWITCH,
        default=False,
    ),
    Flag("drop-old", "Drop the collections of models that are no longer searched.", SWITCH, default=False),
    Flag("drop-staged", "Give up migrations that are not complete, and drop their collections.", SWITCH, default=False),
    Flag("no-compact", "Flush, but do not compact.", SWITCH, default=False),
)


def options_from(arguments: Namespace) -> MaintenanceOptions:
    """The options in parsed FLAGS.

    Raises:
        ConfigurationError: a collection prefix that Milvus would not take.
    """
    check_prefix(arguments.collection)
    return MaintenanceOptions(
        milvus_uri=arguments.milvus_uri,
        collection=arguments.collection,
        pipelines=tuple(arguments.pipeline or COLLECTIONS),
        run_id=arguments.run_id or job_id(),
        dry_run=arguments.dry_run,
        mend=arguments.mend,
        drop_old=arguments.drop_old,
        drop_staged=arguments.drop_staged,
        compact=not arguments.no_compact,
        lease_seconds=arguments.lease_seconds,
    )
