"""Divide the sound of a long recording into stretches, which actors transcribe while the rest is still decoded."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.common.errors import ObjectError
from ingest.common.loudness import gain_at, is_loud, loudness, scaled
from ingest.common.sandbox import Sandbox
from ingest.models.speech_windows import WINDOW, Stretch, Window, find_window_of_file, for_language, stretches
from ingest.stages.gathering import Key, StretchCollectorClient

POLL_SECONDS = 0.1

_BYTES = 2
"""Of a sample."""

_DIVISION = -1
"""Stands for the number of a stretch where the division itself fails."""


@dataclass(frozen=True, slots=True)
class Division:
    """How recordings are divided.

    Attributes:
        clips: the most clips of a stretch.
        window: the samples of a window, whole seconds. A recording that is no longer is not divided.
    """

    clips: int
    window: int = WINDOW


class DividedRecording:
    """A recording that is divided while it is decoded.

    Args:
        key: its source and version.
        path: the file with its PCM, which grows until `decoding` is done. It may begin anew meanwhile, with the same
            samples, if the decoder was killed.
        decoding: fails with an ObjectError if the recording cannot be read.
        division: how it is divided.
        collector: gets to know it before its first stretch is there.
    """

    def __init__(
        self, key: Key, path: Path, decoding: Future[Any], division: Division, collector: StretchCollectorClient
    ) -> None:
        self._key, self._path, self._decoding, self._collector = key, path, decoding, collector
        self._most, self._window = division.clips, division.window
        self._announced = False

    def is_long(self) -> bool:
        """Whether it is divided, which is not so if it cannot be decoded. It waits until that is known."""
        try:
            return self._has(self._window + 1)
        except ObjectError:
            return False

    def stretches(self, sandbox: Sandbox) -> Iterator[tuple[Stretch, pa.Buffer]]:
        """Its stretches with their sound, each as soon as it is known; the last one when it is decoded.

        Args:
            sandbox: finds the speech; the decoding has another one.

        Raises:
            ObjectError: it cannot be decoded, or its speech cannot be found; `fail` says what becomes of it.
        """
        factor = self._gain()
        for stretch in stretches(self._windows(sandbox, factor), factor, self._most):
            if not self._announced:
                self._announce([])  # nobody speaks
            yield stretch, pa.py_buffer(self._read(*stretch.span))

    def fail(self, error: ObjectError) -> ObjectError | None:
        """The failure of the recording, unless another process hands it on."""
        return self._collector.fail(self._key, _DIVISION, error).failure

    def _gain(self) -> float:
        """The gain of the whole recording, mostly known from its beginning."""
        level, offset = 0.0, 0
        while not is_loud(level) and len(part := self._read(offset, offset + self._window)):
            level, offset = max(level, loudness(part)), offset + len(part)
        return gain_at(level)

    def _windows(self, sandbox: Sandbox, factor: float) -> Iterator[Window]:
        offset = 0
        while self._has(offset + 1):
            follows = self._has(offset + self._window + 1)
            window = sandbox.run(find_window_of_file, str(self._path), offset, factor, self._window, follows)
            if window is None:
                continue  # the file begins anew
            if window.clips and not self._announced:
                spans = [(offset + clip.start, offset + clip.end) for clip in for_language(window.clips)]
                self._announce([scaled(self._read(*span), factor) for span in spans])
            yield window
            offset = window.end

    def _announce(self, sample: list[np.ndarray]) -> None:
        self._collector.announce(self._key, sample)
        self._announced = True

    def _read(self, first: int, end: int) -> np.ndarray:
        """The samples from `first` to `end`, or to the end of the recording."""
        while True:
            complete = not self._has(end)
            samples = np.fromfile(self._path, "<i2", end - first, offset=first * _BYTES)
            if complete or len(samples) == end - first:
                return samples

    def _has(self, samples: int) -> bool:
        """Whether it has so many samples. It waits until they are there, or none follow."""
        while True:
            done = self._decoding.done()
            if done:
                self._decoding.result()  # raises its error
            if self._path.exists() and self._path.stat().st_size >= samples * _BYTES:
                return True
            if done:
                return False
            wait([self._decoding], POLL_SECONDS)
