"""Explains why a file is no image that can be decoded: damaged, another format, or no image at all."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.common.errors import ObjectError
from ingest.common.failures import Failure
from ingest.common.file_kinds import kind_of
from ingest.common.text import one_line
from ingest.image.jpeg import frame

_UNSUPPORTED = re.compile(
    r"unsupported|not supported|unknown (?!exif)|cannot handle|samples per pixel|not implemented|unrecognized mode"
    r"|string index out of range|\A\(\d+, \d+\)|not a PSD",
    re.I,
)
"""In a decoder's message: it knows the format, and not this variant of it."""

_LOSSLESS_JPEG = re.compile(rb"\xff\xd8.*?\xff[\xc3\xc5-\xc7\xcb\xcd-\xcf\xf7]\0.[\x02-\x10]", re.DOTALL)
"""The frame of a JPEG that is lossless, hierarchical or a JPEG-LS."""

_BITS = 8
"""Bits for each colour of an ordinary JPEG."""

_CONVERTED = re.compile(rb"\xef\xbf\xbd(?:PNG|\xef\xbf\xbd\xef\xbf\xbd)|\x89PNG\n\x1a")
"""First bytes of a PNG or JPEG that was stored as if it were text: as UTF-8, or with other line breaks."""

_OTHER_FORMATS = (
    (rb"II\*\0....CR|....ftypcrx|FUJIFILMCCD|II(?:RO|RS|U\0)|MMOR|\0MRM", "in a camera's raw format"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL"),
    (rb"II\xbc", "a JPEG XR"),
    (rb".{128}DICM", "a DICOM file"),
    (rb"v/1\x01|#\?RADIANCE|#\?RGBE", "in a format for high dynamic ranges"),
    (rb"gimp xcf", "a GIMP file"),
    (rb"SIMPLE  =", "a FITS file"),
    (rb"AT&TFORM", "a DjVu file"),
    (rb"\x89PNG\r\n\x1a\n....CgBI", "a PNG in a form of Apple's (CgBI)"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "in PostScript"),
    (rb"\xd7\xcd\xc6\x9a|\x01\0\x09\0\0[\x01\x03]|\x01\0\0\0.{36} EMF", "a Windows metafile"),
    (rb"BPG\xfb", "a BPG"),
    (rb"(?:BA|CI|CP).\0\0\0", "an icon or a list of bitmaps of OS/2"),
    (rb"....ftypmif3", "in the compact form of HEIF or AVIF"),
    (rb"FLIF", "a FLIF"),
    (rb"\xabKTX |farbfeld|P7\s", "in a format of specialists"),
    (rb"8BPS\0\x02", "a large document of Photoshop (PSB)"),
    (rb"\s*(?:<\?xml[^>]*>|<!--.*?-->|<!DOCTYPE svg[^>]*>|\s)*<svg", "an SVG drawing"),
)
"""First bytes of pictures in formats that are not supported."""


def unreadable(data: bytes, errors: Sequence[Exception]) -> ObjectError:
    """Return the failure of a file that no decoder can decode.

    Args:
        errors: the decoders'; the first is UnidentifiedImageError if there is none for the file's first bytes.
    """
    from PIL import UnidentifiedImageError

    start = data[:4096]
    if not any(start):
        return ObjectError(Failure.DAMAGED, "the file holds only zeros")
    if _CONVERTED.match(start):
        return ObjectError(Failure.DAMAGED, "the image was stored as a text, which has changed its bytes")
    for pattern, name in _OTHER_FORMATS:
        if re.match(pattern, start, re.DOTALL):
            return ObjectError(Failure.UNSUPPORTED_IMAGE, f"the image is {name}, which is not supported")
    kind = kind_of(data)
    if kind is not None and kind != "an image":
        return ObjectError(Failure.NOT_AN_IMAGE, f"this is not an image but {kind}")
    if isinstance(errors[0], UnidentifiedImageError):
        return ObjectError(Failure.NOT_AN_IMAGE, "this is not an image, or its format is not supported")
    _, bits = frame(data)
    if bits > _BITS:
        problem = f"the image is a JPEG of {bits} bits for each colour, which is not supported; it needs {_BITS} bits"
        return ObjectError(Failure.UNSUPPORTED_IMAGE, problem)
    reasons = [one_line(error, 80) for error in errors]
    unsupported = next(filter(_UNSUPPORTED.search, reasons), "it is lossless" if _LOSSLESS_JPEG.match(start) else None)
    if unsupported:
        return ObjectError(Failure.UNSUPPORTED_IMAGE, f"this variant of its format is not supported ({unsupported})")
    return ObjectError(Failure.DAMAGED, f"the image cannot be decoded ({reasons[0]})")
