"""Finds the media of a file that begins with something else: a tag of another format, or blank lines."""

from __future__ import annotations

import re
from pathlib import Path

_SEARCHED = 1 << 20
"""Bytes in which the media begins; the picture in a tag may be large."""
_MEDIA = re.compile(
    rb"(?P<wav>RIFF....WAVE)|(?P<avi>RIFF....AVI )|(?P<matroska>\x1aE\xdf\xa3)|(?P<ogg>OggS\0\x02)"
    rb"|(?P<flac>fLaC\0\0\0\x22)",
    re.DOTALL,
)
"""How files begin whose parts can be found from any place, by FFmpeg's name of the format; MP4 files hold places
counted from their beginning."""


def find(path: str) -> tuple[int, str | None]:
    """Return the number of bytes before the media and its format; (0, None) if no media is found."""
    with Path(path).open("rb") as file:
        found = _MEDIA.search(file.read(_SEARCHED))
    return (found.start(), found.lastgroup) if found else (0, None)
