"""Shows transparent frames on white paper, as the pictures of documents and of the pipeline for images are shown; those
that are white themselves, on black."""

from __future__ import annotations

from typing import cast

import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from ingest.common.ground import BLACK, WHITE, ground

_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders that know the second picture of a packet, which is the alpha channel in WebM; FFmpeg's own do not."""

_BY_AREA = "AREA"
_UNSPECIFIED = 2
"""The number of the matrix coefficients (ITU-T H.273, table 4) for which FFmpeg takes those of most videos."""


def decoder(stream: VideoStream) -> VideoCodecContext:
    """Return the decoder of a stream that also decodes its alpha channel."""
    own = stream.codec_context
    if stream.metadata.get("alpha_mode") != "1" or own.name not in _WITH_ALPHA:
        return own
    return cast(VideoCodecContext, CodecContext.create(_WITH_ALPHA[own.name], "r"))


def pixels(frame: VideoFrame, reformatter: VideoReformatter | None = None, side: int | None = None) -> np.ndarray:
    """Return a frame as uint8 RGB of shape (height, width, 3), scaled to a square of `side` pixels if that is given.

    A frame that is transparent everywhere is one whose writer left its alpha channel empty: it is shown as it is.
    """
    transparent = any(component.is_alpha for component in frame.format.components)
    reformatter, format_ = reformatter or VideoReformatter(), "rgba" if transparent else "rgb24"
    try:
        shown = reformatter.reformat(frame, side, side, format_, interpolation=_BY_AREA if side else None).to_ndarray()
    except OSError:  # FFmpeg converts from no such colours; players guess, and the picture is there
        frame.colorspace = _UNSPECIFIED
        shown = reformatter.reformat(frame, side, side, format_, interpolation=_BY_AREA if side else None).to_ndarray()
    if not transparent:
        return shown
    alpha = shown[..., 3:].astype(np.uint16)
    if not alpha.any():
        return shown[..., :3]
    on_white = _on_ground(shown, alpha, WHITE)
    counts = [np.bincount(on_white[..., colour].ravel(), minlength=256).tolist() for colour in range(3)]
    if ground(counts, np.bincount(alpha.ravel(), minlength=256).tolist()) == BLACK:
        return _on_ground(shown, alpha, BLACK)
    return on_white


def _on_ground(shown: np.ndarray, alpha: np.ndarray, value: int) -> np.ndarray:
    return ((shown[..., :3] * alpha + value * (255 - alpha) + 127) // 255).astype(np.uint8)
