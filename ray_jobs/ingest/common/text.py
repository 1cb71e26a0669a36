"""Text for people: on one line, without control characters or secrets, in any script; and text as people type it."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from ingest.common.look_alikes import RADICALS, TYPESETTING
from ingest.common.redaction import redact

NOT_UTF8 = re.compile("[\ud800-\udfff]")
"""Surrogates, which stand for the bytes of a command line or a file's name that Python could not decode."""

CJK = "\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef"
"""The characters of the scripts that put no spaces between words, for the brackets of a regular expression."""

# Scripts whose letters ZERO WIDTH JOINER and NON-JOINER shape, and emoji, which the joiner combines.
_JOINING = (
    "\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\u1900-\u1cff\ua840-\ua87f\ua8e0-\ua8ff\ua980-\ua9ff"
    "\uaa00-\uaadf\uabc0-\uabff\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00010aff\U00011000-\U00011fff"
    "\U0001e900-\U0001e95f\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
)
# Scripts that put no spaces between words and may mark the word's end by ZERO WIDTH SPACE: Thai, Lao, Myanmar, Khmer.
_SPACELESS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19ff\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"

_DROPPED = re.compile(
    # Control characters except white space, lone surrogates, and code points that are no characters.
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff"
    # SOFT HYPHEN, COMBINING GRAPHEME JOINER, marks and overrides of direction, invisible operators, BYTE ORDER MARK,
    # and selectors of a variant of a character.
    "\u00ad\u034f\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufe00-\ufe0d\U000e0100-\U000e01ef]"
    # ZERO WIDTH SPACE, JOINER and NON-JOINER where they mean nothing.
    f"|(?<![{_SPACELESS}])\u200b+|\u200b+(?![{_SPACELESS}])"
    f"|(?<![{_JOINING}])[\u200c\u200d]+|[\u200c\u200d]+(?![{_JOINING}])"
    # Tag characters, except those of a flag.
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0001-\U000e007f]+"
    # The stroke that stretches an Arabic word.
    "|(?<=[\u0620-\u065f\u066e-\u06d3])\u0640+(?=[\u0620-\u065f\u066e-\u06d3])"
)
# Characters that nobody can search for: an embedded object, an unknown character, and those for private use, except the
# ones of TYPESETTING.
MEANINGLESS = re.compile(
    "[\ufffc\ufffd\ue000-\uf6bd\uf6bf\uf6c0\uf6c3-\uf6d8\uf6dd\uf6f4-\uf6f8\uf6fb\uf6fc\uf6fe\uf700-\uf720\uf77b-\uf7a0"
    "\uf800-\uf8e7\uf8eb-\uf8ff\U000f0000-\U0010fffd]"
)

# Characters that stand for others, which people type instead. A superscript, a fraction and a circled number are not
# among them: their digits alone would be other numbers.
_COMPATIBILITY = re.compile(
    # Latin, Armenian, Hebrew and Arabic ligatures and presentation forms; radicals of Chinese characters.
    "[\ufb00-\ufb06\ufb13-\ufb17\ufb1d-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc\u2e80-\u2fdf"
    # The micro sign, digraphs, the long s, Roman numerals, and mathematical letters and digits.
    "\u00b5\u0132\u0133\u0149\u017f\u01c4-\u01cc\u01f1-\u01f3\u2160-\u217f\U0001d400-\U0001d7ff"
    "\u2102\u2103\u2107\u2109-\u2113\u2115\u2119-\u211d\u2124\u2128\u212c\u212d\u212f-\u2134\u2139\u213c-\u213f"
    "\u2145-\u2149"
    # Full-width letters and digits, half-width katakana, vertical and small forms of punctuation.
    "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff61-\uff9f\uffe0-\uffe6\ufe10-\ufe19\ufe30-\ufe48\ufe50-\ufe6b]+"
)
_WIDE_PUNCTUATION = re.compile("(?<=[0-9A-Za-z])[\uff01-\uff5d](?=[0-9A-Za-z])|(?<=[0-9])\uff05")
_SQUARED = re.compile("[\u3220-\u3243\u3300-\u3357\u3371-\u33df]")
_SPACE_BEFORE_MARK = re.compile(" (?=[\u064b-\u0652\u0670])")
_HYPHENS = str.maketrans("\u2010\u2011", "--")

# A run of characters that any of the patterns above may match: a single class, since a search for all of them would
# take a hundred times as long.
_ANY = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u00b5\u0132\u0133\u0149\u017f\u01c4-\u01cc\u01f1-\u01f3\u034f\u061c"
    "\u0640\u200b-\u200f\u2010\u2011\u202a-\u202e\u2060-\u206f\u2102-\u2149\u2160-\u217f\u2e80-\u2fdf\u3220-\u3243"
    "\u3300-\u3357\u3371-\u33df\ud800-\uf8ff\ufb00-\ufdff\ufe00-\ufe0d\ufe10-\ufe19\ufe30-\ufe48\ufe50-\ufe6b"
    "\ufe70-\ufeff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff61-\uff9f\uffe0-\uffe6\ufff9-\uffff"
    "\U0001d400-\U0001d7ff\U000e0001-\U000e01ef\U000f0000-\U0010ffff"
)
_SPECIAL = re.compile(f"[{_ANY}][{_ANY}\uff01-\uff5d]*")


_RADICAL = re.compile("([\u2e80-\u2fdf])(?=(.))")
"""A radical, and the character behind it: macOS exports a glyph of both as the one and the other."""


_OF_MISMAPPED = {"\u019f": "ti", "\u01a9": "tt"}
_MISMAPPED_LIGATURE = re.compile("(?<=[a-z])[\u019f\u01a9]")
"""Capitals within a word, as which Office exports the ligatures of Calibri."""


# The vowel AM of Thai and Lao in two parts around a tone mark, whose second part may be named AM too; and a sign of an
# Indic vowel that is there twice.
_SPLIT_AM = re.compile("\u0e4d([\u0e48-\u0e4b]?)[\u0e32\u0e33]|\u0ecd([\u0ec8-\u0ecb]?)[\u0eb2\u0eb3]")
_TWICE = re.compile(
    "([\u093e-\u094d\u09be-\u09cd\u0a3e-\u0a4d\u0abe-\u0acd\u0b3e-\u0b4d\u0bbe-\u0bcd\u0c3e-\u0c4d\u0cbe-\u0ccd"
    "\u0d3e-\u0d4d])\\1+"
)
_SOUTHERN = re.compile("[\u0900-\u0eff\u1000-\u109f\u1780-\u17ff]")
# A gap before a mark, which belongs to the letter before it. Some producers draw each mark behind a space.
_MARKS = "".join(
    chr(code)
    for start, stop in ((0x900, 0xF00), (0x1000, 0x10A0), (0x1780, 0x1800))
    for code in range(start, stop)
    if unicodedata.category(chr(code)).startswith("M") or code in (0xE33, 0xEB3)
)
_SPACE_IN_SYLLABLE = re.compile(f"(?<=[\u0900-\u0eff\u1000-\u109f\u1780-\u17ff]) +(?=[{_MARKS}])")


def _southern(text: str) -> str:
    """Repair the scripts of India and of its neighbours in the east as files split or repeat their vowels."""
    text = _SPACE_IN_SYLLABLE.sub("", text)
    text = _SPLIT_AM.sub(lambda am: f"{am[1]}\u0e33" if am[1] is not None else f"{am[2]}\u0eb3", text)
    return _TWICE.sub(r"\1", text)


def as_typed(text: str) -> str:
    """The text in the characters that people type, on one line: what is stored and what is searched for agree.

    The result is in NFC. It has no soft hyphens and no invisible characters, except those that shape the letters of a
    script or join emoji. Ligatures, full-width and other compatibility forms become ordinary letters; every white space
    becomes one space. Superscripts, fractions and circled numbers stay.
    """
    if not text.isascii():
        text = _MISMAPPED_LIGATURE.sub(lambda match: _OF_MISMAPPED[match[0]], text)
        text = _RADICAL.sub(lambda match: "" if _ordinary(match) == match[2] else match[1], text)
        text = unicodedata.normalize("NFC", _SPECIAL.sub(_replacement, text))
        if _SOUTHERN.search(text):
            text = _southern(text)
    elif not text.isprintable():
        text = _DROPPED.sub("", text)
    return " ".join(text.split())


def _replacement(match: re.Match[str]) -> str:
    start, end = match.span()
    return _replaced(match.string[max(start - 1, 0) : start], match[0], match.string[end : end + 1])


@lru_cache(maxsize=4096)
def _replaced(before: str, special: str, after: str) -> str:
    text = _COMPATIBILITY.sub(_ordinary, MEANINGLESS.sub(" ", f"{before}{special.translate(TYPESETTING)}{after}"))
    text = _WIDE_PUNCTUATION.sub(_ordinary, _DROPPED.sub("", text))
    text = _SQUARED.sub(_spelled_out, text).translate(_HYPHENS)
    return text[len(before) : len(text) - len(after)]


def _ordinary(match: re.Match[str]) -> str:
    # Some presentation forms are a space and a mark: here the mark belongs to the letter before it.
    return _SPACE_BEFORE_MARK.sub("", unicodedata.normalize("NFKC", match[0].translate(RADICALS)))


def _spelled_out(match: re.Match[str]) -> str:
    """The letters of a unit in one square: "m²" and not "m2" for a square metre."""
    kind, *codes = unicodedata.decomposition(match[0]).split() or [""]
    return as_typed("".join([chr(int(code, 16)) for code in codes])) if kind.startswith("<") else match[0]


def printable(text: str) -> str:
    """A name with its control characters and line breaks, which an object's key may hold, escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def one_line(error: object, limit: int = 300) -> str:
    """The text of an error on one line of at most `limit` characters, without secrets."""
    text = redact(printable(" ".join(str(error).split()))) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"
