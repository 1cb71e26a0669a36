"""The tables between the stages of the video pipeline.

A recording of which the transcript is kept, or that is no longer than a window (`speech_windows`), is one row. Any
other has a row for each of its stretches, until these are put together again.
"""

from __future__ import annotations

import pyarrow as pa

from ingest.stages.blocks import READ_SCHEMA

_TIMES = pa.field("frame_times", pa.list_(pa.float64()))

_SOUND = [
    ("audio", pa.large_binary()),
    ("audio_start", pa.float64()),
    ("stretch", pa.string()),
    ("transcript", pa.string()),
]

EXTRACTED_SCHEMA = pa.schema([*READ_SCHEMA, *_SOUND, ("frames", pa.large_binary()), _TIMES])
"""An object's sound, 16 kHz mono int16; its key frames, uint8 RGB of shape (count, size, size, 3); and their times.

`stretch` is that of `speech_windows` as JSON: the sound is that of this stretch, and the key frames come with the last
one, so that no sound waits for them. It is null if the sound is whole. `transcript` is the kept one as JSON, or null;
the sound is then left out.
"""

FRAMES_SCHEMA = pa.schema([*READ_SCHEMA, *_SOUND, _TIMES, ("frame_vectors", pa.large_list(pa.float32()))])
"""EXTRACTED_SCHEMA with the frames replaced by their vectors, concatenated."""

TRANSCRIBED_SCHEMA = pa.schema(
    [
        *READ_SCHEMA,
        _TIMES,
        FRAMES_SCHEMA.field("frame_vectors"),
        ("fields", pa.list_(pa.string())),
        ("texts", pa.list_(pa.string())),
    ]
)
"""FRAMES_SCHEMA with the sound replaced by its passages, in the columns `fields` and `texts` of PART_SCHEMA."""
