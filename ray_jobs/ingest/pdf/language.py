"""Language detection."""

from __future__ import annotations

LANGUAGE_SAMPLE = 600
"""Number of characters that are examined."""

MIN_LETTERS = 20
"""Number of letters below which the answer would be a guess."""

UNLIKELY = frozenset({"eo", "la", "vo"})
"""Rare languages that the classifier reports for lists of names and numbers."""


def detect_language(text: str) -> str:
    """Return the ISO 639 code of the main language at the beginning of a text; "" if there is too little text."""
    import py3langid

    sample = text[:LANGUAGE_SAMPLE]
    if sum(map(str.isalpha, sample)) < MIN_LETTERS:
        return ""
    return next(str(name) for name, _ in py3langid.rank(sample) if name not in UNLIKELY)
