"""Slots of a machine, of which each is held by one process at a time, whichever task, run or user it works for."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO


def take_slot(name: str, count: int) -> IO[bytes] | None:
    """Take one of the `count` slots `name` of this machine; None if all of them are held.

    Closing the file gives the slot back, and so does the end of the process, however it ends.
    """
    folder = Path(tempfile.gettempdir(), f"ingest-slots-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    for number in range(count):
        file = (folder / f"{name}-{number}").open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
        else:
            return file
    return None
