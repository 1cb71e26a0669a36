"""Keep the collections in Milvus true to the ledger: remove orphaned rows, find losses, flush and compact.

As a Ray job:  ray job submit --working-dir ray_jobs -- python maintain.py --milvus-uri http://...
By hand:       python ray_jobs/maintain.py --milvus-uri http://127.0.0.1:19530 --dry-run

Waits for the runs that are under way, and runs that start wait for it. The token of Milvus comes from MILVUS_TOKEN.
Exit codes: 0 done, 2 bad arguments or configuration, 3 there are losses (see --mend), 4 Milvus is unreachable, 1 else.
"""

from __future__ import annotations

import sys

from ingest.maintenance.maintain import maintain
from ingest.maintenance.report import MaintenanceOptions, MaintenanceReport
from ingest.milvus.client import check_prefix
from ingest.milvus.schema import COLLECTIONS
from ingest.run.options import Parser, add_milvus_flags, job_id
from ingest.run.script import finish, say


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__.split("\n")[0])
    add_milvus_flags(parser)
    parser.add_argument("--pipeline", action="append", choices=list(COLLECTIONS),
                        help="whose rows to look at; may be repeated (default: all)")  # fmt: skip
    parser.add_argument("--mend", action="store_true",
                        help="have the next run over them do objects with losses again")  # fmt: skip
    parser.add_argument("--drop-old", action="store_true",
                        help="drop the collections of models that are no longer searched")  # fmt: skip
    parser.add_argument("--drop-staged", action="store_true",
                        help="drop migrations that are not completed, as given up")  # fmt: skip
    parser.add_argument("--no-compact", action="store_true", help="flush only")
    arguments = parser.parse_args(argv)

    def work() -> MaintenanceReport:
        check_prefix(arguments.collection)
        options = MaintenanceOptions(
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
        return maintain(options, say)

    return finish(work, arguments.report)


if __name__ == "__main__":
    sys.exit(main())
