"""Extracts from an audio or video file the input of the models: its audio as PCM and its key frames as squares.

Two threads work at the same time; each opens the file and decodes one stream (PyAV releases the GIL while FFmpeg
works). Nothing is decoded twice, and both results are written as they are produced, so that a file of many hours needs
no more memory than a short one. `shared_film` does the same in several processes.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.objects import PARTLY_READ
from ingest.media import riff
from ingest.media.audio import ExtractedAudio, extract_audio, too_long_error
from ingest.media.container import (
    declared_duration,
    decodable_streams,
    has_stream,
    header_metadata,
    is_whole,
    measured_duration,
    undecodable_error,
)
from ingest.media.joined import whole_recording
from ingest.media.ogg import changes_codec, lost_share
from ingest.media.opening import open_media
from ingest.media.sampling import Sampling
from ingest.media.video import ExtractedFrames, extract_frames

AUDIO_FILE = "audio.pcm"
FRAMES_FILE = "frames.rgb"

_MAX_MISSING, _MAX_MISSING_SECONDS = 0.02, 1.0
"""A file counts as cut off if more than this share of its declared duration and more than these seconds are missing.
Corrupt packets are a loss above the same share: joined MP3 files have one where they meet."""


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """How files are read.

    Attributes:
        image_size: side length of a key frame in pixels: the input size of the CLIP model.
        max_seconds: longest file that is accepted.
        scene_threshold: smallest change that can begin a scene, as `SceneDetector` measures it.
        min_interval: minimum seconds between two key frames.
        max_interval: seconds after which a scene that keeps changing gets another key frame.
        max_frames: maximum number of key frames of a file.
    """

    image_size: int = 224
    max_seconds: float = 12 * 3600
    scene_threshold: float = 0.02
    min_interval: float = 0.5
    max_interval: float = 60.0
    max_frames: int = 10_000

    @property
    def sampling(self) -> Sampling:
        """How key frames are chosen."""
        return Sampling(
            self.image_size,
            self.scene_threshold,
            self.min_interval,
            self.max_interval,
            self.max_frames,
            self.max_seconds,
        )


@dataclass(frozen=True, slots=True)
class Media:
    """The result of `extract`.

    Attributes:
        duration: seconds from the beginning to the end of the last packet, measured and not declared.
        audio_seconds: length of AUDIO_FILE; 0 if there is no audio.
        audio_start: seconds from the start of the file to the first sample.
        frame_times: seconds from the start of the file, one for each frame in FRAMES_FILE, in order.
        metadata: of the file, as JSON values.
    """

    duration: float
    audio_seconds: float
    audio_start: float
    frame_times: list[float]
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a file beside its streams.

    Attributes:
        length: the seconds that it declares, if they can be believed.
        whole: whether it is known to be whole.
        metadata: of its header.
        present: whether it has sound, and whether it has pictures.
        joined: whether another recording is joined behind its end, and is left out.
        lost_pages: the share of its pages that are damaged or missing.
    """

    length: float | None
    whole: bool
    metadata: dict[str, Any]
    present: dict[str, bool]
    joined: bool
    lost_pages: float


def extract(path: str, folder: str, settings: MediaSettings) -> Media:
    """Write the file's audio and key frames into `folder`.

    AUDIO_FILE is 16 kHz mono signed 16-bit little-endian PCM; FRAMES_FILE is uint8 RGB of shape (N, image_size,
    image_size, 3) in C order. An empty one may be missing.

    Raises:
        ObjectError: of stage `parse` and types `Empty`, `NotMedia`, `NoMedia`, `UnknownCodec`, `Encrypted`, `Damaged`
            or `TooLong`.
        MemoryError: there is not enough memory.
    """
    return described(*read_streams(path, folder, settings, extract_frames))


F = TypeVar("F")


def read_streams(
    path: str, folder: str, settings: MediaSettings, frames: Callable[[str, str, Sampling, Event], F]
) -> tuple[str, FileFacts, ExtractedAudio, F]:
    """Write the file's audio, and do at the same time with its pictures what `frames` does, as `extract_frames` would.

    Returns:
        The file that was read, what is known of it, its audio, and what `frames` has returned.
    """
    with open_media(path) as container:
        metadata = header_metadata(container)
    recording = whole_recording(path, folder)
    path = recording.path
    with open_media(path) as container:
        length, whole = declared_duration(container), is_whole(container, path)
        present = {kind: has_stream(container, kind) for kind in ("audio", "video")}
        if not decodable_streams(container, "audio") and not decodable_streams(container, "video"):
            raise undecodable_error(container, [])
    if length is not None and length > settings.max_seconds and measured_duration(path) > settings.max_seconds:
        raise too_long_error(settings.max_seconds)
    stop = Event()
    with ThreadPoolExecutor(2, "extract") as threads:
        audio_branch = threads.submit(extract_audio, path, str(Path(folder) / AUDIO_FILE), settings.max_seconds, stop)
        frame_branch = threads.submit(frames, path, str(Path(folder) / FRAMES_FILE), settings.sampling, stop)
        branches: list[Future[Any]] = [audio_branch, frame_branch]
        done, _ = wait(branches, return_when=FIRST_EXCEPTION)
        if any(branch.exception() for branch in done):
            stop.set()  # the result of the other thread is useless
    try:
        audio, found = audio_branch.result(), frame_branch.result()
    except OSError as error:
        raise no_space(error) from None
    if recording.is_cut_off or riff.is_cut_off(path):
        audio.damage.cut_off = True
    joined = recording.is_partial or changes_codec(path)
    facts = FileFacts(length, whole, metadata, present, joined, lost_share(path))
    return path, facts, audio, found


def no_space(error: OSError) -> Exception:
    """The error, or the failure of the file if the disk is full."""
    if error.errno != errno.ENOSPC:
        return error
    return ObjectError(Failure.NO_SPACE, "the node had no space for the file's sound and frames")


def described(path: str, facts: FileFacts, audio: ExtractedAudio, frames: ExtractedFrames) -> Media:
    """What `extract` returns of a file whose streams were read: see `read_streams`."""
    if not audio.samples and not frames.times:
        with open_media(path) as container:
            raise undecodable_error(container, [audio.damage, frames.damage])
    return _media(facts, audio, frames)


def _media(facts: FileFacts, audio: ExtractedAudio, frames: ExtractedFrames) -> Media:
    length, metadata = facts.length, facts.metadata
    duration = max(audio.end, audio.start + audio.seconds if audio.samples else 0.0, frames.end)
    if audio.samples and frames.damage.packets == 1:  # a cover, which may last for any time
        duration, length = audio.start + audio.seconds, None
    metadata |= frames.facts
    if audio.codec:
        metadata["audio_codec"] = audio.codec
    if metadata["streams"].get("audio", 0) > 1:
        metadata["audio_track"] = audio.track
    read = {"audio": (audio.samples, audio.damage), "video": (len(frames.times), frames.damage)}
    # A track without a single packet, as a muted recorder writes it, has lost nothing.
    missing = [kind for kind, (found, damage) in read.items() if facts.present[kind] and damage.packets and not found]
    if missing:
        metadata["not_decodable"] = missing
    skipped = audio.damage.skipped + frames.damage.skipped
    if skipped:
        metadata["skipped_packets"] = skipped
    short = length is not None and length - duration > max(_MAX_MISSING_SECONDS, _MAX_MISSING * length)
    if facts.whole and not skipped:
        short = False
    if short or audio.damage.cut_off or frames.damage.cut_off:
        metadata["truncated"] = True
    cut_at = duration if "truncated" in metadata else None
    lost = any(damage.skipped > _MAX_MISSING * damage.packets for _, damage in read.values())
    losses = _describe_losses(missing, skipped if lost else 0, cut_at, length if short else None)
    filler = max(audio.damage.filler, frames.damage.filler)
    if filler and not facts.joined:  # otherwise the silence of recordings that are left out
        losses.append(f"{filler:.0%} of its bytes were never written, and are zeros or repeated blocks")
    if facts.lost_pages > _MAX_MISSING:
        losses.append(f"{facts.lost_pages:.0%} of its pages are damaged or missing")
    if losses:
        metadata[PARTLY_READ] = f"{' and '.join(losses)}; the rest is kept, and the whole file should be uploaded again"
    elif facts.joined:
        metadata[PARTLY_READ] = "another recording is joined behind its end, which players do not show; split the file"
    return Media(duration, audio.seconds, audio.start, frames.times, metadata)


def _describe_losses(missing: list[str], skipped: int, cut_at: float | None, length: float | None) -> list[str]:
    """Describe the parts of a file that could not be read; an empty list if there are none.

    Args:
        missing: kinds of streams of which nothing could be decoded.
        skipped: number of corrupt packets.
        cut_at: seconds at which the file ends too early, or None.
        length: declared duration in seconds if it is longer, or None.
    """
    parts = [f"none of its {kind} can be decoded" for kind in missing]
    if skipped:
        parts.append(f"{skipped} of its packets are corrupt")
    if cut_at is not None:
        parts.append(f"it is cut off at {cut_at:.0f} s" + (f" of {length:.0f} s" if length is not None else ""))
    return parts
