"""The stages of the video pipeline before the text model, one call after the other, without Ray."""

import pickle
from typing import ClassVar

import numpy as np
import pyarrow as pa

from ingest.common.limits import Limits
from ingest.common.speech import SAMPLE_RATE, Language, Segment
from ingest.media.extraction import MediaSettings
from ingest.models.transcriber import Transcript
from ingest.stages.gathering import StretchCollector, StretchCollectorClient
from ingest.stages.media_tables import FRAMES_SCHEMA
from ingest.stages.transcribe import PassageSettings, Transcribe
from ingest.stages.videos import ExtractSettings, extract_media
from ingest.store.local_files import file_version
from ingest.store.object_reading import ReadSettings
from long_pdf import tokenizer_json

WINDOW = 6 * SAMPLE_RATE


class Local(StretchCollectorClient):
    """A client of a collector in this process."""

    def __init__(self):
        super().__init__(StretchCollector())

    def _call(self, method, *args):
        return pickle.loads(pickle.dumps(getattr(self._actor, method)(*pickle.loads(pickle.dumps(args)))))


class Observed:
    """The items of each stage."""

    def __init__(self):
        self.items = {}

    def __call__(self, stage, items, _):
        self.items[stage] = self.items.get(stage, 0) + items


def entry(path):
    size = path.stat().st_size
    return {
        "source": f"file://{path}",
        "version": file_version(path.stat()),
        "size": size,
        "attempts": 0,
        "change": "new",
    }


def extracted(path, division, collector, observed=None, cache=None, limits=None):
    block = pa.Table.from_pylist([entry(path)])
    settings = ExtractSettings(MediaSettings(image_size=32), ReadSettings(), limits or Limits(), division, cache)
    return list(extract_media(block, settings, observed or Observed(), collector))


def seen(table):
    """The table with vectors of two dimensions for its frames."""
    frames = [np.frombuffer(frame.as_buffer(), np.uint8).reshape(-1, 32, 32, 3) for frame in table["frames"]]
    vectors = [[float(value) for frame in own for value in (frame.mean(), frame.std())] for own in frames]
    field = FRAMES_SCHEMA.field("frame_vectors")
    return table.append_column(field, pa.array(vectors, field.type)).select(FRAMES_SCHEMA.names)


def stage(model, collector, observed=None, cache=None, before=None, language=""):
    settings = PassageSettings(language, 20, 10.0, tokenizer_json())
    return Transcribe(model, settings, 2, 8, "cpu", observed or Observed(), before, collector, cache)


def transcribed(actors, tables):
    """The rows that actors make of tables, one after the other."""
    found = [actors[index % len(actors)](seen(table)) for index, table in enumerate(tables)]
    return [row for table in found for row in table.to_pylist()]


def text(rows):
    assert not any(row["error_type"] for row in rows)
    return " ".join(text for row in rows for text in row["texts"])


class Numbers:
    """Stands in for the model, and says the number of each stretch."""

    broken: ClassVar[set[int]] = set()

    def __init__(self, *_):
        pass

    def known_language(self, _):
        return Language("en", 1.0)

    def transcribe(self, *_):
        return Transcript([Segment(0.0, 1.0, "All of it.")], "en", 1.0)

    def transcribe_stretch(self, stretch, sound, language):
        if stretch.number in self.broken:
            raise RuntimeError("the model has a bad day")
        assert len(sound) == (stretch.clips[-1].end - stretch.clips[0].start if stretch.clips else 0)
        return [Segment(stretch.begin / SAMPLE_RATE, stretch.end / SAMPLE_RATE, f"Stretch {stretch.number}.")]
