"""Keep the collections in Milvus true to the ledger: remove orphaned rows, find losses, flush and compact.

As a Ray job:  ray job submit --working-dir ray_jobs -- python maintain.py --milvus-uri http://...
By hand:       python ray_jobs/maintain.py --milvus-uri http://127.0.0.1:19530 --dry-run

Waits for the runs that are under way, and runs that start wait for it. The token of Milvus comes from MILVUS_TOKEN.
Exit codes: 0 done, 2 bad arguments or configuration, 3 there are losses (see --mend), 4 Milvus is unreachable, 1 else.
"""

from __future__ import annotations

import sys

from ingest.maintenance.command_line import FLAGS, options_from
from ingest.maintenance.maintain import maintain
from ingest.run.flags import FlagParser
from ingest.run.script import run_job_script, say


def main(argv: list[str] | None = None) -> int:
    arguments = FlagParser(__doc__.split("\n")[0], FLAGS).parse_args(argv)
    return run_job_script(lambda: maintain(options_from(arguments), say), arguments.report)


if __name__ == "__main__":
    sys.exit(main())
