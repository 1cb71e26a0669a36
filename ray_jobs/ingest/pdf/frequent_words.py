"""Tells by its words whether a text is written in a language: prose repeats a few short ones."""

from __future__ import annotations

import re

MIN_LETTERS = 100
"""Number of letters from which on a text has words that are frequent in its language."""

MIN_FREQUENT, WORD = 0.08, 8
"""The smallest share of these words, and the length from which on a word counts as several: the share is 0.3 to 0.5 in
the prose of Western Europe, and 0.1 to 0.2 in languages with many endings."""

# Of the languages of Europe, and of others in Latin letters; from two letters on.
_FREQUENT = """
the of and to in is that for it as was with be by on not he his at this are or from but have an which you all has
been will der die das und den von zu mit sich des auf für ist im dem nicht ein eine als auch es werden aus er hat
dass sie nach wird bei einer um am sind noch wie einem über so zum le la les de du un une et est que qui dans pour
pas sur par au plus avec il ce sont en se ne aux ou el los las del por con una para su al lo como más no di che è
per non sono della si dei alla nel do da em uma com não na os ao dos mais foi het een van dat niet zijn op te met
voor aan ook och att det som på av till inte var han ett af til ikke har jeg med ja ei että oli hän ovat kun mutta
tai się nie jest że od jak po za je ve jako pro az és hogy nem egy meg volt și cu pe nu că din este care bir bu için
ile olarak çok yang dan dengan ini itu dari untuk và là có được các cho trong ir kad ka ar ad cum ut
"""
_WORDS = frozenset(_FREQUENT.split())
_WORD = re.compile(r"[^\W\d_]{2,}")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")


def lacks_frequent_words(text: str) -> bool:
    """Whether a text in Latin letters has next to none of the words that are frequent in their languages."""
    words = _WORD.findall(text.lower())
    letters = sum(map(len, words))
    if letters < MIN_LETTERS or 2 * len(_LATIN.findall(text)) < letters:
        return False
    frequent = sum(0.5 if len(word) == 2 else 1.0 for word in words if word in _WORDS)  # two letters may be chance
    return frequent < MIN_FREQUENT * max(len(words), letters / WORD)
