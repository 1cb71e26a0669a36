"""The words of a question in a text: whether there are any, and when a recording says them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

import numpy as np

from ingest.common.text import CJK, as_typed

MIN_QUOTED_WORDS = 4
"""Consecutive words that a question and a passage must share for the question to count as a quotation."""

_WORD = re.compile(rf"[{CJK}]|[^\W{CJK}]+")


def has_words(question: str) -> bool:
    """Whether a search by words can find anything: not with punctuation or emoji alone."""
    return _WORD.search(question) is not None


def answer_time(question: str, row: Mapping[str, Any]) -> float:
    """The second of a video at which a passage answers the question.

    If the passage quotes the question, this is the time of the first quoted word, interpolated between the times of the
    segments and, in rows that have them, of words. Otherwise it is the start of the segment that shares the most words
    with the question.

    Args:
        row: a row of the collection of passages, with `start`, `end`, `text` and `metadata`.
    """
    marks = row["metadata"].get("marks") or [[0, row["start"]]]
    starts = [at for at, _ in marks]
    text = row["text"]
    asked, said = _words_with_offsets(as_typed(question)), _words_with_offsets(text)
    same = SequenceMatcher(None, [word for word, _ in asked], [word for word, _ in said], False).find_longest_match()
    if same.size >= min(MIN_QUOTED_WORDS, len(asked)) > 0:
        at = said[max(same.b - same.a, 0)][1]  # the model may have misheard the first words of the question
        known = sorted([*map(tuple, marks), *map(tuple, row["metadata"].get("words", ())), (len(text), row["end"])])
        return float(np.interp(at, [offset for offset, _ in known], [time for _, time in known]))
    wanted = {word for word, _ in asked}
    shared = [
        len(wanted & {word for word, at in said if begin <= at < end}) for begin, end in pairwise([*starts, len(text)])
    ]
    return float(marks[shared.index(max(shared))][1])


def _words_with_offsets(text: str) -> list[tuple[str, int]]:
    """Words with their offsets in the text; in scripts without spaces, each character is a word."""
    return [(match[0].lower(), match.start()) for match in _WORD.finditer(text)]
