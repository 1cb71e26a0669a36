"""Thumbnails of hits, and the pixels of images that are searched for: made in a child process.

Both decode files that strangers have made. A file that crashes its decoder, never ends or exhausts the memory ends the
child, and no answer of the service but its own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from ingest.common.errors import JobError, ObjectError
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.common.square import Square
from ingest.image.decoder import read_image
from ingest.image.opening import prepare_images
from ingest.search.hits import Hit
from ingest.search.thumbnails import data_uri
from ingest.service.refused import RefusedError
from ingest.service.settings import MAX_PIXELS

LIMITS = Limits(seconds=10.0, memory_bytes=2_000_000_000, pixels=MAX_PIXELS)

KEPT = 500
"""Thumbnails that are kept, of some 20 kB each."""

R = TypeVar("R")


class Pictures:
    """The two child processes, which start when they are first needed. For any number of threads."""

    def __init__(self) -> None:
        self._thumbnails, self._images = _Child(), _Child()
        self._kept: OrderedDict[Hit, str] = OrderedDict()
        self._keeping = Lock()

    def thumbnail(self, hit: Hit) -> str:
        """The thumbnail of a hit as a `data:` URI; empty if it has none."""
        with self._keeping:
            if hit in self._kept:
                self._kept.move_to_end(hit)
                return self._kept[hit]
        try:
            uri = self._thumbnails.run(data_uri, hit)
        except (ObjectError, JobError):  # an answer is worth more than its thumbnail
            return ""
        with self._keeping:
            if uri:
                self._kept[hit] = uri
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return uri

    def pixels(self, image: bytes, square: Square) -> np.ndarray:
        """The squares of an image, as `clip_encoder.ClipEncoder.encode_images` takes them.

        Raises:
            RefusedError: it is no image that can be decoded.
        """
        try:
            found = self._images.run(read_image, image, square, MAX_PIXELS).pixels
        except ObjectError as error:
            raise RefusedError(400, f"the image cannot be read: {error.problem}") from None
        return np.frombuffer(found, np.uint8).reshape(-1, square.size, square.size, 3)

    def close(self) -> None:
        """End the child processes."""
        self._thumbnails.close()
        self._images.close()


class _Child:
    def __init__(self) -> None:
        self._sandbox: Sandbox | None = None
        self._at_work = Lock()

    def run(self, function: Callable[..., R], *args: Any) -> R:
        with self._at_work:
            self._sandbox = self._sandbox or Sandbox(prepare_images, LIMITS)
            return self._sandbox.run(function, *args)

    def close(self) -> None:
        with self._at_work:
            if self._sandbox is not None:
                self._sandbox.close()
                self._sandbox = None
