"""The tables between the stages of the video pipeline.

A recording of which the transcript is kept, or that is no longer than a window (`speech_windows`), is one row if it has
few key frames. Any other has a row for each of its pieces, until these are put together again: its stretches of sound,
and its groups of key frames.
"""

from __future__ import annotations

import pyarrow as pa

from ingest.stages.blocks import PART_SCHEMA, READ_SCHEMA

_TIMES = pa.field("frame_times", pa.list_(pa.float64()))

_SOUND = [
    ("audio", pa.large_binary()),
    ("audio_start", pa.float64()),
    ("stretch", pa.string()),
    ("transcript", pa.string()),
    ("piece", pa.int32()),
    ("last_piece", pa.bool_()),
]

EXTRACTED_SCHEMA = pa.schema([*READ_SCHEMA, *_SOUND, ("frames", pa.large_binary()), _TIMES])
"""An object's sound, 16 kHz mono int16; its key frames, uint8 RGB of shape (count, size, size, 3); and their times.

`piece` is the number of a piece of a recording, and `last_piece` says whether no other follows; it is null if the row
is the whole recording. `stretch` is that of `speech_windows` as JSON: the sound is that of this stretch; it is null if
the sound is whole, or if the piece has none. The key frames come with the last stretch and behind it, so that no sound
waits for them. `transcript` is the kept one as JSON, or null; the sound is then left out.
"""

FRAMES_SCHEMA = pa.schema([*READ_SCHEMA, *_SOUND, _TIMES, ("frame_vectors", pa.large_list(pa.float32()))])
"""EXTRACTED_SCHEMA with the frames replaced by their vectors, concatenated."""

TRANSCRIBED_SCHEMA = PART_SCHEMA.append(pa.field("known_vectors", pa.large_list(pa.float32())))
"""Parts of both collections. `known_vectors` are those of key frames, concatenated; null for passages."""
