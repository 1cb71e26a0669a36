"""Read a page that is a picture with RapidOCR, whose models (PP-OCRv6) are in its package: no network, one thread."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.pdf.columns import reading_order
from ingest.pdf.layout import Line, Paragraph, bounded
from ingest.pdf.reader import check_memory

if TYPE_CHECKING:
    from pymupdf import Page

DPI = 150
"""Of the picture that is read: enough for print of 8 points, and 3.6 s for a full page on two cores."""

MAX_SIDE = 2000
"""Pixels of the longer side, on pages larger than A3: RapidOCR itself scales what is larger down to this."""

MIN_SIDE = 1000
"""Pixels of the longer side: a scan may be put on a page the size of a stamp."""

SAMPLE = 7
"""Lines that are asked which way is up."""


@lru_cache(maxsize=1)
def _engine() -> Any:  # each way to call it has a result of its own
    import cv2
    from rapidocr import RapidOCR

    cv2.setNumThreads(1)
    threads = {f"EngineConfig.onnxruntime.{name}_op_num_threads": 1 for name in ("intra", "inter")}
    return RapidOCR(params={"Global.log_level": "critical", "Global.max_side_len": MAX_SIDE, **threads})


def read_picture(page: Page) -> list[Paragraph]:
    """What a page shows, in reading order; a page that lies on its side or stands on its head is turned.

    Coordinates are in points, of the turned page. The size of a line is its height.

    Raises:
        MemoryError: there is not enough for the picture or the models.
    """
    try:
        scale = _scale(page)
        return reading_order(_paragraphs(_lines(_render(page, scale), scale)))[0]
    except Exception as error:
        check_memory(error)
        raise


def _scale(page: Page) -> float:
    """Pixels per point."""
    side = max(page.rect.width, page.rect.height, 1)
    return min(max(DPI / 72, MIN_SIDE / side), MAX_SIDE / side)


def _render(page: Page, scale: float) -> np.ndarray:
    """The page as uint8 BGR of shape (height, width, 3)."""
    import pymupdf

    picture = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csRGB, alpha=False)
    pixels = np.frombuffer(picture.samples, np.uint8).reshape(picture.h, picture.w, 3)
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _read(picture: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Boxes of shape (n, 4) as x0, y0, x1, y1 in pixels, and the n texts."""
    found = _engine()(picture, use_det=True, use_cls=True, use_rec=True)
    if found.boxes is None or not found.txts:
        return np.empty((0, 4)), []
    corners = np.asarray(found.boxes, float).reshape(-1, 4, 2)
    return np.concatenate([corners.min(1), corners.max(1)], 1), list(found.txts)


def _upside_down(picture: np.ndarray, boxes: np.ndarray, turn: int) -> bool:
    """Whether most of the longest lines stand on their head, after so many quarter turns against the clock."""
    lengths = (boxes[:, 2:] - boxes[:, :2]).max(1)
    votes = []
    for x0, y0, x1, y1 in boxes[np.argsort(-lengths)[:SAMPLE]].round().astype(int):
        line = np.ascontiguousarray(np.rot90(picture[max(y0, 0) : y1, max(x0, 0) : x1], turn))
        if line.size:
            seen = _engine()(line, use_det=False, use_cls=True, use_rec=False)
            votes += [label == "180" for label, _ in seen.cls_res]
    return sum(votes) * 2 > len(votes)


def _lines(picture: np.ndarray, scale: float) -> list[Line]:
    boxes, texts = _read(picture)
    if not texts:
        return []
    sizes = boxes[:, 2:] - boxes[:, :2]
    long = np.array([len(text) > 2 for text in texts])
    sideways = (sizes[:, 1] > 1.5 * sizes[:, 0]) & long
    if 2 * sideways.sum() > long.sum():
        turn = -1 if _upside_down(picture, boxes[sideways], 1) else 1
        picture = np.ascontiguousarray(np.rot90(picture, turn))
        boxes, texts = _read(picture)
    elif _upside_down(picture, boxes, 0):  # each line was turned before it was read; only its place is wrong
        height, width = picture.shape[:2]
        boxes = np.array([width, height, width, height]) - boxes[:, [2, 3, 0, 1]]
    boxes = boxes / scale
    return [
        Line(x0, y0, x1, y1, text, y1 - y0, False) for (x0, y0, x1, y1), text in zip(boxes.tolist(), texts, strict=True)
    ]


def _paragraphs(lines: list[Line]) -> list[Paragraph]:
    """Lines to paragraphs: what continues in the same column, less than a line's height below, of the same size."""
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
    return [bounded(paragraph) for paragraph in paragraphs]


def _rows(lines: list[Line]) -> list[Line]:
    """From top to bottom; pieces of one line that the detector parted are joined."""
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
