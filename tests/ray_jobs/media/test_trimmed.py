"""MP4 files that were trimmed without encoding them again: what their edit lists hide is decoded and not shown."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from ingest.media.extraction import FRAMES_FILE, MediaSettings, extract
from ingest.media.single_frame import frame_at

SETTINGS = MediaSettings(image_size=32)
RATE = 25
YELLOW, GREEN, BLUE = (200, 200, 30), (30, 160, 60), (30, 30, 200)
COLOURS = {"yellow": YELLOW, "green": GREEN, "blue": BLUE}


@pytest.fixture(scope="module", params=["libx264", "mpeg4", "libx265"])
def film(request, tmp_path_factory):
    """Two seconds of yellow, ten of green and eight of blue, with key frames at 0 and 12 s alone."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    options = {"libx264": {"x264-params": "scenecut=0:keyint=500", "threads": "1"}, "mpeg4": {"sc_threshold": "0"}}
    options["libx265"] = {"preset": "ultrafast", "x265-params": "log-level=none:scenecut=0:keyint=500:pools=1"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(request.param, rate=RATE, options=options[request.param])
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.gop_size = 500
        for second in range(20):
            colour = YELLOW if second < 2 else GREEN if second < 12 else BLUE
            for number in range(RATE):
                frame = av.VideoFrame.from_image(Image.new("RGB", (128, 96), colour))
                frame.pts, frame.time_base = second * RATE + number, Fraction(1, RATE)
                if second in (0, 12) and not number:
                    frame.pict_type = av.video.frame.PictureType.I
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def trimmed(film, path, start, end):
    """Copy a part of a film as `ffmpeg -ss START -c copy` does: from the key frame before it, which is hidden."""
    with av.open(film) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        source.seek(int(start / stream.time_base), stream=stream)
        for packet in source.demux(stream):
            if packet.dts is None or packet.dts * stream.time_base >= end:
                continue
            packet.dts -= int(start / stream.time_base)
            packet.pts -= int(start / stream.time_base)
            packet.stream = copy
            target.mux(packet)
    return path


def seen(path, folder):
    """The times of the key frames and their colours, and what the file is said to lack."""
    media = extract(str(path), str(folder), SETTINGS)
    frames = np.fromfile(Path(folder) / FRAMES_FILE, np.uint8).reshape(-1, 32, 32, 3)[:, 16, 16].astype(int)
    names = [min(COLOURS, key=lambda name: abs(frame - COLOURS[name]).sum()) for frame in frames]
    return media.frame_times, names, media.metadata.get("partly_read")


@pytest.mark.parametrize("start", [1, 3, 8])
def test_the_first_scene_of_a_trimmed_film_has_a_key_frame_and_what_is_hidden_has_none(film, start, tmp_path):
    times, names, loss = seen(trimmed(film, tmp_path / "cut.mp4", start, 20), tmp_path)
    changes = [2 - start, 12 - start] if start < 2 else [12 - start]
    assert names == ["yellow", "green", "blue"][-len(names) :]
    assert times == pytest.approx([0, *changes], abs=0.6)
    assert loss is None


@pytest.mark.parametrize("start", [3, 8])
def test_a_part_of_one_group_of_pictures_is_shown(film, start, tmp_path):
    path = trimmed(film, tmp_path / "cut.mp4", start, start + 3)
    assert seen(path, tmp_path) == ([pytest.approx(0, abs=0.5)], ["green"], None)
    assert frame_at(str(path), 0).getpixel((64, 48)) == pytest.approx(GREEN, abs=24)
