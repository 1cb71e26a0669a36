"""Reads the statements of a job about itself from its output: ``REPORT {json}`` lines and ``ERROR: ...`` sentences."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable
from typing import Any

from ray_jobs_api.storable import load_storable_json

REPORT_PREFIX = "REPORT "
ERROR_PREFIX = "ERROR: "
#: Lines kept for the failure message; Ray itself keeps 10 (NUM_LOG_LINES_ON_ERROR in job_log_storage_client.py).
TAIL_LINES = 30
#: In characters. A longer report does not count (100 failures with long messages stay far below).
MAX_REPORT_LENGTH = 1_000_000
_TAIL_LINE_LENGTH = 1000
#: Lines after an error with which it is still the job's last word, and lines of a summary between it and a report.
_LINES_AFTER_ERROR = 2
_SUMMARY_LINES = 30
_TRACEBACK = "Traceback (most recent call last):"
_TERMINAL_CODE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def parse_report(line: str) -> dict[str, Any] | None:
    """The storable object behind ``REPORT ``, or None when the line is not a report.

    Raises ``ValueError`` with the reason when the text behind ``REPORT `` is not a JSON object.
    """
    if not line.startswith(REPORT_PREFIX):
        return None
    try:
        report = load_storable_json(line[len(REPORT_PREFIX) :]) if len(line) <= MAX_REPORT_LENGTH else None
    except json.JSONDecodeError:
        report = None
    if not isinstance(report, dict):
        raise ValueError(f"it is not a JSON object of at most {MAX_REPORT_LENGTH:,} characters")
    return report


class OutputDigest:
    """Keeps the last report, the error and the last lines of a job's output, in bounded memory.

    Feed it every line once, in order. ``report_problem`` is a sentence about a last report that does not count.
    """

    def __init__(self) -> None:
        self.report: dict[str, Any] | None = None
        self.report_problem: str | None = None
        self._error: str | None = None
        self._lines_after_error = 0
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def add(self, line: str) -> None:
        """Take one line without its line break."""
        try:
            report = parse_report(line)
        except ValueError as error:
            report, self.report_problem = None, f"Its last REPORT does not count: {error}."
        if report is not None:
            self.report, self.report_problem = report, None
            if self._lines_after_error <= _SUMMARY_LINES:
                self._lines_after_error = 0
            return
        if line.startswith(ERROR_PREFIX):
            sentence = _TERMINAL_CODE.sub("", line[len(ERROR_PREFIX) :])
            self._error, self._lines_after_error = sentence.strip()[:_TAIL_LINE_LENGTH], 0
        elif line.startswith(_TRACEBACK):
            self._error = None
        elif line.strip():
            self._lines_after_error += 1
        self._tail.append(line[:_TAIL_LINE_LENGTH])

    def add_all(self, lines: Iterable[str]) -> OutputDigest:
        """Take many lines and return itself."""
        for line in lines:
            self.add(line)
        return self

    @property
    def error(self) -> str | None:
        """The sentence of the job about its failure: its last word, but for a report and the report's summary.

        Programs also print ``ERROR: `` about what they then survive, such as pip about versions that do not fit.
        """
        return self._error if self._lines_after_error <= _LINES_AFTER_ERROR else None

    @property
    def tail(self) -> list[str]:
        """The last ``TAIL_LINES`` lines without reports, each at most 1,000 characters long."""
        return list(self._tail)
