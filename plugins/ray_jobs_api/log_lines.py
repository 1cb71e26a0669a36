"""Splits the text of Ray's log stream into lines, each exactly once, although every connection starts at byte 0.

Ray's ``logs/tail`` has no offset (ray/dashboard/modules/job/job_manager.py, ``tail_job_logs``): a reconnect delivers
the whole log again. So the splitter counts the characters that whole lines covered, and skips that many on the next
connection.
"""

from __future__ import annotations

from ray_jobs_api.job_output import MAX_REPORT_LENGTH, REPORT_PREFIX

#: In characters. A longer line is cut, because Airflow's log reader and UI suffer from lines of megabytes.
MAX_LINE_LENGTH = 8_000


class LineSplitter:
    """Splits a stream of text into lines and counts how much of the log they cover.

    ``offset`` is the number of the log's characters that whole lines have covered so far. It survives a reconnect and
    can be handed to another process: ``LineSplitter(offset)`` continues there. Memory is bounded by
    ``MAX_REPORT_LENGTH``.
    """

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset
        self._skip = offset
        self._pieces: list[str] = []
        self._kept_length = 0  # characters in _pieces
        self._line_length = 0  # characters of the unfinished line, kept or not

    def reconnected(self) -> None:
        """Call before feeding from a new connection: it repeats the covered part, which is skipped."""
        self._skip = self.offset
        self._pieces, self._kept_length, self._line_length = [], 0, 0

    @property
    def unfinished(self) -> str:
        """The beginning of a line whose end has not arrived."""
        return shorten_line("".join(self._pieces), self._line_length)

    def feed(self, text: str) -> list[str]:
        """The lines that ``text`` completes, without line breaks."""
        if self._skip:
            skipped = min(self._skip, len(text))
            self._skip -= skipped
            text = text[skipped:]
        lines = []
        for piece in _split_on_newline(text):
            self._keep(piece)
            if piece.endswith("\n"):
                lines.append(self._take())
        return lines

    def flush(self) -> list[str]:
        """The last line, when the log does not end with a line break."""
        return [self._take()] if self._line_length else []

    def _keep(self, piece: str) -> None:
        self._line_length += len(piece)
        room = MAX_REPORT_LENGTH - self._kept_length
        if room > 0:
            self._pieces.append(piece[:room])
            self._kept_length += len(self._pieces[-1])

    def _take(self) -> str:
        line = "".join(self._pieces).rstrip("\n")
        self.offset += self._line_length
        length, self._line_length = self._line_length, 0
        self._pieces, self._kept_length = [], 0
        return shorten_line(line, length)


def _split_on_newline(text: str) -> list[str]:
    # str.splitlines would also break at carriage returns (progress bars), form feeds and others.
    pieces = text.split("\n")
    return [piece + "\n" for piece in pieces[:-1]] + ([pieces[-1]] if pieces[-1] else [])


def shorten_line(line: str, length: int) -> str:
    """The line for the task log: cut at ``MAX_LINE_LENGTH`` unless it is a whole report.

    ``length`` is that of the whole line, of which ``line`` may be the beginning.
    """
    if len(line) <= MAX_LINE_LENGTH or (line.startswith(REPORT_PREFIX) and length <= MAX_REPORT_LENGTH):
        return line
    return f"{line[:MAX_LINE_LENGTH]} ... ({length - MAX_LINE_LENGTH} more characters in the job's own log)"
