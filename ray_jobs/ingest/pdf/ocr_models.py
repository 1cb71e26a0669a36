"""The models of OCR: where lines of text stand, which of them are upside down, and what they say.

RapidOCR's package contains them (PP-OCRv6): no network. A process has them itself, or asks the one around its sandbox.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np

from ingest.common.cpu_inference import core, settings
from ingest.common.errors import ConfigurationError
from ingest.common.gpu_memory import AdaptiveBatches
from ingest.common.sandbox_child import ask_parent, memory_unlimited, parent_answers
from ingest.pdf.long_pages import MAX_OCR_SIDE

LINE_HEIGHT = 48
"""Pixels of the height of a line, as the model for recognition takes it."""

WIDTH_STEP = 64
"""Lines are padded to a multiple of so many pixels, and read in order of their width: OpenVINO prepares anew for a
width that is not that of the last one, which takes 18 of the 78 ms of a line of middling length."""

LONGEST_LINE = 250 * LINE_HEIGHT
"""Pixels of the width that longer lines are squeezed to: they are less than 8 pixels high, and no text."""

ELONGATED, PADDED = 8, 4
"""Ratio of the sides from which on an image is padded before detection, and the ratio that it gets. The model wants at
least 736 pixels of the shorter side: a strip of 2,000 x 40 pixels would become one of 36,800 x 736, which takes
gigabytes. RapidOCR pads wide images alike, but not high ones, and enlarges those of less than 30 pixels before that."""

MAX_LINES = 10_000
"""The most lines of a part of a page that are read: of a table, its cells. RapidOCR reads 1,000 and leaves out others
without a word. Each of 10,000 has 20 x 20 of four million pixels, in which no word can be read."""

WEIGHT_BYTES = 30_000_000
"""Size of the models."""

CUDA = "CUDAExecutionProvider"
"""ONNX Runtime's name for GPUs of NVIDIA."""

_BLANK = np.full((64, 320, 3), 255, np.uint8)


class OcrModels(Protocol):
    """All images are uint8 BGR of shape (height, width, 3)."""

    def detect(self, image: np.ndarray) -> np.ndarray | None:
        """The corners of the lines on an image, float32 of shape (lines, 4, 2), in pixels; None if there are none."""

    def upside_down(self, pieces: Sequence[np.ndarray]) -> list[bool]:
        """Whether each image of a line is upside down."""

    def recognise(self, pieces: Sequence[np.ndarray]) -> tuple[list[str], list[float]]:
        """The texts of images of upright lines, at least one, of any size, and how sure each is, from 0 to 1."""


class RapidModels:
    """The models in this process. Not thread-safe.

    Args:
        device: "cpu", or "cuda" for ONNX Runtime on a GPU.
        threads: CPU threads beside a GPU. Without one there is one, as more would add the same numbers up in another
            order.
        batch_size: the most lines of a forward pass on a GPU, padded to the longest, which changes some letters. On
            CPUs, one line at a time takes less time for a page.

    Raises:
        ConfigurationError: ONNX Runtime finds no GPU.
    """

    def __init__(self, device: str = "cpu", threads: int = 1, batch_size: int = 1) -> None:
        import cv2
        from rapidocr import EngineType

        cv2.setNumThreads(1)
        self._on_cpu = device == "cpu"
        batch_size = 1 if self._on_cpu else batch_size
        self._batches = AdaptiveBatches(batch_size)
        params = {
            "Global.log_level": "critical",
            "Global.max_side_len": MAX_OCR_SIDE,
            "Det.max_candidates": MAX_LINES,
            "Rec.rec_batch_num": batch_size,
        }
        kind = _prepare_openvino() if self._on_cpu else _prepare_cuda(threads, params)
        engines = {f"{part}.engine_type": EngineType(kind) for part in ("Det", "Cls", "Rec")}
        self._params = {**params, **engines}

    def load(self) -> None:
        """Load the models, which else the first image does.

        Raises:
            ConfigurationError: they are not on the GPU that they are for.
        """
        self.detect(_BLANK)
        self.upside_down([_BLANK])
        self.recognise([_BLANK])
        # ONNX Runtime goes on with the CPU where a library of CUDA is missing.
        if not self._on_cpu and CUDA not in self._engine.text_rec.session.session.get_providers():
            raise ConfigurationError(
                "the stage 'ocr' requests GPUs, but ONNX Runtime cannot use them on this node; see that its version of "
                "CUDA and cuDNN is there, or leave gpus out of --resources for ocr"
            )

    def detect(self, image: np.ndarray) -> np.ndarray | None:
        """See `OcrModels`."""
        with self._sound_engine() as engine:
            found = engine(_not_elongated(image), use_det=True, use_cls=False, use_rec=False)
            if self._on_cpu:
                # The detection has taken a gigabyte for a page of usual size, which the process would keep.
                engine.text_det.session.session.get_compiled_model().release_memory()
        return None if found.boxes is None else _within(np.asarray(found.boxes, np.float32), image)

    def upside_down(self, pieces: Sequence[np.ndarray]) -> list[bool]:
        """See `OcrModels`."""
        with self._sound_engine() as engine:
            _, found = engine.cls_and_rotate(list(pieces))
        return [label == "180" for label, _ in found.cls_res]

    def recognise(self, pieces: Sequence[np.ndarray]) -> tuple[list[str], list[float]]:
        """See `OcrModels`."""
        pieces = [_of_few_widths(piece) for piece in pieces]
        # Lines of one length need no further padding.
        order = sorted(range(len(pieces)), key=lambda number: pieces[number].shape[1])
        texts, scores = [""] * len(pieces), [0.0] * len(pieces)

        with self._sound_engine() as engine:

            def recognised(part: slice) -> Any:
                return engine.recognize_txt([pieces[number] for number in order[part]])

            # RapidOCR itself reads one line at a time on CPUs, where no GPU can be short of memory.
            every = slice(0, len(order))
            parts = [(every, recognised(every))] if self._on_cpu else self._batches.map(recognised, len(order))
            for part, found in parts:
                for number, text, score in zip(order[part], found.txts, found.scores, strict=True):
                    texts[number], scores[number] = text.strip(), float(score)
        return texts, scores

    @cached_property
    def _engine(self) -> Any:  # the type of its results depends on the arguments
        from rapidocr import RapidOCR

        return RapidOCR(params=self._params)

    @contextmanager
    def _sound_engine(self) -> Iterator[Any]:
        """The engine, which is made anew after an error: OpenVINO then gave the lines of an earlier page.

        Short of memory, OpenVINO gives them even without an error, or none; the sides of images bound what it needs.
        """
        try:
            with memory_unlimited():
                yield self._engine
        except Exception:
            self.__dict__.pop("_engine", None)
            raise


class AskedModels:
    """The models of the process around this one's sandbox."""

    def detect(self, image: np.ndarray) -> np.ndarray | None:
        """See `OcrModels`."""
        return _asked("detect", image)

    def upside_down(self, pieces: Sequence[np.ndarray]) -> list[bool]:
        """See `OcrModels`."""
        return _asked("upside_down", list(pieces))

    def recognise(self, pieces: Sequence[np.ndarray]) -> tuple[list[str], list[float]]:
        """See `OcrModels`."""
        return _asked("recognise", list(pieces))


def _asked(method: str, images: Any) -> Any:
    found = ask_parent(method, images)
    if isinstance(found, Exception):
        raise found
    return found


def models() -> OcrModels:
    """Those of the process around this one's sandbox, if it answers questions, or else of this one."""
    return AskedModels() if parent_answers() else _own()


@lru_cache(maxsize=1)
def _own() -> RapidModels:
    with memory_unlimited():  # the imports take hundreds of megabytes of addresses
        return RapidModels()


def _not_elongated(image: np.ndarray) -> np.ndarray:
    """Pad an image at its right or its bottom with its median colour if it is elongated."""
    height, width = image.shape[:2]
    if max(height, width) <= ELONGATED * min(height, width):
        return image
    sides = max(height, math.ceil(width / PADDED)), max(width, math.ceil(height / PADDED))
    padded = np.empty((*sides, 3), np.uint8)
    padded[:] = np.median(image, axis=(0, 1))
    padded[:height, :width] = image
    return padded


def _within(corners: np.ndarray, image: np.ndarray) -> np.ndarray | None:
    """The corners of the lines, none of which is beyond the image; None if no line is on it."""
    height, width = image.shape[:2]
    corners = np.minimum(corners, np.array([width, height], np.float32))
    extents = corners.max(1) - corners.min(1)
    corners = corners[(extents >= 1).all(1)]
    return corners if len(corners) else None


def _of_few_widths(piece: np.ndarray) -> np.ndarray:
    """The image of a line as the model takes it, padded with grey, which is 0 there, as RapidOCR pads shorter lines."""
    import cv2

    height, width = piece.shape[:2]
    width = min(max(1, math.ceil(LINE_HEIGHT * width / height)), LONGEST_LINE)
    padded = np.full((LINE_HEIGHT, math.ceil(width / WIDTH_STEP) * WIDTH_STEP, 3), 127, np.uint8)
    padded[:, :width] = cv2.resize(piece, (width, LINE_HEIGHT))
    return padded


def _prepare_openvino() -> str:
    """Let RapidOCR compute with OpenVINO, as this process shares it; returns the name of the engine."""
    import rapidocr.inference_engine.openvino.main as runtime

    # OpenVINO would keep what it prepares for each width of a line and each size of a page: half a gigabyte after 36
    # pages, and a parser has 4 GB of addresses. It would save 3 % of the time of a page.
    core().set_property("CPU", settings(threads=1) | {"CPU_RUNTIME_CACHE_CAPACITY": 0})
    # RapidOCR would leave the precision to the CPU, but a page must have the same texts on every node.
    runtime.Core = core
    return "openvino"


def _prepare_cuda(threads: int, params: dict[str, Any]) -> str:
    """Let RapidOCR compute on a GPU with ONNX Runtime; returns the name of the engine."""
    import onnxruntime

    if CUDA not in onnxruntime.get_available_providers():
        raise ConfigurationError(
            "the stage 'ocr' requests GPUs, but ONNX Runtime has no support for them on this node; install "
            "onnxruntime-gpu in place of onnxruntime there, or leave gpus out of --resources for ocr"
        )
    onnxruntime.preload_dlls()  # the libraries of CUDA that torch's packages contain
    params["EngineConfig.onnxruntime.use_cuda"] = True
    params["EngineConfig.onnxruntime.intra_op_num_threads"] = threads
    # Each length of a line is a new shape, for which the exhaustive search, its default, tries all algorithms.
    params["EngineConfig.onnxruntime.cuda_ep_cfg.cudnn_conv_algo_search"] = "HEURISTIC"
    return "onnxruntime"
