"""An audio or video file to what models read: its sound as PCM and its key frames as squares.

Both are taken at the same time, each by a thread with its own view of the file that decodes its own stream alone (PyAV
releases the GIL while FFmpeg works). Nothing is decoded twice, and both are written as they come, so that a file of
many hours needs no more memory than a short one.
"""

from __future__ import annotations

import errno
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.objects import PARTLY_READ
from ingest.media.audio import Sound, extract_audio, too_long
from ingest.media.container import decodable, describe, duration_seconds, has, opened, unusable
from ingest.media.video import Pictures, Sampling, extract_frames

AUDIO_FILE = "audio.pcm"
FRAMES_FILE = "frames.rgb"

_SHORT = 0.02
"""The part of a file's length, and _SHORT_SECONDS of it, that may be missing before the file counts as cut off."""
_SHORT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """How files are read.

    Attributes:
        image_size: pixels along each side of a frame: what the CLIP model reads.
        max_seconds: longest file that is taken.
        scene_threshold: the least change that can begin a scene, as `SceneDetector` measures it.
        min_interval: seconds between two key frames at least.
        max_interval: seconds after which a scene that still changes gets another key frame.
        max_frames: most key frames of a file.
    """

    image_size: int = 224
    max_seconds: float = 12 * 3600
    scene_threshold: float = 0.02
    min_interval: float = 0.5
    max_interval: float = 60.0
    max_frames: int = 10_000


@dataclass(frozen=True, slots=True)
class Media:
    """What `extract` found.

    Attributes:
        duration: seconds.
        audio_seconds: length of AUDIO_FILE; 0 when there is no audio.
        audio_start: seconds from the start of the file to the first sample.
        frame_times: seconds from the start of the file, one for each frame in FRAMES_FILE, in order.
        metadata: of the file, as plain values for JSON.
    """

    duration: float
    audio_seconds: float
    audio_start: float
    frame_times: list[float]
    metadata: dict[str, Any] = field(default_factory=dict)


def prepare() -> None:
    """Nothing: all that a child needs for `extract` is imported with this module."""


def extract(path: str, folder: str, settings: MediaSettings) -> Media:
    """Write the file's sound and key frames into `folder`.

    AUDIO_FILE is 16 kHz mono signed 16-bit little-endian; FRAMES_FILE is uint8 of shape (N, image_size, image_size, 3)
    in C order, RGB. A file of them without content may be missing.

    Raises:
        ObjectError: of stage `parse` and types `Empty`, `NotMedia`, `NoMedia`, `UnknownCodec`, `Encrypted`, `Damaged`
            or `TooLong`.
        MemoryError: there is not enough.
    """
    with opened(path) as container:
        metadata = describe(container)
        length = duration_seconds(container)
        present = {kind: has(container, kind) for kind in ("audio", "video")}
        if not decodable(container, "audio") and not decodable(container, "video"):
            raise unusable(container, [])
    if length is not None and length > settings.max_seconds:
        raise too_long(settings.max_seconds)
    sampling = Sampling(
        settings.image_size,
        settings.scene_threshold,
        settings.min_interval,
        settings.max_interval,
        settings.max_frames,
        settings.max_seconds,
    )
    stop = Event()
    with ThreadPoolExecutor(2, "extract") as threads:
        sound_branch = threads.submit(extract_audio, path, str(Path(folder) / AUDIO_FILE), settings.max_seconds, stop)
        picture_branch = threads.submit(extract_frames, path, str(Path(folder) / FRAMES_FILE), sampling, stop)
        branches: list[Future[Any]] = [sound_branch, picture_branch]
        done, _ = wait(branches, return_when=FIRST_EXCEPTION)
        if any(branch.exception() for branch in done):
            stop.set()  # the other one's work is of no use
    try:
        sound, pictures = sound_branch.result(), picture_branch.result()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise ObjectError(Failure.NO_SPACE, "the node had no space for the file's sound and frames") from None
    if not sound.samples and not pictures.times:
        with opened(path) as container:
            raise unusable(container, [sound.damage, pictures.damage])
    return _media(length, sound, pictures, metadata, present)


def _media(
    length: float | None, sound: Sound, pictures: Pictures, metadata: dict[str, Any], present: dict[str, bool]
) -> Media:
    sound_end = sound.start + sound.seconds if sound.samples else 0.0
    reached = max(sound_end, pictures.end if pictures.times else 0.0)
    metadata |= pictures.facts
    if sound.codec:
        metadata["audio_codec"] = sound.codec
    missing = [
        kind for kind, found in (("audio", sound.samples), ("video", pictures.times)) if present[kind] and not found
    ]
    if missing:
        metadata["not_decodable"] = missing
    skipped = sound.damage.skipped + pictures.damage.skipped
    if skipped:
        metadata["skipped_packets"] = skipped
    short = length is not None and length - reached > max(_SHORT_SECONDS, _SHORT * length)
    if short or sound.damage.cut_off or pictures.damage.cut_off:
        metadata["truncated"] = True
    if lost := _lost(missing, skipped, reached if "truncated" in metadata else None, length if short else None):
        metadata[PARTLY_READ] = f"{lost}; what could be read is kept, and the whole file should be uploaded again"
    duration = reached if length is None or short else length
    return Media(duration, sound.seconds, sound.start, pictures.times, metadata)


def _lost(missing: list[str], skipped: int, cut_at: float | None, length: float | None) -> str:
    """What of a file could not be read; empty: nothing.

    Args:
        cut_at: seconds at which it ends too early.
        length: seconds that it says it has, where these are more.
    """
    parts = [f"none of its {kind} can be decoded" for kind in missing]
    if skipped:
        parts.append(f"{skipped} of its packets are corrupt")
    if cut_at is not None:
        parts.append(f"it is cut off at {cut_at:.0f} s" + (f" of {length:.0f} s" if length is not None else ""))
    return " and ".join(parts)
