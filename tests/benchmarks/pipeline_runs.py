"""Runs of the ingest scripts on a running Ray head, and what share of their time the limit of `limits` would take."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.aims import Figures
from benchmarks.limits import CORES
from embedded.processes import base_environment

REPOSITORY = Path(__file__).parents[2]
BUCKET = "benchmark"


def uploaded(store: Any, files: Sequence[Path], root: Path, prefix: str, copies: int = 1) -> str:
    """Put so many copies of files into the store under a prefix; returns the source for a script."""
    client = store.client()
    store.bucket(BUCKET)
    for copy in range(copies):
        for file in files:
            client.upload_file(str(file), BUCKET, f"{prefix}/{copy}/{file.relative_to(root)}")
    return f"s3://{BUCKET}/{prefix}/"


def report_of(pipeline: str, source: str, flags: Sequence[str], store: Any, milvus: Any, head: Any) -> dict[str, Any]:
    """The report of the real job."""
    job = subprocess.run(
        [sys.executable, str(REPOSITORY / "ray_jobs" / f"ingest_{pipeline}.py"), "--source", source,
         "--milvus-uri", milvus.uri, *flags],
        env={**base_environment(), **store.environment(), **head.client_environment()},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    print(job.stdout)
    found: dict[str, Any] = json.loads(job.stdout.splitlines()[-1].removeprefix("REPORT "))
    return found


def limit_of(kind: str, models: dict[str, str], files: Sequence[Path], folder: Path) -> dict[str, float]:
    """What `limits` prints."""
    return printed_by(str(Path(__file__).parent / "limits.py"), kind, json.dumps(models), folder, *files)


def printed_by(program: str, *arguments: object) -> dict[str, float]:
    """The JSON object in the last line of a program, run in a process of its own, so that nothing is warm in it."""
    path = os.pathsep.join([str(REPOSITORY / "ray_jobs"), str(REPOSITORY / "tests")])
    done = subprocess.run(
        [sys.executable, program, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def share_of_limit(
    name: str, limit: dict[str, float], report: dict[str, Any], figures: Figures, copies: int = 1
) -> float:
    """T*/T, which it notes; it prints the parts of T*. T begins when the models are loaded.

    Args:
        limit: of one copy of the objects.
    """
    assert (report["rows_written"], report["failed"]) == (copies * limit["rows"], 0), "T* is not of the same work"
    parts = {part: copies * seconds for part, seconds in limit.items() if part != "rows"}
    start = report["stages"]["start"]["seconds"]
    best, warm = sum(parts.values()) / CORES, report["seconds"] - start
    print(
        f"\n{name}: {report['listed']} objects, {report['rows_written']} rows, {CORES} cores"
        f"\nalone, CPU seconds: {', '.join(f'{part} {seconds:.1f}' for part, seconds in parts.items())}"
        f"\nT* {best:.1f} s   T {warm:.1f} s   T*/T {best / warm:.3f}   start-up {start:.1f} s"
    )
    figures.note(
        "limit", name, best / warm,
        f"{report['listed']} objects: T* {best:.1f} s, T {warm:.1f} s, and {start:.1f} s of start-up",
    )  # fmt: skip
    return best / warm
