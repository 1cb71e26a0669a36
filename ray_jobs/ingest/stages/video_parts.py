"""The parts of a recording: its passages and its key frames, so many of each that no row, batch or write grows with it.

Its passages come before its key frames, so their number has to be known before any key frame has its ordinal.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from ingest.stages.blocks import READ_SCHEMA, failed_part

PART_PASSAGES = 128
"""The most passages of a part: one or two hours of speech."""

PART_FRAMES = 64
"""The most key frames of a part, or of a piece of a recording whose frames have no vectors yet: ten megabytes."""


def pieces_of(
    row: Mapping[str, Any], sound: pa.Buffer, frames: pa.Buffer, number: int | None
) -> list[tuple[dict[str, Any], pa.Buffer, pa.Buffer]]:
    """Divide a row of EXTRACTED_SCHEMA with all key frames of a recording; the first piece has the sound.

    Args:
        number: that of the first piece. Without it, a row with few frames is no piece, but the whole recording.

    Returns:
        The pieces with their sound and frames.
    """
    nothing, times = pa.py_buffer(b""), row["frame_times"]
    starts = range(0, max(1, len(times)), PART_FRAMES)
    if number is None and len(starts) == 1:
        return [({**row, "piece": None}, sound, frames)]
    first, size = number or 0, frames.size // max(1, len(times))
    pieces = []
    for index, start in enumerate(starts):
        own = times[start : start + PART_FRAMES]
        piece = {**row, "frame_times": own, "piece": first + index, "last_piece": index == len(starts) - 1}
        if index:
            piece |= {"stretch": None, "transcript": None}
        pieces.append((piece, nothing if index else sound, frames.slice(start * size, len(own) * size)))
    return pieces


def parts_of(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts of a recording, rows of TRANSCRIBED_SCHEMA.

    Args:
        row: its columns of READ_SCHEMA; the `fields` and `texts` of its passages; its `frame_times`, and their vectors
            as one array, `frame_vectors`.
    """
    if row["error_type"]:
        yield failed_part(row, row)
        return
    fields, texts, times = row["fields"], row["texts"], row["frame_times"]
    totals = [len(texts), len(times)]
    common = {name: row[name] for name in READ_SCHEMA.names} | {"totals": totals}
    for first in range(0, 1 if not any(totals) else totals[0], PART_PASSAGES):
        own = slice(first, first + PART_PASSAGES)
        yield {**common, "collection": 0, "first": first, "fields": fields[own], "texts": texts[own]}
    vectors = row["frame_vectors"].reshape(max(1, len(times)), -1)
    for start in range(0, len(times), PART_FRAMES):
        own = slice(start, start + PART_FRAMES)
        yield {
            **common,
            "collection": 1,
            "first": totals[0] + start,
            "fields": [json.dumps({"time": round(at, 3), "metadata": {}}) for at in times[own]],
            "texts": [],
            "known_vectors": vectors[own].reshape(-1),
        }
