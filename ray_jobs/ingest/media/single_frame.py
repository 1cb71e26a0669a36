"""Extracts one frame of a video to show to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from av.video.frame import VideoFrame

from ingest.media.container import container_start, decodable_streams, open_media, seconds

if TYPE_CHECKING:
    from PIL.Image import Image

_ROUNDING = 0.02
"""Seconds by which rounding may have moved a time past its frame."""


def frame_at(path: str, time: float) -> Image | None:
    """Return the first frame of a file's first video stream at or after `time` (in seconds), or None.

    Raises:
        ObjectError: the file cannot be read.
    """
    import av

    with open_media(path) as container:
        for stream in decodable_streams(container, "video")[:1]:
            start = container_start(container)
            container.seek(int(max(time + start, 0) * av.time_base))
            for frame in container.decode(stream):
                if not isinstance(frame, VideoFrame):
                    continue
                at = seconds(frame.pts, frame.time_base, start)
                if at is None or at >= time - _ROUNDING:
                    return frame.to_image().rotate(frame.rotation, expand=True)
    return None
