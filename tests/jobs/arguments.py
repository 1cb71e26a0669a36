"""Stands in for the real job scripts where a test is about a Dag: reports the arguments that the script was given.

One row of the first source changes, and one object fails. In a folder `unchanged`, no row does. A source like
`s3://bucket/fails-once/4/a/file` ends with exit code 4 while that file is missing, and makes it; then nothing changes,
as the rows are there. A folder `too-many-fail` ends with exit code 3, after the report. A folder `asks` leaves removals
to an approval, with --ask-first. In a folder `goes-on`, the job does not end by itself.
"""

import json
import sys
import time
from pathlib import Path


def report() -> None:
    pipeline = Path(sys.argv[0]).stem.removeprefix("ingest_")
    sources = [word.removeprefix("--source=") for word in sys.argv if word.startswith("--source=")]
    _, fails_once, behind = sources[0].partition("/fails-once/")
    code, _, file = behind.partition("/")
    if fails_once and not Path(f"/{file}").exists():
        Path(f"/{file}").touch()
        print("ERROR: the rows are written, and then something failed")
        sys.exit(int(code))
    dry_run = "--dry-run" in sys.argv
    if "/goes-on/" in sources[0]:
        time.sleep(600)
    changed = int(not (dry_run or fails_once or "/unchanged/" in sources[0]))
    found = {
        "pipeline": pipeline,
        "source": ",".join(sources),
        "argv": sys.argv[1:],
        "dry_run": dry_run,
        "listed": 1,
        "rows_written": changed,
        "rows_deleted": 0,
        "awaiting": {},
        "added": 1,
        "failed": 1,
        "failure_counts": [{"stage": "parse", "error_type": "Encrypted", "count": 1, "example": {}}],
        "by_source": {source: {"changed": changed if source == sources[0] else 0} for source in sources},
    }
    if "/asks/" in sources[0] and "--ask-first" in sys.argv:
        found |= {"awaiting": {"removals": "75 of 100 objects are missing"}, "awaiting_removals": {sources[0]: 75}}
    print("REPORT " + json.dumps(found))
    if "/too-many-fail/" in sources[0]:
        print("ERROR: 1 of 1 objects failed")
        sys.exit(3)
