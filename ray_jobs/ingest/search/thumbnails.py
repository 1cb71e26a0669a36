"""Thumbnails of hits, for an HTML page or a terminal with colours."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingest.common.text import printable
from ingest.image.opening import open_picture, prepare_images
from ingest.image.picture import NO_LIMIT
from ingest.pdf.page_boxes import as_displayed
from ingest.pdf.rendering import render
from ingest.search.hits import FrameHit, Hit, ImageHit, PageHit, SpokenHit, shown_owner
from ingest.store.object_reading import object_file
from ingest.store.temporary_folder import temporary_folder

if TYPE_CHECKING:
    from PIL.Image import Image

THUMBNAIL_SIDE = 320
"""Pixels of a thumbnail's longer side."""

MARKER = (255, 224, 80)
"""Colour of the mark over the text of a hit, as a highlighter leaves it: black letters stay black."""

TERMINAL_COLUMNS = 32
"""Width in characters of a thumbnail in a terminal."""

UNPLACED = (
    "It was ingested before the places of texts were kept, so nothing is marked. A run with --full-refresh adds them."
)
"""What the page of answers says of a hit without boxes."""

_JPEG_URI = "data:image/jpeg;base64,"


def thumbnail(hit: Hit) -> Image | None:
    """A thumbnail of the hit; None if it has no picture or its object is gone."""
    try:
        with temporary_folder() as folder, object_file(hit.source, hit.version, folder) as path:
            picture = _picture(hit, path)
    except Exception:  # an answer is worth more than its thumbnail, whatever a store or a decoder raises
        return None
    if picture is not None:
        picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return picture


def _picture(hit: Hit, path: Path) -> Image | None:
    from PIL import Image

    match hit:
        case PageHit():
            import pymupdf

            with pymupdf.open(path) as document:
                page = as_displayed(document[hit.page - 1])
                scale = THUMBNAIL_SIDE / max(page.rect.width, page.rect.height, 1)
                pixels = render(page, matrix=pymupdf.Matrix(scale, scale), alpha=False)
                return marked(Image.frombytes("RGB", (pixels.width, pixels.height), pixels.samples), hit)
        case ImageHit():
            prepare_images()
            return open_picture(path.read_bytes(), NO_LIMIT, THUMBNAIL_SIDE).image
        case FrameHit():
            from ingest.media.single_frame import frame_at

            return frame_at(str(path), hit.time)
    return None


def marked(picture: Image, hit: PageHit) -> Image:
    """Mark the boxes of a hit on the picture of its page."""
    from PIL import Image, ImageChops

    if not hit.boxes or not hit.page_size:
        return picture
    across, down = picture.width / hit.page_size[0], picture.height / hit.page_size[1]
    mark = Image.new("RGB", picture.size, "white")
    for x0, y0, x1, y1 in hit.boxes:
        mark.paste(MARKER, (round(x0 * across), round(y0 * down), ceil(x1 * across), ceil(y1 * down)))
    return ImageChops.multiply(picture, mark)


def terminal_blocks(picture: Image) -> str:
    """The picture as lines of half blocks, each of which shows two pixels, one above the other, in 24-bit colour."""
    width = TERMINAL_COLUMNS
    height = max(1, round(TERMINAL_COLUMNS * picture.height / picture.width / 2)) * 2
    pixels = np.asarray(picture.convert("RGB").resize((width, height)))
    lines = []
    for y in range(0, height, 2):
        cells = []
        for x in range(width):
            (r1, g1, b1), (r2, g2, b2) = pixels[y, x], pixels[y + 1, x]
            cells.append(f"\x1b[38;2;{r1};{g1};{b1}m\x1b[48;2;{r2};{g2};{b2}m\u2580")
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def html_page(answers: Iterable[tuple[str, Iterable[Hit]]], picture_uri: Callable[[Hit], str]) -> str:
    """A self-contained HTML page with all answers and their thumbnails, which `picture_uri` gives as `data:` URIs."""
    from jinja2 import Environment

    page = Environment(autoescape=True).from_string(_PAGE)
    return page.render(answers=answers, title=title, owner=shown_owner, image=picture_uri, unplaced=UNPLACED)


_PAGE = """<!doctype html><meta charset="utf-8"><title>Answers</title><style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 72em; padding: 0 1em }
h1 { font-size: 1.2em; margin-top: 2em } div { display: flex; flex-wrap: wrap; gap: 1em }
figure { width: 20em; margin: 0; overflow-wrap: anywhere } img { max-width: 100%; border: 1px solid #ccc }
p { max-height: 9em; overflow: auto; margin: .4em 0; color: #444 }
pre { font: inherit; white-space: pre-wrap; max-height: 24em; overflow: auto; color: #444 }</style>
{% for question, hits in answers %}<h1>{{ question }}</h1><div>
{% for hit in hits %}{% set src = image(hit) %}<figure>
{% if src %}<img src="{{ src }}" alt="">{% endif %}<figcaption><b>{{ title(hit) }}</b>
{% if hit.text is defined %}<p>{{ hit.text }}</p>{% endif %}
{% if hit.owner %}<p><small>{{ owner(hit) }}</small></p>{% endif %}
{% if hit.context %}<details><summary>Context</summary><pre>{{ hit.context }}</pre></details>{% endif %}
{% if hit.boxes is defined and hit.boxes is none %}<p><small>{{ unplaced }}</small></p>{% endif %}</figcaption></figure>
{% endfor %}</div>
{% endfor %}"""


def title(hit: Hit) -> str:
    """The place of a hit in a few words: `page 3 of paper.pdf`, `12:04 in lecture.mp4`."""
    name = printable(hit.source.rsplit("/", 1)[-1])
    match hit:
        case PageHit():
            return f"page {hit.page} of {name}"
        case SpokenHit():
            return f"{clock(hit.start)} in {name}"
        case FrameHit():
            return f"{clock(hit.time)} in {name}"
    return name


def clock(seconds: float) -> str:
    """Seconds as a clock shows them: `12:04`, or `1:12:04`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def data_uri(hit: Hit) -> str:
    """The thumbnail of a hit as a `data:` URI; empty if it has none."""
    picture = thumbnail(hit)
    if picture is None:
        return ""
    file = io.BytesIO()
    picture.convert("RGB").save(file, "JPEG", quality=80)
    return f"{_JPEG_URI}{base64.b64encode(file.getvalue()).decode()}"


def picture_of(uri: str) -> Image | None:
    """The picture in a `data:` URI of `data_uri`; None if there is none."""
    from PIL import Image

    if not uri.startswith(_JPEG_URI):
        return None
    try:
        return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(_JPEG_URI))))
    except (OSError, ValueError):
        return None
