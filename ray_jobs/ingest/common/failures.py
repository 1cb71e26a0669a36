"""The ways in which one object can fail: the stage, whether a retry may help, and the advice for the owner."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """The part of a run in which an object failed."""

    READ = "read"
    PARSE = "parse"
    TRANSCRIBE = "transcribe"
    WRITE = "write"
    MAINTAIN = "maintain"


class Failure(StrEnum):
    """A type of failure; its value is the name in the ledger and the report.

    Attributes:
        stage: the part of a run in which it happens.
        may_pass: whether a retry of the same version may succeed. Otherwise the object fails permanently: a run tries
            it again only after it has changed, or after the limit that it exceeded has been raised.
        advice: the remedy for the owner of the object, as the end of a sentence.
    """

    stage: Stage
    may_pass: bool
    advice: str

    def __new__(cls, name: str, stage: Stage, may_pass: bool, advice: str) -> Failure:
        member = str.__new__(cls, name)
        member._value_ = name
        member.stage, member.may_pass, member.advice = stage, may_pass, advice
        return member

    VANISHED = "Vanished", Stage.READ, True, "upload it again if it should be found"
    UNREADABLE = "Unreadable", Stage.READ, True, "check its name, its permissions and its disk, or upload it again"
    CHANGED_DURING_RUN = "ChangedDuringRun", Stage.READ, True, "the next run processes the new version"
    FORBIDDEN = "Forbidden", Stage.READ, True, "check its policy and its encryption key"
    BLOCKED = (
        "Blocked",
        Stage.READ,
        True,
        "let the proxies before the object store pass it, and run again",
    )
    ARCHIVED = "Archived", Stage.READ, True, "run again when it is restored from its archive tier"
    UNKNOWN_ENCODING = "UnknownEncoding", Stage.READ, False, "store it without Content-Encoding, or with gzip"
    NO_SUCH_FILE = "NoSuchFile", Stage.READ, False, "rename it, or mend the link"
    TOO_LARGE = "TooLarge", Stage.READ, False, "raise --max-object-mb to process it"
    EMPTY = "Empty", Stage.PARSE, False, "upload it again"
    DAMAGED = "Damaged", Stage.PARSE, False, "repair it or upload it again"
    ENCRYPTED = "Encrypted", Stage.PARSE, False, "upload it without a password or other protection"
    CRASHED = "Crashed", Stage.PARSE, True, "it may be damaged, so export or upload it again"
    PARSER_ERROR = "ParserError", Stage.PARSE, False, "export it again with another program"
    TIME_LIMIT = "TimeLimit", Stage.PARSE, True, "raise --max-object-seconds to process it"
    MEMORY_LIMIT = "MemoryLimit", Stage.PARSE, True, "raise --max-object-memory-mb to process it"
    NO_SPACE = "NoSpace", Stage.PARSE, True, "free some space on the Ray nodes, or set TMPDIR there"
    TOO_MUCH_TEXT = "TooMuchText", Stage.PARSE, False, "split it into several files"
    NOT_A_PDF = "NotAPdf", Stage.PARSE, False, "export it as PDF, or upload it again"
    NO_PAGES = "NoPages", Stage.PARSE, False, "it may be truncated, so upload it again"
    PLACEHOLDER = "Placeholder", Stage.PARSE, False, "save its contents as an ordinary PDF in Adobe Acrobat"
    TOO_MANY_PAGES = "TooManyPages", Stage.PARSE, False, "raise --max-pages to process it"
    NOT_AN_IMAGE = "NotAnImage", Stage.PARSE, False, "upload the picture itself, or export it as JPEG or PNG"
    UNSUPPORTED_IMAGE = "UnsupportedImage", Stage.PARSE, False, "export it as an ordinary JPEG or PNG of 8 bits"
    TOO_MANY_PIXELS = "TooManyPixels", Stage.PARSE, False, "raise --max-megapixels to process it"
    NOT_MEDIA = "NotMedia", Stage.PARSE, False, "upload it again or convert it"
    NO_MEDIA = "NoMedia", Stage.PARSE, False, "check that it is the right file"
    UNKNOWN_CODEC = "UnknownCodec", Stage.PARSE, False, "convert it, for example to MP4 with H.264 and AAC"
    TOO_LONG = "TooLong", Stage.PARSE, False, "raise --max-media-seconds to process it"
    MODEL_ERROR = "ModelError", Stage.TRANSCRIBE, True, "check the model and the log of its node"
    NOT_STORABLE = "NotStorable", Stage.WRITE, False, "shorten it, or split it into several files"
    INVALID_VECTOR = "InvalidVector", Stage.WRITE, True, "check the model, and its precision on the GPUs"
    INTERRUPTED = "Interrupted", Stage.WRITE, True, "the next run processes it again"
    ROWS_LOST = "RowsLost", Stage.MAINTAIN, False, "run maintain.py with --mend, and then the pipeline"
    ENTRY_LOST = "EntryLost", Stage.MAINTAIN, False, "run maintain.py with --mend, and then the pipeline"


FAILURES = {failure.value: failure for failure in Failure}
"""All failures by name."""

MAX_ATTEMPTS = 3
"""Attempts at one version of an object if its failure may pass."""


def is_retried(error_type: str, attempts: int) -> bool:
    """Whether the next run retries an object at the same version.

    Args:
        error_type: the name of the failure in the ledger. An unknown name, of another revision, fails permanently.
        attempts: the number of attempts at this version so far.
    """
    failure = FAILURES.get(error_type)
    return failure is not None and failure.may_pass and attempts < MAX_ATTEMPTS
