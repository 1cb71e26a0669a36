"""Opens pictures as people see them: upright RGB on white, whatever is broken around their pixels.

An image is decoded as its format demands. If that fails, its metadata may be broken, which every viewer ignores; then
its end may be missing; at last OpenCV may forgive or know more than Pillow.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.hdr import HLG, PQ, as_shown
from ingest.common.objects import PARTLY_READ
from ingest.image import fax
from ingest.image.bitmaps import decode_bitmap
from ingest.image.frames import ANIMATIONS, content_frame, count_pages
from ingest.image.jpeg import parts_of_scan, scan_place
from ingest.image.jpeg2000 import as_declared, with_known_colours
from ingest.image.loading import is_announced, load, load_jpeg, opened
from ingest.image.metadata import (
    SIDEWAYS,
    declared,
    exif_of,
    exif_of_tiff,
    orientation,
    photographed,
    transfer_of,
    turned,
)
from ingest.image.missing import ends_early, is_torn, missing_part, partly, percent
from ingest.image.opencv import FORMATS, TIFF_EXTRA, check_planes, decode_with_opencv, deep_colours
from ingest.image.photoshop import has_merged_alpha, is_unmerged, preview
from ingest.image.picture import Picture, check_pixels, to_rgb
from ingest.image.pixel_shape import pixel_ratio, with_square_pixels
from ingest.image.previews import find_previews, old_jpeg
from ingest.image.repairs import CODESTREAM, END, mended, padded
from ingest.image.tiff_channels import decode_channels
from ingest.image.tiff_pages import other_pages
from ingest.image.unreadable import unreadable
from ingest.image.unwritten import unwritten_share

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_DECODER_ERROR = "decoder error"
"""The words of Pillow if the pixels of an image, and not only its tags, are damaged. OpenCV passes over such a part."""

_TEXT_BEFORE = re.compile(
    rb"[\t\n\r -~\xef\xbb\xbf\0]{1,4096}?"
    rb"(?=\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*)",
    re.DOTALL,
)
"""A byte order mark, headers of HTTP or of a form, or a script's warning in front of an image."""

_ONLY_PREVIEW = (
    "only a preview can be read, because the file was saved without its merged picture; save it with maximum "
    "compatibility"
)

_CIELAB = re.compile(rb"colr\x01..\0\0\0\x0e", re.DOTALL)
"""A box of JPEG 2000 (ISO/IEC 15444-2, M.11.7.3) with a colour space that Pillow takes for RGB."""


def prepare_images() -> None:
    """Import the decoders, and register those that Pillow does not contain."""
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    Image.init()
    fax.listen()
    Image.MAX_IMAGE_PIXELS = None  # `max_pixels` replaces it, with an explanation for the owner
    Image.WARN_POSSIBLE_FORMATS = True  # for that explanation, see opened
    warnings.simplefilter("ignore")  # about damaged metadata, on stderr


def open_picture(data: bytes, max_pixels: int, side: int) -> Picture:
    """Decode an image. Call `prepare_images` once before.

    Args:
        side: a large JPEG is decoded at the smallest scale of which no side is below this.

    Raises:
        ObjectError: the image is empty, of an unknown format or damaged, or has more than `max_pixels` pixels.
        MemoryError: there is not enough memory for it.
    """
    if not data:
        raise ObjectError(Failure.EMPTY, "the file is empty (0 bytes)")
    if (before := _TEXT_BEFORE.match(data)) and not is_announced(data):
        data = data[before.end() :]
    data = with_known_colours(data)
    errors: list[Exception] = []

    def tried(decode: Callable[..., Picture], content: bytes, *args: Any) -> Picture | None:
        try:
            return decode(content, max_pixels, *args)
        except (ObjectError, MemoryError):
            raise
        except Exception as error:  # decoders raise errors of any type
            errors.append(error)
            return None

    picture = tried(_decoded, data, side)
    if picture is None and (correct := mended(data)):
        data = correct
        picture = tried(_decoded, data, side)
    if picture is None and FORMATS.get(data[:2]) == "TIFF":
        whole_jpeg = old_jpeg(data)
        picture = tried(_preview, whole_jpeg, side, data) if whole_jpeg else tried(decode_channels, data)
    if picture is None and data.startswith(b"BM"):
        picture = tried(decode_bitmap, data)
    previews = find_previews(data)
    for pixels, content in previews.contents if picture or previews.is_raw else ():
        if picture is not None and pixels < picture.width * picture.height:
            break
        if larger := tried(_preview, content, side, data):
            picture = larger
            break
    if picture is not None and (loss := previews.loss(picture.width, picture.height, side)):
        picture.metadata[PARTLY_READ] = loss
    if picture is None and (small := preview(data)):
        picture = tried(_decoded, small, side)
        if picture is not None:
            picture.metadata.update({"format": "PSD", PARTLY_READ: _ONLY_PREVIEW})
    picture = picture or tried(_decoded, data, side, True) or tried(_decoded, data, side, True, True)
    if picture is None and (pixels := data.find(CODESTREAM)) > 0:
        picture = tried(_decoded, data[pixels:], side)
    if picture is None and (whole := padded(data)):
        picture = tried(_decoded, whole, side)
        if picture is not None and len(data) < len(whole) - len(END):
            picture.metadata[PARTLY_READ] = partly(f"{percent(1 - len(data) / len(whole))} of the file is missing")
    if picture is None and data[:2] in FORMATS:
        picture = tried(decode_with_opencv, data)
        if picture is not None and any(_DECODER_ERROR in str(error) for error in errors):
            if len(set(picture.image.convert("L").getextrema())) == 1:
                raise unreadable(data, errors)
            picture.metadata[PARTLY_READ] = partly("some of the picture cannot be decoded")
    if picture is None and previews.is_raw:
        raise ObjectError(Failure.UNSUPPORTED_IMAGE, "the image is in a camera's raw format, which is not supported")
    if picture is None:
        raise unreadable(data, errors)
    if FORMATS.get(data[:2]) == "TIFF" and (ratio := pixel_ratio(data)) != 1:
        return replace(picture, image=with_square_pixels(picture.image, ratio), is_stretched=True)
    return picture


def _decoded(data: bytes, max_pixels: int, side: int, broken: bool = False, cut: bool = False) -> Picture:
    """Decode an image with Pillow.

    Args:
        broken: forgive broken metadata.
        cut: forgive missing pixels too, and measure how many there are.
    """
    from PIL import Image as images

    losses = []
    image = opened(data, broken)
    width, height = image.size
    check_pixels(width, height, max_pixels)
    try:
        frames = getattr(image, "n_frames", 1)
    except MemoryError:
        raise
    except Exception:
        frames = count_pages(image)
        losses.append(f"only the first {f'{frames} of its pages' if frames > 1 else 'of its pages'} can be read")
        image = opened(data, broken)  # the search for pages has left it between them
    check_planes(getattr(image, "tag_v2", {}))
    if image.format == "JPEG2000" and _CIELAB.search(data, 0, max(data.find(CODESTREAM), 0)):
        raise ObjectError(Failure.UNSUPPORTED_IMAGE, "the colours of the JPEG 2000 are CIELAB, which is not supported")
    deep = len(image.getbands()) > 1 and re.search(r";16|\b65535\b", str(image.tile)) is not None
    if image.format == "PNG":  # its Exif may follow the pixels, and to look for it would hide that these are broken
        load(image, cut)
    metadata = declared(image, frames)
    turn = orientation(exif_of(image))
    if frames > 1 and image.format in ANIMATIONS and not cut:
        image.seek(content_frame(opened(data, broken), frames))
    image.draft("RGB", (side, side))  # affects JPEG only
    fax.forget()
    is_jpeg = image.format in ("JPEG", "MPO") and not cut
    start, end = scan_place(data) if is_jpeg else (0, 0)
    surplus = load_jpeg(image, data, end) if end else 0
    load(image, cut)
    if image.format == "PSD" and is_unmerged(data) and _is_plain(image):
        raise ValueError("a Photoshop file without its merged picture is not supported")
    if loss := fax.loss(image, data):
        losses.append(loss)
    if cut and (part := missing_part(image, data, side)):
        losses.append(part)
    if not losses and (share := unwritten_share(image.format, data)):
        losses.append(f"{percent(share)} of its bytes were never written")
    torn = (
        is_jpeg
        and not losses
        and (is_torn(data[start:end], surplus, parts_of_scan(data)) or ends_early(image, data, side))
    )
    if torn or (broken and image.format == "ICO"):  # Pillow decodes an icon when it opens it
        losses.append("some of its pixels are damaged or missing")
    if losses:
        metadata[PARTLY_READ] = partly(" and ".join(losses))
    elif frames > 1 and image.format == "TIFF" and (others := other_pages(data)):
        pages = "its other page" if others == 1 else f"its {others} other pages"
        metadata[PARTLY_READ] = f"{pages} cannot be found by a search; as a PDF, all of its pages can"
    shown = deep_colours(image, data) if deep else None
    if image.format == "JPEG2000" and not deep:
        shown = to_rgb(as_declared(image, data))
    if image.mode == "RGBA" and not _has_alpha(image, data):
        shown = image.convert("RGB")
    if image.format == "TIFF":  # Pillow turns it by itself
        return Picture(turned(shown, turn) if shown else to_rgb(image), width, height, metadata)
    if turn in SIDEWAYS:
        width, height = height, width
    shown = shown or to_rgb(image)
    if (transfer := transfer_of(image, data)) in (PQ, HLG):
        shown = images.fromarray(as_shown(np.asarray(shown), transfer))
    return Picture(turned(shown, turn), width, height, metadata)


def _is_plain(image: ImageFile) -> bool:
    pixels = np.asarray(image)
    return bool((pixels == pixels[0, 0]).all())


def _has_alpha(image: ImageFile, data: bytes) -> bool:
    """Whether the fourth channel is the transparency of the picture. In aerial photos, it may be infrared light."""
    if image.format == "TIFF":
        return TIFF_EXTRA in getattr(image, "tag_v2", {})
    return image.format != "PSD" or has_merged_alpha(data)


def _preview(content: bytes, max_pixels: int, side: int, data: bytes) -> Picture:
    """Decode a preview of a photo, which is turned as the photo is unless it says otherwise."""
    preview = _decoded(content, max_pixels, side)
    photo, own = exif_of_tiff(data), exif_of(opened(content, False))
    turn = orientation(photo) if orientation(own) == 1 else 1
    width, height = (preview.width, preview.height)[:: -1 if turn in SIDEWAYS else 1]
    metadata = preview.metadata | photographed(photo) | {"format": "TIFF"}
    return Picture(turned(preview.image, turn), width, height, metadata)
