"""One frame of a video, for people to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from av.video.frame import VideoFrame

from ingest.media.container import decodable, opened, seconds, start_seconds

if TYPE_CHECKING:
    from PIL.Image import Image

_LATE = 0.02
"""Seconds by which a time that was rounded may lie after its frame."""


def frame_at(path: str, time: float) -> Image | None:
    """The first frame of a file's first video that is not before `time`, in seconds; None where there is none.

    Raises:
        ObjectError: the file cannot be read.
    """
    import av

    with opened(path) as container:
        for stream in decodable(container, "video")[:1]:
            start = start_seconds(container)
            container.seek(int(max(time + start, 0) * av.time_base))
            for frame in container.decode(stream):
                if not isinstance(frame, VideoFrame):
                    continue
                at = seconds(frame.pts, frame.time_base, start)
                if at is None or at >= time - _LATE:
                    return frame.to_image().rotate(frame.rotation, expand=True)
    return None
