"""Turns the text of Ray's log stream into lines, each of them once, although every connection starts at byte 0 again.

Ray's ``logs/tail`` has no offset (ray/dashboard/modules/job/job_manager.py, ``tail_job_logs``): after a reconnect the
whole log comes once more. So the number of characters that were already turned into lines is counted, and that many
are skipped on the next connection.
"""

from __future__ import annotations

from ray_jobs_api.job_output import MAX_REPORT_LENGTH, REPORT_PREFIX

#: A longer line is cut for the task log. Airflow's log reader and UI suffer from megabyte lines.
MAX_LINE_LENGTH = 8_000


class LineSplitter:
    """Splits a stream of text into lines and remembers how much of the log they cover.

    ``offset`` counts the characters of the log that whole lines covered so far. It survives a reconnect and can be
    handed to another process: ``LineSplitter(offset)`` continues there. Memory is bounded by ``MAX_REPORT_LENGTH``.
    """

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset
        self._skip = offset
        self._held: list[str] = []
        self._held_length = 0  # characters kept in _held
        self._pending = 0  # characters of the unfinished line, kept or not

    def reconnected(self) -> None:
        """Call before feeding a new connection: what is already covered comes again and is skipped."""
        self._skip = self.offset
        self._held, self._held_length, self._pending = [], 0, 0

    @property
    def unfinished(self) -> str:
        """The beginning of a line whose end has not come."""
        return bounded("".join(self._held), self._pending)

    def feed(self, text: str) -> list[str]:
        """The lines that ``text`` completes, without line breaks."""
        if self._skip:
            skipped = min(self._skip, len(text))
            self._skip -= skipped
            text = text[skipped:]
        lines = []
        for piece in _split_on_newline(text):
            self._hold(piece)
            if piece.endswith("\n"):
                lines.append(self._take())
        return lines

    def flush(self) -> list[str]:
        """The last line when the log does not end with a line break."""
        return [self._take()] if self._pending else []

    def _hold(self, piece: str) -> None:
        self._pending += len(piece)
        room = MAX_REPORT_LENGTH - self._held_length
        if room > 0:
            self._held.append(piece[:room])
            self._held_length += len(self._held[-1])

    def _take(self) -> str:
        line = "".join(self._held).rstrip("\n")
        self.offset += self._pending
        length, self._pending = self._pending, 0
        self._held, self._held_length = [], 0
        return bounded(line, length)


def _split_on_newline(text: str) -> list[str]:
    # Not str.splitlines: it also breaks at carriage returns (progress bars), form feeds and others.
    pieces = text.split("\n")
    return [piece + "\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


def bounded(line: str, length: int | None = None) -> str:
    """The line as the task log may have it: cut at ``MAX_LINE_LENGTH`` unless it is a whole report."""
    length = len(line) if length is None else length
    if len(line) <= MAX_LINE_LENGTH or (line.startswith(REPORT_PREFIX) and length <= MAX_REPORT_LENGTH):
        return line
    return f"{line[:MAX_LINE_LENGTH]} ... ({length - MAX_LINE_LENGTH} more characters in the job's own log)"
