"""The stages of the image pipeline, for Ray Data: they turn differences into images, and images into vectors."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from ingest.common.errors import ObjectError
from ingest.common.limits import Limits
from ingest.common.sandbox import Sandbox
from ingest.common.square import Square
from ingest.image.decoder import read_image
from ingest.image.opening import prepare_images
from ingest.stages.blocks import PART_SCHEMA, VECTORS_FIELD, failed_part, failure_of, flat_lists
from ingest.stages.clip import ClipStage
from ingest.stages.prefetch import OWNERS, prefetch
from ingest.stages.progress import Observe
from ingest.store.object_reading import ReadSettings

TABLE_SQUARES = 64
"""Squares of images per table that a task hands on: some ten megabytes of pixels."""

DECODED_SCHEMA = PART_SCHEMA.append(pa.field("pixels", pa.large_binary()))
"""PART_SCHEMA and the pixels of its image, uint8 RGB of shape (squares, size, size, 3); null for a failed image."""


@dataclass(frozen=True, slots=True)
class DecodeSettings:
    """How images are read and decoded: `limits` are checked meanwhile."""

    square: Square
    reading: ReadSettings
    limits: Limits


@lru_cache(maxsize=1)
def _sandbox(limits: Limits) -> Sandbox:
    """One child for each of Ray's processes, kept from task to task."""
    return Sandbox(prepare_images, limits)


def decode_images(block: pa.Table, settings: DecodeSettings, observe: Observe) -> Iterator[pa.Table]:
    """Read and decode the objects of a block of differences; yields tables of DECODED_SCHEMA.

    A failed object becomes one row with its error. A failure of the object store raises, and ends the run.
    """
    rows: list[dict[str, Any]] = []
    squares, square_bytes = 0, 3 * settings.square.size**2
    for entry, data in prefetch(block.to_pylist(), settings.reading, observe):
        try:
            content = data()
            started = time.perf_counter()
            picture = _sandbox(settings.limits).run(read_image, content, settings.square, settings.limits.pixels)
            observe("parse", 1, time.perf_counter() - started)
        except ObjectError as error:
            rows.append(failed_part(entry, failure_of(error)))
            squares += 1
        else:
            squares += len(picture.pixels) // square_bytes
            fields = {"width": picture.width, "height": picture.height, "metadata": picture.metadata}
            rows.append(
                {
                    **entry,
                    "collection": 0,
                    "first": 0,
                    "totals": [1],
                    "fields": [json.dumps(fields)],
                    "texts": [],
                    "metadata": json.dumps(
                        {"width": picture.width, "height": picture.height, **picture.metadata, **entry[OWNERS]}
                    ),
                    "pixels": picture.pixels,
                }
            )
        if squares >= TABLE_SQUARES:
            yield pa.Table.from_pylist(rows, DECODED_SCHEMA)
            rows, squares = [], 0
    if rows:
        yield pa.Table.from_pylist(rows, DECODED_SCHEMA)


class EmbedImages(ClipStage):
    """The actor that embeds images: it turns tables of DECODED_SCHEMA into their parts with `vectors`."""

    def __call__(self, table: pa.Table) -> pa.Table:
        from ingest.models.clip_encoder import pooled

        pixels = table["pixels"].combine_chunks()
        is_image = np.asarray(pixels.is_valid().to_numpy(zero_copy_only=False), np.int64)
        squares, counts = squares_in(pixels.drop_null(), self.size)
        vectors = pooled(self.embedded("embed", squares), counts)
        return table.select(PART_SCHEMA.names).append_column(VECTORS_FIELD, flat_lists(vectors, is_image))


def squares_in(images: pa.LargeBinaryArray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The squares of images as one array of shape (count, size, size, 3), and how many each has; nothing is copied."""
    offsets = np.frombuffer(images.buffers()[1], np.int64)[images.offset : images.offset + len(images) + 1]
    counts, data = np.diff(offsets) // (3 * size * size), images.buffers()[2]
    if data is None:
        return np.empty((0, size, size, 3), np.uint8), counts
    return np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]].reshape(-1, size, size, 3), counts
