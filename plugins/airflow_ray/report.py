"""What a job says about itself on its own output: the ``REPORT {json}`` line and the ``ERROR: ...`` sentence."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from typing import Any

REPORT_PREFIX = "REPORT "
ERROR_PREFIX = "ERROR: "
#: Lines kept for the failure message; Ray itself keeps 10 (NUM_LOG_LINES_ON_ERROR in job_log_storage_client.py).
TAIL_LINES = 30
_TAIL_LINE_LENGTH = 1000


def parse_report(line: str) -> dict[str, Any] | None:
    """The object behind ``REPORT ``, or None when the line is no report or holds no JSON object."""
    if not line.startswith(REPORT_PREFIX):
        return None
    try:
        report = json.loads(line[len(REPORT_PREFIX) :])
    except ValueError:
        return None
    return report if isinstance(report, dict) else None


class OutputDigest:
    """Keeps of a job's output what the task needs at the end, in bounded memory: last report, last error, last lines.

    Feed it every line once, in order. A report or an error sentence that is followed by others is replaced by them.
    """

    def __init__(self) -> None:
        self.report: dict[str, Any] | None = None
        self.error: str | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def add(self, line: str) -> None:
        """Take one line without its line break."""
        if (report := parse_report(line)) is not None:
            self.report = report
            return
        if line.startswith(ERROR_PREFIX):
            self.error = line[len(ERROR_PREFIX) :].strip()[:_TAIL_LINE_LENGTH]
        self._tail.append(line[:_TAIL_LINE_LENGTH])

    def add_all(self, lines: Iterable[str]) -> OutputDigest:
        """Take many lines; returns itself."""
        for line in lines:
            self.add(line)
        return self

    @property
    def tail(self) -> list[str]:
        """The last ``TAIL_LINES`` lines without reports, each at most 1,000 characters."""
        return list(self._tail)
