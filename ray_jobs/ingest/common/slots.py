"""Slots of a machine, of which each is held by one process of a user at a time, whichever task or run it works for."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO


def take_slot(name: str, count: int) -> IO[bytes] | None:
    """Take one of the `count` slots `name` of this machine; None if all are held, or their files have no space.

    Closing the file gives the slot back, and so does the end of the process, however it ends.
    """
    folder = Path(tempfile.gettempdir(), f"ingest-slots-{os.getuid()}")
    for number in range(count):
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            file = (folder / f"{name}-{number}").open("ab")
        except OSError:  # no space
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
        else:
            return file
    return None
