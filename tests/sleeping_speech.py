"""A speech model that only takes its time, for clusters with more CPUs than the machine has."""

import os
import time
from pathlib import Path

import pyarrow as pa

from ingest.common.speech import SAMPLE_RATE, Language, Segment
from ingest.models import transcriber
from ingest.stages.media_tables import FRAMES_SCHEMA
from ingest.stages.transcribe import Transcribe


class SleepingTranscriber:
    """Sleeps as long as speech takes that is transcribed `rate` times as fast as it is spoken, and notes when."""

    rate, notes = 1.0, ""

    def __init__(self, *_):
        pass

    def known_language(self, _):
        return Language("en", 1.0)

    def transcribe_stretch(self, stretch, sound, language):
        began = time.time()
        time.sleep(sum(clip.end - clip.start for clip in stretch.clips) / SAMPLE_RATE / self.rate)
        with Path(self.notes, str(os.getpid())).open("a") as file:
            print(began, time.time(), file=file)
        return [Segment(stretch.begin / SAMPLE_RATE, stretch.end / SAMPLE_RATE, f"Stretch {stretch.number}.")]


class SleepingTranscribe(Transcribe):
    """The actor with that model."""

    def __init__(self, rate, notes, **arguments):
        SleepingTranscriber.rate, SleepingTranscriber.notes = rate, notes
        transcriber.Transcriber = SleepingTranscriber
        super().__init__(**arguments)
        Path(notes, str(os.getpid())).write_text(f"{time.time()}\n")  # it is ready


class NoFrames:
    """The actor for the frames of recordings that have none."""

    def __init__(self, **_):
        pass

    def __call__(self, table):
        field = FRAMES_SCHEMA.field("frame_vectors")
        vectors = pa.array([[]] * len(table), field.type)
        return table.append_column(field, vectors).select(FRAMES_SCHEMA.names)
