"""Reads scanned pages with RapidOCR, whose package contains its models (PP-OCRv6): no network, one thread."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.pdf.columns import reading_order
from ingest.pdf.geometry import Box
from ingest.pdf.layout import Line, Paragraph, paragraph_of
from ingest.pdf.memory import check_memory

if TYPE_CHECKING:
    from pymupdf import Page

DPI = 150
"""Resolution of the image that is read: enough for 8-point print; a full page takes 7 to 20 s on one core."""

MAX_OCR_SIDE = 2000
"""Maximum pixels of the longer side, for pages larger than A3: RapidOCR itself scales larger images down to this."""

MIN_SIDE = 1000
"""Minimum pixels of the longer side: a scan may be on a page the size of a stamp."""

DETECTION_SIDE = 1000
"""Pixels of the longer side in which lines are only detected."""

LINE_HEIGHT = 48
"""Pixels of the height of a single line; the model for recognition takes 48."""

CLASSIFIED_HEIGHTS = 4
"""Width, in heights of a line, of its beginning that decides whether it is upside down. The classifier would squeeze
the whole line into this shape; of lines of print across a page, it then takes half for upside down."""

OCR_SAMPLE = 7
"""Number of lines that decide whether a page is upside down."""


@lru_cache(maxsize=1)
def _engine() -> Any:  # its result type depends on the arguments
    import cv2
    from rapidocr import RapidOCR
    from rapidocr.ch_ppocr_cls import TextClassifier

    squeezed = TextClassifier.resize_norm_img

    def beginning(classifier: Any, line: np.ndarray) -> np.ndarray:
        image: np.ndarray = squeezed(classifier, line[:, : CLASSIFIED_HEIGHTS * line.shape[0]])
        return image

    setattr(TextClassifier, "resize_norm_img", beginning)  # noqa: B010  a type checker does not let it be assigned
    cv2.setNumThreads(1)
    threads = {f"EngineConfig.onnxruntime.{name}_op_num_threads": 1 for name in ("intra", "inter")}
    # The lines of a batch are padded to the longest: one at a time takes 19 % less time for a page, with the same text.
    sizes = {"Global.max_side_len": MAX_OCR_SIDE, "Rec.rec_batch_num": 1}
    return RapidOCR(params={"Global.log_level": "critical", **sizes, **threads})


def ocr_page(page: Page, known: Iterable[Box] = ()) -> tuple[list[Paragraph], bool]:
    """Read a page by OCR and return its paragraphs in reading order; a page on its side or upside down is rotated.

    Coordinates are in points on the page after that rotation, and the second result says whether there was one. The
    font size of a line is its height.

    Args:
        page: the page.
        known: places that are not read, in points: reading the lines of a full page takes longer than finding them.

    Raises:
        MemoryError: there is not enough memory for the image or the models.
    """
    try:
        scale = _scale(page)
        image = _render(page, scale)
        for box in known:
            x0, y0, x1, y1 = (round(scale * side) for side in box)
            place = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
            if place.size:
                place[:] = np.median(place, axis=(0, 1))
        lines, turned = _lines(image, scale)
        return reading_order(_paragraphs(lines))[0], turned
    except Exception as error:
        check_memory(error)
        raise


def detect_lines(page: Page) -> list[Box]:
    """Find the lines of text on a page without reading them: boxes in points.

    Raises:
        MemoryError: there is not enough memory for the image or the model.
    """
    try:
        scale = DETECTION_SIDE / max(page.rect.width, page.rect.height, 1)
        found = _engine()(_render(page, scale), use_det=True, use_cls=False, use_rec=False)
    except Exception as error:
        check_memory(error)
        raise
    return [] if found.boxes is None else [(*box,) for box in (_bounds(found.boxes) / scale).tolist()]


def read_line(page: Page, bbox: Box) -> str:
    """Read an upright line of text at a place of a page.

    Raises:
        MemoryError: there is not enough memory for the image or the model.
    """
    try:
        scale = LINE_HEIGHT / max(bbox[3] - bbox[1], 1)
        found = _engine()(_render(page, scale, bbox), use_det=False, use_cls=False, use_rec=True)
    except Exception as error:
        check_memory(error)
        raise
    return "".join(found.txts or ())


def _bounds(corners: Any) -> np.ndarray:
    """Convert four corners to x0, y0, x1, y1."""
    points = np.asarray(corners, float).reshape(-1, 4, 2)
    return np.concatenate([points.min(1), points.max(1)], 1)


def _scale(page: Page) -> float:
    """Pixels per point."""
    side = max(page.rect.width, page.rect.height, 1)
    return min(max(DPI / 72, MIN_SIDE / side), MAX_OCR_SIDE / side)


def _render(page: Page, scale: float, clip: Box | None = None) -> np.ndarray:
    """Render a page or a part of it as uint8 BGR of shape (height, width, 3)."""
    import pymupdf

    image = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csRGB, alpha=False, clip=clip)
    pixels = np.frombuffer(image.samples, np.uint8).reshape(image.h, image.w, 3)
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _recognise(image: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Recognise lines: boxes of shape (n, 4) as x0, y0, x1, y1 in pixels, and the n texts."""
    found = _engine()(image, use_det=True, use_cls=True, use_rec=True)
    if found.boxes is None or not found.txts:
        return np.empty((0, 4)), []
    return _bounds(found.boxes), list(found.txts)


def _upside_down(image: np.ndarray, boxes: np.ndarray, turn: int) -> bool:
    """Whether most of the longest lines are upside down after `turn` counter-clockwise quarter turns."""
    lengths = (boxes[:, 2:] - boxes[:, :2]).max(1)
    votes = []
    for x0, y0, x1, y1 in boxes[np.argsort(-lengths)[:OCR_SAMPLE]].round().astype(int):
        line = np.ascontiguousarray(np.rot90(image[max(y0, 0) : y1, max(x0, 0) : x1], turn))
        if line.size:
            seen = _engine()(line, use_det=False, use_cls=True, use_rec=False)
            votes += [label == "180" for label, _ in seen.cls_res]
    return sum(votes) * 2 > len(votes)


def _lines(image: np.ndarray, scale: float) -> tuple[list[Line], bool]:
    """Return the lines of an image, and whether it had to be turned."""
    boxes, texts = _recognise(image)
    turned = False
    if not texts:
        return [], turned
    sizes = boxes[:, 2:] - boxes[:, :2]
    long = np.array([len(text) > 2 for text in texts])
    sideways = (sizes[:, 1] > 1.5 * sizes[:, 0]) & long
    if 2 * sideways.sum() > long.sum():
        turn = -1 if _upside_down(image, boxes[sideways], 1) else 1
        image = np.ascontiguousarray(np.rot90(image, turn))
        boxes, texts = _recognise(image)
        turned = True
    elif _upside_down(image, boxes, 0):  # RapidOCR turned each line before it read it; only the positions are wrong
        height, width = image.shape[:2]
        boxes = np.array([width, height, width, height]) - boxes[:, [2, 3, 0, 1]]
        turned = True
    boxes = boxes / scale
    return [
        Line(x0, y0, x1, y1, text, y1 - y0, False) for (x0, y0, x1, y1), text in zip(boxes.tolist(), texts, strict=True)
    ], turned


def _paragraphs(lines: list[Line]) -> list[Paragraph]:
    """Group lines into paragraphs: same column, same size, and less than one line height apart."""
    paragraphs: list[list[Line]] = []
    for line in _rows(lines):
        for paragraph in reversed(paragraphs):
            last = paragraph[-1]
            height = min(last.size, line.size)
            if (
                -0.5 * height < line.y0 - last.y1 < 0.8 * height
                and min(last.x1, line.x1) - max(last.x0, line.x0) > 0.5 * min(last.x1 - last.x0, line.x1 - line.x0)
                and max(last.size, line.size) < 1.6 * height
            ):
                paragraph.append(line)
                break
        else:
            paragraphs.append([line])
    return [paragraph_of(paragraph) for paragraph in paragraphs]


def _rows(lines: list[Line]) -> list[Line]:
    """Sort lines from top to bottom, and join the pieces of a line that the text detector split."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: (line.y0 + line.y1) / 2):
        if rows and (line.y0 + line.y1) / 2 - (rows[-1][0].y0 + rows[-1][0].y1) / 2 < 0.5 * min(
            line.size, rows[-1][0].size
        ):
            rows[-1].append(line)
        else:
            rows.append([line])
    joined: list[Line] = []
    for row in rows:
        row.sort()
        for index, line in enumerate(row):
            last = joined[-1] if index else None
            if last is not None and line.x0 - last.x1 < 1.5 * min(line.size, last.size):
                text = f"{last.text} {line.text}"
                joined[-1] = Line(
                    last.x0, min(last.y0, line.y0), max(last.x1, line.x1), max(last.y1, line.y1), text, last.size, False
                )
            else:
                joined.append(line)
    return joined
