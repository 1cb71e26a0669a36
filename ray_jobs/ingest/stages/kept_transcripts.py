"""Transcripts as tables for the parse cache, and back; and as JSON between stages."""

from __future__ import annotations

import json
from dataclasses import asdict

import pyarrow as pa

from ingest.common.speech import Segment
from ingest.models.transcriber import Transcript

SEGMENTS_SCHEMA = pa.schema(
    [
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("text", pa.string()),
        ("offsets", pa.list_(pa.int32())),
        ("starts", pa.list_(pa.float64())),
    ]
)
"""A segment in each row, with its times in seconds, and the offsets and starts of its words. The language and its
probability are in the schema's metadata. Tables that were kept before there were times of words lack those."""


def transcript_table(transcript: Transcript) -> pa.Table:
    """A transcript as a table of SEGMENTS_SCHEMA."""
    rows = [
        {
            "start": segment.start,
            "end": segment.end,
            "text": segment.text,
            "offsets": [at for at, _ in segment.words],
            "starts": [start for _, start in segment.words],
        }
        for segment in transcript.segments
    ]
    spoken = json.dumps([transcript.language, transcript.probability])
    return pa.Table.from_pylist(rows, SEGMENTS_SCHEMA.with_metadata({"spoken": spoken}))


def transcript_of(table: pa.Table) -> Transcript:
    """The transcript in a table that `transcript_table` made."""
    language, probability = json.loads(table.schema.metadata[b"spoken"])
    segments = [
        Segment(
            row["start"],
            row["end"],
            row["text"],
            tuple(zip(row.get("offsets") or (), row.get("starts") or (), strict=True)),
        )
        for row in table.to_pylist()
    ]
    return Transcript(segments, language, probability)


def transcript_json(table: pa.Table) -> str:
    """The transcript in a table that `transcript_table` made, as JSON."""
    return json.dumps(asdict(transcript_of(table)))


def transcript_of_json(text: str) -> Transcript:
    """The transcript of which `transcript_json` returned the text."""
    fields = json.loads(text)
    segments = [
        Segment(found["start"], found["end"], found["text"], tuple((at, start) for at, start in found["words"]))
        for found in fields["segments"]
    ]
    return Transcript(segments, fields["language"], fields["probability"])
