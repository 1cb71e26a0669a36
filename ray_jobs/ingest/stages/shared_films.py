"""Share the pictures of a long film among several processes of its node: see `shared_ranges` and `shared_film`."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.common.slots import take_slot
from ingest.media.extraction import Media, MediaSettings
from ingest.media.shared_film import BegunFilm, finish_film, prepare_media, read_film
from ingest.stages.shared_ranges import SLOT, NodeReaders, read_remaining, reader_slots


@dataclass(frozen=True, slots=True)
class _Stretches:
    """The stretches of a film, of which none is read, as `shared_ranges.Begun`."""

    count: int
    unit_seconds: float
    read: int = 0
    found: bytes = b""

    def range(self, first: int, _: int) -> int:
        """The number of the first stretch of a range, counted from 0."""
        return first - 1


def finished(begun: BegunFilm, folder: Path, sandbox: Sandbox, settings: MediaSettings, limits: Limits) -> Media:
    """Read the stretches of a film in several processes, and finish it in `sandbox`.

    Raises:
        ObjectError: a stretch failed, or `finish_film` did.
    """

    def read(child: Sandbox, number: int) -> tuple[int, bytes]:
        child.run(read_film, begun, str(folder), number, settings)
        return 1, b""

    here, _ = reader_slots()
    with take_slot(SLOT, here) or nullcontext():  # for the task itself
        readers = NodeReaders(prepare_media, limits, read, here)
        stretches = _Stretches(len(begun.frames.files), begun.frames.seconds)
        read_remaining(stretches, partial(readers.read, sandbox), readers)
        return sandbox.run(finish_film, begun, str(folder), settings)
