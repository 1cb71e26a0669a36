"""Finds the cause in what Ray says about a job that never started: its first line never holds it.

The message about a runtime environment is a traceback of Ray's own code, and ends with what pip, uv or conda printed.
"""

from __future__ import annotations

import re

#: Characters that are kept of a message: its head says what failed, and its tail why.
_HEAD, _TAIL = 2_000, 10_000
_CREDENTIALS = re.compile(r"(?<=:)//[^\s/@'\"]+@")
_CUT = "\n(…)\n"
#: In characters.
_LONGEST_CAUSE = 500
_TRACEBACK = re.compile(r"(\[Node [^\]]*\] )?Traceback \(most recent call last\):")
#: The plugin of Ray that failed (ray/_private/runtime_env), which has the name of its field.
_FIELD = re.compile(r'runtime_env[/\\](\w+)\.py", line \d+, in create$', re.M)
#: How pip and uv draw the lines of a program that they started.
_DRAWN = " \t│×╰├─▶>"
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|NotFound|BadZipFile)\b.*:")
_COMMENT = re.compile(r"(note|hint|warning|\[notice\])", re.I)
_END = "[end of output]"


def shortened(message: str) -> str:
    """The message without credentials in addresses, such as that of an index of packages, and its middle if it is long.

    It goes into the logs of Airflow, whose readers may be others than those of Ray.
    """
    message = _CREDENTIALS.sub("//***@", message)
    return message if len(message) <= _HEAD + _TAIL else message[:_HEAD] + _CUT + message[-_TAIL:]


def cause_of_setup(message: str) -> str:
    """Why Ray could not set up a runtime environment, in one line with the field's name; "" if it does not say."""
    lines = message.splitlines()
    raised = None
    for number, line in enumerate(lines):
        if _TRACEBACK.match(line):
            raised = next((at for at in range(number + 1, len(lines)) if lines[at][:1].strip()), raised)
    if raised is None:
        return ""
    rest = lines[raised + 1 :]
    begins = max((number for number, line in enumerate(rest) if line.startswith("Last 50 lines")), default=-1)
    cause = _printed_cause(rest[begins + 1 :]) or lines[raised]
    fields: list[str] = _FIELD.findall(message)
    return f"{fields[-1]}: {cause}"[:_LONGEST_CAUSE] if fields else cause[:_LONGEST_CAUSE]


def _printed_cause(output: list[str]) -> str:
    """The line of a program's output that says why it failed; "" if it printed nothing."""
    texts = [text for line in output if (text := line.strip(_DRAWN))]
    if _END in texts:  # of a program that pip started
        texts = texts[: len(texts) - 1 - texts[::-1].index(_END)]
    lines = [text for text in texts if not _COMMENT.match(text)]
    for begins in (_EXCEPTION.match, _is_cause, _is_error, _is_said):
        if found := [number for number, line in enumerate(lines) if begins(line)]:
            return _whole(lines, found[-1])
    return ""


def _whole(lines: list[str], number: int) -> str:
    """A line with those that belong to it: the error above a cause, and a list below a colon."""
    line = lines[number]
    if _is_cause(line):
        above = f"{lines[number - 1]}: " if number and _is_error(lines[number - 1]) else ""
        return above + line.removeprefix("cause: ")
    return " ".join([line, *lines[number + 1 : number + 4]]) if line.endswith(":") else line


def _is_cause(line: str) -> bool:
    return line.startswith(("cause: ", "Because "))


def _is_error(line: str) -> bool:
    return line.lower().startswith("error: ") and "ResolutionImpossible" not in line


def _is_said(line: str) -> bool:
    return "ResolutionImpossible" not in line
