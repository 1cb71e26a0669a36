"""Keep the search ready as a service on the Ray cluster: models in memory, answers over HTTP, with a token.

As a Ray job:  ray job submit --working-dir ray_jobs -- python serve_search.py --milvus-uri http://...
By hand:       RAY_ADDRESS=head:6379 python ray_jobs/serve_search.py --milvus-uri http://milvus:19530
               RAY_ADDRESS=head:6379 python ray_jobs/serve_search.py --status, or --remove

The command ends when the service runs; the same command again updates it, and changes nothing that is as it should be.
The token that clients send is in the variable SEARCH_TOKEN of the Ray nodes.
Exit codes: 0 done, 2 bad arguments or configuration, 4 Milvus or Ray is unreachable or has no room yet, 1 else.
"""

from __future__ import annotations

import sys

from ingest.service.command_line import run_service


def main(argv: list[str] | None = None) -> int:
    return run_service(argv, __doc__.split("\n")[0])


if __name__ == "__main__":
    sys.exit(main())
