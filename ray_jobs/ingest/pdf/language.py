"""The language of a text, by its words and letters."""

from __future__ import annotations

SAMPLE = 600
"""Characters that are looked at."""

MIN_LETTERS = 20
"""Letters, below which the answer would be a guess."""

UNLIKELY = frozenset({"eo", "la", "vo"})
"""Languages that the classifier takes lists of names and numbers for, and that hardly any document is in."""


def language_of(text: str) -> str:
    """The ISO 639 code of the language that most of a text's beginning is in; "" where that is too short."""
    import py3langid

    sample = text[:SAMPLE]
    if sum(map(str.isalpha, sample)) < MIN_LETTERS:
        return ""
    return next(str(name) for name, _ in py3langid.rank(sample) if name not in UNLIKELY)
