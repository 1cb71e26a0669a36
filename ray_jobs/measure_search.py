"""Measure how well the search finds what it should: recall, MRR and nDCG over questions whose answers are known.

python ray_jobs/measure_search.py --milvus-uri http://127.0.0.1:19530 --questions questions.csv
python ray_jobs/measure_search.py --milvus-uri http://127.0.0.1:19530 --questions questions.csv --json > before.json
python ray_jobs/measure_search.py --milvus-uri http://127.0.0.1:19530 --questions questions.csv --before before.json
"""

from __future__ import annotations

import sys

from ingest.quality.command_line import measure


def main(argv: list[str] | None = None) -> int:
    return measure(argv, __doc__.split("\n")[0])


if __name__ == "__main__":
    sys.exit(main())
