"""The work on a PDF: its chunks of text, and their vectors."""

import numpy as np
import pymupdf
from job import BATCH, CHUNK_TOKENS, Job
from semantic_text_splitter import TextSplitter
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

DIMENSION = 384
FILES_PER_CALL = 1
READER_HAS_MODEL = False


class Reader:
    """The chunks of a PDF."""

    def __init__(self, job: Job) -> None:
        self._splitter = splitter(job.text_model)

    def __call__(self, data: bytes) -> list[str]:
        with pymupdf.open(stream=data, filetype="pdf") as document:
            return [chunk for page in document for chunk in self._splitter.chunks(page.get_text())]


class Model:
    """The vectors of chunks."""

    def __init__(self, job: Job) -> None:
        self._model = SentenceTransformer(job.text_model, device="cpu")

    def __call__(self, texts: list[str]) -> np.ndarray:
        return self._model.encode(texts, batch_size=BATCH, normalize_embeddings=True)


def splitter(model: str) -> TextSplitter:
    """A splitter that counts the tokens of a text model, however long the text."""
    tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return TextSplitter.from_huggingface_tokenizer(tokenizer, CHUNK_TOKENS)
