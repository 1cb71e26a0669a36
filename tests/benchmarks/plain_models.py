"""What test_cpu_models.py calls in processes of one thread: the libraries' own calls, and OCR page by page."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 32
"""As the pipeline called `SentenceTransformer.encode` before it made batches by tokens."""


def prepare_sentences(model: str) -> None:
    global _model
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    _model = SentenceTransformer(model, device="cpu")
    _model.encode(["warm up"] * BATCH)


def encode(texts: list[str]) -> tuple[float, np.ndarray]:
    started = time.process_time()
    vectors = _model.encode(texts, batch_size=BATCH, normalize_embeddings=True)
    return time.process_time() - started, vectors


def prepare_rapidocr() -> None:
    global _model
    import cv2
    from rapidocr import RapidOCR

    cv2.setNumThreads(1)
    _model = RapidOCR(
        params={"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1}
    )  # fmt: skip
    _model(np.full((64, 320, 3), 255, np.uint8))


def prepare_ocr() -> None:
    from ingest.pdf.ocr_models import _own

    _own().load()


def read_by_rapidocr(file: Path) -> tuple[float, list[str]]:
    from ingest.pdf.ocr import _render, _scale

    def read(page: Any) -> str:
        return " ".join(_model(_render(page, _scale(page))).txts or ())

    return by_page(file, read)


def read_by_ocr(file: Path) -> tuple[float, list[str]]:
    from ingest.pdf.ocr import ocr_page

    return by_page(file, lambda page: " ".join(paragraph.text for paragraph in ocr_page(page)[0]))


def by_page(file: Path, read: Callable[[Any], str]) -> tuple[float, list[str]]:
    """CPU seconds of reading the pages of a file, and their texts."""
    import pymupdf

    started = time.process_time()
    with pymupdf.open(file) as document:
        texts = [read(page) for page in document]
    return time.process_time() - started, texts
