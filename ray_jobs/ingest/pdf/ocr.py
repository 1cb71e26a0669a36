"""Reads scanned pages by OCR: `ocr_models` finds and reads the lines, which become paragraphs here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from ingest.common.sandbox_child import report_progress
from ingest.pdf.column_tables import rows_of_columns
from ingest.pdf.columns import reading_order
from ingest.pdf.geometry import Box
from ingest.pdf.layout import Line, Paragraph
from ingest.pdf.long_pages import LONG, MAX_OCR_SIDE, largest_scale, stretches
from ingest.pdf.memory import check_memory
from ingest.pdf.ocr_lines import Slant, levelled, paragraphs_of
from ingest.pdf.ocr_models import LINE_HEIGHT, models
from ingest.pdf.rendering import render

if TYPE_CHECKING:
    from pymupdf import Page

DPI = 150
"""Resolution of the image that is read: enough for 8-point print; 36 scans of the corpus took 3 s of a core a page."""

MIN_SIDE = 1000
"""Minimum pixels of the longer side: a scan may be on a page the size of a stamp."""

LEGIBLE_HEIGHT = 20
"""Pixels of the box of a line, which is higher than its letters, from which on its text is read well."""

DETECTION_SIDE = 1000
"""Pixels of the longer side in which lines are only detected."""

LENGTH_AT_ONCE = 3000
"""Length of lines, in their heights, after whose reading the time limit begins anew. A dense line is 30 heights long
and takes a quarter of a second on one core; a long page has thousands, and a banner some of 250 heights."""

OCR_SAMPLE = 7
"""Number of lines that decide whether a page is upside down, and whether it is legible."""

CLASSIFIED = 4
"""Ratio of width to height of the images that the classifier for upside-down lines takes; it squeezes longer ones."""

ELONGATED = 1.5
"""Ratio of the sides from which on a box shows the direction of its text."""

MIN_SCORE, MIN_SURE = 0.5, 0.8
"""Scores of a text below which it is none, as in RapidOCR, and below which its line is read upside down, too."""


def ocr_page(page: Page, known: Iterable[Box] = (), least: float = MIN_SCORE) -> tuple[list[Paragraph], bool]:
    """Read a page by OCR and return its paragraphs in reading order; a page on its side or upside down is rotated.

    Coordinates are in points on the page after that rotation, and the second result says whether there was one. The
    font size of a line is its height.

    Args:
        page: the page.
        known: places that are not read, in points: reading the lines of a full page takes longer than finding them.
        least: minimum score of a line.

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
        lines, turned, slant = _lines(image, scale, least)
        paragraphs = rows_of_columns(reading_order(paragraphs_of(lines))[0])
        return paragraphs if slant is None else slant.paragraphs(paragraphs), turned
    except Exception as error:
        check_memory(error)
        raise


def detect_lines(page: Page) -> list[Box]:
    """Find the lines of text on a page without reading them: boxes in points.

    Raises:
        MemoryError: there is not enough memory for the image or the model.
    """
    try:
        scale = largest_scale(page.rect.width, page.rect.height) * DETECTION_SIDE / MAX_OCR_SIDE
        corners = _corners(_render(page, scale))
    except Exception as error:
        check_memory(error)
        raise
    return [] if corners is None else [(*box,) for box in (_bounds(corners) / scale).tolist()]


def read_line(page: Page, bbox: Box) -> str:
    """Read an upright line of text at a place of a page.

    Raises:
        MemoryError: there is not enough memory for the image or the model.
    """
    try:
        scale = LINE_HEIGHT / max(bbox[3] - bbox[1], 1)
        return models().recognise([_render(page, scale, bbox)])[0][0]
    except Exception as error:
        check_memory(error)
        raise


def _bounds(corners: np.ndarray) -> np.ndarray:
    """Convert four corners to x0, y0, x1, y1."""
    points = corners.astype(float)
    return np.concatenate([points.min(1), points.max(1)], 1)


def _scale(page: Page) -> float:
    """Pixels per point."""
    width, height = page.rect.width, page.rect.height
    usual, whole = max(DPI / 72, MIN_SIDE / max(width, height, 1)), MAX_OCR_SIDE / max(width, height, 1)
    if width > LONG * height and usual > whole and _is_legible(page, whole):
        return whole
    return min(usual, largest_scale(width, height))


def _is_legible(page: Page, scale: float) -> bool:
    """Whether most lines of a page that is rendered with so many pixels per point are large enough and can be read."""
    from rapidocr.utils.process_img import get_rotate_crop_image

    image = _render(page, scale)
    corners = models().detect(image)
    report_progress()
    if corners is None or np.median(np.hypot(*(corners[:, 3] - corners[:, 0]).T)) < LEGIBLE_HEIGHT:
        return False
    # Several lines of tiny print are found as one.
    sample = corners[np.linspace(0, len(corners) - 1, OCR_SAMPLE, dtype=int)]
    _, scores = models().recognise([get_rotate_crop_image(image, box.copy()) for box in sample])
    return float(np.median(scores)) >= MIN_SURE


def _render(page: Page, scale: float, clip: Box | None = None) -> np.ndarray:
    """Render a page or a part of it as uint8 BGR of shape (height, width, 3)."""
    import pymupdf

    image = render(page, matrix=pymupdf.Matrix(scale, scale), colorspace=pymupdf.csRGB, alpha=False, clip=clip)
    pixels = np.frombuffer(image.samples, np.uint8).reshape(image.h, image.w, 3)
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _lines(image: np.ndarray, scale: float, least: float) -> tuple[list[Line], bool, Slant | None]:
    """Return the level lines of an image, whether it had to be turned, and the slant of the lines on it.

    RapidOCR's classifier takes many a long upright line for one that is upside down, so that all lines of a page have
    the direction of its majority. A line that is read badly is read the other way round as well.
    """
    from rapidocr.utils.process_img import get_rotate_crop_image

    corners = _corners(image)
    if corners is None:
        return [], False, None
    turns = int(_is_sideways(corners))
    if turns:
        image, corners = _turned(image, corners)
    pieces = [get_rotate_crop_image(image, box.copy()) for box in corners]
    if upside_down := _is_upside_down(pieces):
        pieces = [np.ascontiguousarray(piece[::-1, ::-1]) for piece in pieces]
    texts, turned = _read(pieces, least)
    corners, slant = levelled(corners)
    boxes = _bounds(corners)
    if upside_down != (2 * turned.sum() > len(texts)):
        height, width = image.shape[:2]
        boxes = np.array([width, height, width, height]) - boxes[:, [2, 3, 0, 1]]
        slant = slant and slant._replace(x=width - slant.x, y=height - slant.y)
        turns += 2
    boxes = boxes / scale
    found = [
        Line(x0, y0, x1, y1, text, y1 - y0, False, turns=turns)
        for (x0, y0, x1, y1), text in zip(boxes.tolist(), texts, strict=True)
        if text
    ]
    return found, turns > 0, slant and slant._replace(x=slant.x / scale, y=slant.y / scale)


def _corners(image: np.ndarray) -> np.ndarray | None:
    """What `OcrModels.detect` returns, for an image of any length."""
    found = []
    for part, place in stretches(image):
        corners = models().detect(part)
        report_progress()  # the length is bounded
        if corners is not None:
            found.append(corners + np.array(place, np.float32))
    return np.concatenate(found) if found else None


def _is_sideways(corners: np.ndarray) -> bool:
    """Whether most of the text, by its length, is in lines that are higher than wide."""
    sizes = _bounds(corners)
    width, height = (sizes[:, 2:] - sizes[:, :2]).T
    return bool(height[height > ELONGATED * width].sum() > width[width > ELONGATED * height].sum())


def _turned(image: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn an image, and the corners of the lines on it, by a counter-clockwise quarter turn."""
    moved = np.stack([corners[:, :, 1], image.shape[1] - corners[:, :, 0]], 2)
    # The corners begin at the upper left one, clockwise.
    return np.ascontiguousarray(np.rot90(image)), np.ascontiguousarray(np.roll(moved, -1, 1))


def _is_upside_down(pieces: list[np.ndarray]) -> bool:
    """Whether most of the longest lines are upside down, by the middle of each: a whole line is squeezed."""
    middles = []
    for piece in sorted(pieces, key=lambda piece: -piece.shape[1])[:OCR_SAMPLE]:
        height, width = piece.shape[:2]
        length = min(width, CLASSIFIED * height)
        middles.append(np.ascontiguousarray(piece[:, (width - length) // 2 :][:, :length]))
    return 2 * sum(models().upside_down(middles)) > len(middles)


def _read(pieces: list[np.ndarray], least: float) -> tuple[list[str], np.ndarray]:
    """Read images of lines: their texts, which may be "", and which ones are upside down, as bool of shape (n,)."""
    texts, scores = _recognised(pieces)
    turned = np.zeros(len(texts), bool)
    if doubtful := [number for number, score in enumerate(scores) if score < MIN_SURE]:
        others = [np.ascontiguousarray(pieces[number][::-1, ::-1]) for number in doubtful]
        for number, text, score in zip(doubtful, *_recognised(others), strict=True):
            if score > scores[number]:
                texts[number], scores[number], turned[number] = text, score, True
    return [text if score >= least else "" for text, score in zip(texts, scores, strict=True)], turned


def _recognised(pieces: list[np.ndarray]) -> tuple[list[str], list[float]]:
    """What `OcrModels.recognise` returns, for any number of lines."""
    texts: list[str] = []
    scores: list[float] = []
    start, length = 0, 0.0
    for end, piece in enumerate(pieces, 1):
        length += piece.shape[1] / piece.shape[0]
        if length >= LENGTH_AT_ONCE or end == len(pieces):
            found = models().recognise(pieces[start:end])
            texts += found[0]
            scores += found[1]
            start, length = end, 0.0
            report_progress()  # the lines are there already
    return texts, scores
