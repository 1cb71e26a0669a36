"""Transcripts as tables for the parse cache, and back; and as JSON between stages."""

from __future__ import annotations

import json
from dataclasses import asdict

import pyarrow as pa

from ingest.common.speech import Segment
from ingest.models.transcriber import Transcript

SEGMENTS_SCHEMA = pa.schema([("start", pa.float64()), ("end", pa.float64()), ("text", pa.string())])
"""A segment in each row, with its times in seconds. The language and its probability are in the schema's metadata."""


def transcript_table(transcript: Transcript) -> pa.Table:
    """A transcript as a table of SEGMENTS_SCHEMA."""
    rows = [{"start": segment.start, "end": segment.end, "text": segment.text} for segment in transcript.segments]
    spoken = json.dumps([transcript.language, transcript.probability])
    return pa.Table.from_pylist(rows, SEGMENTS_SCHEMA.with_metadata({"spoken": spoken}))


def transcript_of(table: pa.Table) -> Transcript:
    """The transcript in a table that `transcript_table` made."""
    language, probability = json.loads(table.schema.metadata[b"spoken"])
    return Transcript([Segment(**row) for row in table.to_pylist()], language, probability)


def transcript_json(table: pa.Table) -> str:
    """The transcript in a table that `transcript_table` made, as JSON."""
    return json.dumps(asdict(transcript_of(table)))


def transcript_of_json(text: str) -> Transcript:
    """The transcript of which `transcript_json` returned the text."""
    fields = json.loads(text)
    return Transcript([Segment(**segment) for segment in fields["segments"]], fields["language"], fields["probability"])
