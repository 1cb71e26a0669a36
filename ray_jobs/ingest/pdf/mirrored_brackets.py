"""Turns the brackets of right-to-left text round where a file has them as they look.

A bracket that opens looks in right-to-left text like one that closes in left-to-right text. Some producers, such as Qt,
Ghostscript and MuPDF, give the character of the form that is drawn, and others the one that is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ingest.pdf.bidi import GlyphCluster
from ingest.pdf.bidi_conventions import PARTNERS

_OPENING = frozenset("([{")


def turn_brackets(lines: Sequence[Sequence[GlyphCluster]]) -> None:
    """Turn the brackets of the right-to-left lines of a page, in place, if more pairs close before they open.

    Args:
        lines: the lines in logical order.
    """
    found = [
        cluster
        for line in lines
        for number, cluster in enumerate(line)
        if cluster.text in PARTNERS and not _is_in_latin(line, number)
    ]
    pairs = sum(
        1 if before.text in _OPENING else -1 for before, after in pairwise(found) if PARTNERS[before.text] == after.text
    )
    if pairs < 0:
        for cluster in found:
            cluster.text = PARTNERS[cluster.text]


def _is_in_latin(line: Sequence[GlyphCluster], number: int) -> bool:
    """Whether the next letters before and behind a bracket are read from left to right."""
    before = next((cluster.direction for cluster in reversed(line[:number]) if cluster.direction in ("L", "R")), "")
    after = next((cluster.direction for cluster in line[number + 1 :] if cluster.direction in ("L", "R")), "")
    return "L" in (before, after) and "R" not in (before, after)
