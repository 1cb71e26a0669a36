"""Search the ingested collections: the best pages, images and moments of videos for a question or an image.

python ray_jobs/search.py --milvus-uri http://127.0.0.1:19530 "How are traces recorded?"
python ray_jobs/search.py --milvus-uri http://127.0.0.1:19530 --in images,frames --image cat.jpg
"""

from __future__ import annotations

import sys

from ingest.search.command_line import search


def main(argv: list[str] | None = None) -> int:
    return search(argv, __doc__.split("\n")[0])


if __name__ == "__main__":
    sys.exit(main())
