"""Reads the names of glyphs in the encoding of a font's own program: Type 1, and CFF, which is its compact form.

PDFs whose fonts have no encoding of their own rely on that one (ISO 32000-1, 9.6.6.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

STANDARD_STRINGS = 391
"""Number of the names that every CFF program knows (Adobe Technical Note 5176, appendix A)."""

PREDEFINED_ENCODINGS, PREDEFINED_CHARSETS = 2, 3
"""Numbers that stand, in place of an offset, for encodings and lists of glyphs that have no names of their own."""

_CLEAR_TEXT_END = b"eexec"
_ENCODED = re.compile(rb"dup\s+(\d+)\s*/([^\s/\[\]<>(){}]+)\s+put")
_CHARSET, _ENCODING, _GLYPHS, _IS_BY_NUMBER = 15, 16, 17, 1230
"""Operators of a font's dictionary; the last one, of two bytes, says that its glyphs have numbers instead of names."""


def built_in_names(program: bytes) -> dict[int, str]:
    """Return the names of the codes in the encoding of a font's program, as far as it defines them itself.

    Raises:
        IndexError, KeyError, ValueError: the program is broken.
    """
    if program.startswith(b"%!") or program.startswith(b"\x80\x01"):
        clear_text = program[: program.find(_CLEAR_TEXT_END)]
        return {int(code): name.decode("latin-1") for code, name in _ENCODED.findall(clear_text)}
    if program.startswith(b"OTTO"):
        program = _table(program, b"CFF ")
    return _names_of_cff(program) if program[:1] == b"\x01" else {}


def _table(program: bytes, tag: bytes) -> bytes:
    """Return a table of an OpenType font; b"" if it has none."""
    for entry in range(12, 12 + 16 * int.from_bytes(program[4:6]), 16):
        if program[entry : entry + 4] == tag:
            start, length = (int.from_bytes(program[place : place + 4]) for place in (entry + 8, entry + 12))
            return program[start : start + length]
    return b""


class _Index(NamedTuple):
    """The objects of an index of a CFF program, and the offset behind it."""

    starts: list[int]
    stop: int


def _names_of_cff(program: bytes) -> dict[int, str]:
    _, stop = _index(program, program[2])
    dictionaries, stop = _index(program, stop)
    strings = _index(program, stop).starts
    if len(dictionaries) < 2 or len(strings) < 2:
        return {}
    values = _dictionary(program[dictionaries[0] : dictionaries[1]])
    encoding, charset = values.get(_ENCODING, 0), values.get(_CHARSET, 0)
    if encoding < PREDEFINED_ENCODINGS or charset < PREDEFINED_CHARSETS or _IS_BY_NUMBER in values:
        return {}
    count = int.from_bytes(program[values[_GLYPHS] :][:2])
    strings_of_glyphs = list(islice(chain([0], _charset(program, charset)), count))
    names: dict[int, str] = {}
    for code, string in _encoded(program, encoding, strings_of_glyphs):
        number = string - STANDARD_STRINGS
        if 0 <= number < len(strings) - 1:
            names[code] = program[strings[number] : strings[number + 1]].decode("latin-1")
    return names


def _index(program: bytes, place: int) -> _Index:
    """Return the offsets of the objects of an index, and behind the last one."""
    count, size = int.from_bytes(program[place : place + 2]), program[place + 2]
    if not count:
        return _Index([], place + 2)
    base = place + 2 + size * (count + 1)
    places = range(place + 3, place + 3 + size * (count + 1), size)
    starts = [base + int.from_bytes(program[offset : offset + size]) for offset in places]
    return _Index(starts, starts[-1])


def _dictionary(data: bytes) -> dict[int, int]:
    """Return the last whole number before each operator; operators of two bytes count from 1200."""
    found: dict[int, int] = {}
    place = value = 0
    while place < len(data):
        first = data[place]
        place += 1
        if first <= 21:
            if first == 12:
                first = 1200 + data[place]
                place += 1
            found[first] = value
        elif first in (28, 29):
            length = 2 if first == 28 else 4
            value = int.from_bytes(data[place : place + length], signed=True)
            place += length
        elif first == 30:  # a real number: half bytes up to 15
            while data[place] & 15 != 15:
                place += 1
            place += 1
        elif first <= 246:
            value = first - 139
        else:
            value = (first - 247) * 256 + data[place] + 108 if first <= 250 else (251 - first) * 256 - data[place] - 108
            place += 1
    return found


def _charset(program: bytes, place: int) -> Iterator[int]:
    """Yield the numbers of the strings that name the glyphs from the second; there may be too many."""
    form, place = program[place], place + 1
    if form == 0:
        while True:
            yield int.from_bytes(program[place : place + 2])
            place += 2
    size = {1: 1, 2: 2}[form]
    while place + 2 < len(program):
        first, rest = int.from_bytes(program[place : place + 2]), int.from_bytes(program[place + 2 : place + 2 + size])
        yield from range(first, first + rest + 1)
        place += 2 + size


def _encoded(program: bytes, place: int, strings: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the codes of an encoding, and the numbers of the strings that name their glyphs."""
    form, count = program[place], program[place + 1]
    place += 2
    if form & 127 == 0:
        codes = list(program[place : place + count])
        place += count
    else:
        ranges = [program[place + 2 * number : place + 2 * number + 2] for number in range(count)]
        codes = [code for first, rest in ranges for code in range(first, first + rest + 1)]
        place += 2 * count
    yield from zip(codes, strings[1:], strict=False)
    if form & 128:  # glyphs with several codes
        for entry in range(place + 1, place + 1 + 3 * program[place], 3):
            yield program[entry], int.from_bytes(program[entry + 1 : entry + 3])
