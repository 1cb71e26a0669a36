"""Extracts a long film in several processes: one begins it, any number read stretches of it, and one finishes it.

The result is that of `extract`. All of it runs in the child processes of sandboxes, which share a folder.
"""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import av

from ingest.media.audio import ExtractedAudio
from ingest.media.extraction import (
    FRAMES_FILE,
    FileFacts,
    Media,
    MediaSettings,
    described,
    no_space,
    read_streams,
)
from ingest.media.film_stretches import BegunFrames, IndivisibleError, Sharing, StretchWriter
from ingest.media.joined_stretches import join_stretches
from ingest.media.opening import open_media
from ingest.media.sampling import Sampling
from ingest.media.stretch_reading import read_stretch
from ingest.media.video import ExtractedFrames, extract_frames

_BEGUN_FILE = "begun.rgb"


@dataclass(frozen=True, slots=True)
class BegunFilm:
    """A film whose sound is written, and whose pictures are divided into stretches.

    Attributes:
        path: the file that is read.
        facts: what is known of it.
        audio: its sound.
        frames: the beginning of its pictures, and their stretches.
    """

    path: str
    facts: FileFacts
    audio: ExtractedAudio
    frames: BegunFrames


def prepare_media() -> None:
    """Do nothing: importing this module has loaded everything that its functions need."""


def begin_film(path: str, folder: str, settings: MediaSettings, sharing: Sharing) -> Media | BegunFilm:
    """Do the same as `extract`, or only begin if the pictures of the rest are worth sharing.

    Its stretches are for `read_film`, in any number of processes, and then all are for `finish_film`.
    """

    def frames(path: str, target: str, sampling: Sampling, stop: Event) -> ExtractedFrames | BegunFrames:
        with open_media(path) as container:
            length = (container.duration or 0) / av.time_base  # good enough for an estimate, wherever it is from
        writer = StretchWriter(Path(folder), sharing, length, stop)
        try:
            found = extract_frames(path, target, sampling, stop, writer)
        except (IndivisibleError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.ENOSPC:
                raise
            for file in Path(folder).glob("stretch-*"):
                file.unlink()
            return extract_frames(path, target, sampling, stop)
        return writer.begun or found

    path, facts, audio, found = read_streams(path, folder, settings, frames)
    if isinstance(found, ExtractedFrames):
        return described(path, facts, audio, found)
    (Path(folder) / FRAMES_FILE).replace(Path(folder) / _BEGUN_FILE)
    return BegunFilm(path, facts, audio, found)


def read_film(begun: BegunFilm, folder: str, number: int, settings: MediaSettings) -> None:
    """Read a stretch of a film: `number` says which one, from 0.

    Raises:
        ObjectError: of stage `parse` and type `NoSpace`.
        MemoryError: there is not enough memory.
    """
    frames = begun.frames
    stretch = str(Path(folder) / frames.files[number])
    try:
        read_stretch(begun.path, frames.index, stretch, settings.sampling, frames.sampler.interval)
    except OSError as error:
        raise no_space(error) from None


def finish_film(begun: BegunFilm, folder: str, settings: MediaSettings) -> Media:
    """Do the rest of `extract`, when all stretches of a film were read.

    Raises:
        ObjectError: as in `extract`.
        MemoryError: there is not enough memory.
    """
    target = Path(folder) / FRAMES_FILE
    try:
        shutil.copyfile(Path(folder) / _BEGUN_FILE, target)  # it may be called again, if its process dies
        frames = join_stretches(begun.path, begun.frames, Path(folder), target, settings.sampling)
        if not frames.is_film:  # another stream may be one
            frames = extract_frames(begun.path, str(target), settings.sampling, Event())
    except OSError as error:
        raise no_space(error) from None
    return described(begun.path, begun.facts, begun.audio, frames)
