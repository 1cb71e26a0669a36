"""The work on a recording: its words in chunks, and their vectors."""

import io

from faster_whisper import WhisperModel
from job import Job
from work_pdfs import DIMENSION, FILES_PER_CALL, Model, splitter

__all__ = ["DIMENSION", "FILES_PER_CALL", "READER_HAS_MODEL", "Model", "Reader"]

READER_HAS_MODEL = True


class Reader:
    """The chunks of what is said in a recording."""

    def __init__(self, job: Job) -> None:
        self._model = WhisperModel(job.whisper_model, device="cpu", compute_type="int8")
        self._splitter = splitter(job.text_model)

    def __call__(self, data: bytes) -> list[str]:
        segments, _ = self._model.transcribe(io.BytesIO(data), beam_size=5)
        return self._splitter.chunks("".join(segment.text for segment in segments))
