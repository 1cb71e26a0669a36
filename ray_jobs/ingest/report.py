"""The report of a run: one JSON object that other programs rely on, and its ten lines for a person."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

PREFIX = "REPORT "
"""Begins the last line of a job's output."""


@dataclass(slots=True)
class Report:
    """Counts are of objects but for `rows_*`. `seconds` is the wall time of the run.

    Attributes:
        stages: per stage `seconds` (summed over the processes that ran it) and `items` (objects or rows).
        failures: the first 100: `source, stage, error_type, message`.
    """

    pipeline: str
    source: str
    run_id: str
    fingerprint: str
    listed: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    deleted: int = 0
    failed: int = 0
    rows_written: int = 0
    rows_deleted: int = 0
    seconds: float = 0.0
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    failures: list[dict[str, str]] = field(default_factory=list)
    dry_run: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        """The REPORT line. ASCII only, so that no log handler on the way can break it."""
        return PREFIX + json.dumps(self.as_dict())

    def summary(self) -> str:
        """What happened, in about ten lines."""
        planned = "would be " if self.dry_run else ""
        lines = [
            f"{self.pipeline} {self.source} in {self.seconds:.1f} s",
            f"  objects  {self.listed} listed: {self.added} {planned}added, {self.changed} {planned}changed, "
            f"{self.unchanged} unchanged; {self.deleted} {planned}deleted, {self.failed} failed",
            f"  rows     {self.rows_written} written, {self.rows_deleted} deleted"
            + (f" ({self.rows_written / self.seconds:.1f} rows/s)" if self.seconds and self.rows_written else ""),
        ]
        if self.stages:
            parts = [f"{name} {stage['seconds']:.1f} s" for name, stage in self.stages.items()]
            lines.append(f"  stages   {', '.join(parts)}")
        reasons = Counter((failure["stage"], failure["error_type"]) for failure in self.failures)
        for (stage, error_type), count in reasons.most_common(5):
            example = next(f for f in self.failures if (f["stage"], f["error_type"]) == (stage, error_type))
            lines.append(
                f"  failed   {count} x {error_type} in {stage}, e.g. {example['source']}: {example['message']}"
            )
        return "\n".join(lines)
