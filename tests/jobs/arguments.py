"""Stands in for the real job scripts where a test is about a Dag: reports the arguments that the script was given."""

import json
import sys
from pathlib import Path


def report() -> None:
    pipeline = Path(sys.argv[0]).stem.removeprefix("ingest_")
    print("REPORT " + json.dumps({"pipeline": pipeline, "argv": sys.argv[1:], "listed": 0}))
