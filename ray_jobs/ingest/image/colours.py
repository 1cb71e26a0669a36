"""Converts colours to sRGB from what a file declares for them: an ICC profile, or the gamma of a PNG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_SPACES = {"RGB": "RGB ", "RGBA": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}
"""The colour space, as a profile names it (ICC.1:2022, table 19), of the modes that are converted."""

_USUAL_GAMMA = 1 / 2.2
"""The gamma of sRGB in a PNG (PNG 3, 11.3.2.2)."""

_NEARLY = 0.05
"""Share by which a gamma may differ from it and is left alone."""

_GAMMAS = (0.1, 3.0)
"""Range outside which a gamma is an error."""


def in_srgb(image: Image, file: Image) -> Image:
    """Return an image in sRGB: its mode is RGB or RGBA if its colours had to be converted, and otherwise as it was.

    Args:
        file: the image as it was decoded, with what its file declares.
    """
    if image.mode == "P" and file.info.get("icc_profile"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    alpha = image.getchannel("A") if image.mode == "LA" else None
    shown = _of_profile(image if alpha is None else image.getchannel("L"), file.info.get("icc_profile"))
    if shown is None:
        return _of_gamma(image, file)
    transparent = image.info.get("transparency")
    if alpha is None and image.mode == "L" and isinstance(transparent, int):  # a grey value, which is a colour now
        alpha = image.point(lambda value: 0 if value == transparent else 255)
    if alpha is not None:
        shown.putalpha(alpha)
    return shown


def _of_profile(image: Image, data: bytes | None) -> Image | None:
    """Return an image in sRGB; None if it is, or has no profile that can be read and is one for its colours."""
    from PIL import ImageCms

    space = _SPACES.get(image.mode)
    if not data or space is None:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if profile.profile.xcolor_space != space or "sRGB" in ImageCms.getProfileDescription(profile):
            return None
        target = image.mode if space == "RGB " else "RGB"
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode=target)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None


def _of_gamma(image: Image, file: Image) -> Image:
    """Return a PNG as it looks with the gamma that it declares, which counts if nothing else is declared."""
    gamma = file.info.get("gamma")
    if file.format != "PNG" or not gamma or file.info.get("icc_profile") or "srgb" in file.info:
        return image
    if not _GAMMAS[0] <= gamma <= _GAMMAS[1] or abs(gamma / _USUAL_GAMMA - 1) < _NEARLY:
        return image
    if image.mode not in ("RGB", "RGBA", "L", "LA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    curve = [round(255 * (value / 255) ** (_USUAL_GAMMA / gamma)) for value in range(256)]
    straight = list(range(256))
    return image.point([*curve * (len(image.getbands()) - 1), *(straight if image.mode.endswith("A") else curve)])
