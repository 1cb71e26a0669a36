"""MP4 files that were trimmed without encoding them again: what their edit lists hide is decoded and not shown."""

import struct
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


@pytest.mark.parametrize(
    ("parts", "changes", "colours"),
    [([(0, 3)], [0, 2], ["yellow", "green"]), ([(14, 17)], [0], ["blue"]),
     ([(0, 1), (8, 20)], [0, 1, 5], ["yellow", "green", "blue"]),
     ([(12, 20), (0, 12)], [0, 8, 10], ["blue", "yellow", "green"]), ([(4, 6), (4, 6)], [0], ["green"])],
    ids=["start", "end", "cut out", "swapped", "repeated"],
)  # fmt: skip
def test_the_parts_of_an_edit_list_follow_one_another(film, parts, changes, colours, tmp_path):
    path = trimmed(film, tmp_path / "cut.mp4", 0, 20)
    keep(path, parts)
    times, names, loss = seen(path, tmp_path)
    assert (names, loss) == (colours, None)
    assert times == pytest.approx(changes, abs=0.6)
    length = sum(end - start for start, end in parts)
    assert extract(str(path), str(tmp_path), SETTINGS).duration == pytest.approx(length, abs=0.2)
    last = frame_at(str(path), changes[-1] + 0.5)
    assert last is not None
    assert last.getpixel((64, 48)) == pytest.approx(COLOURS[colours[-1]], abs=24)


def keep(path, parts):
    """Write an edit list of parts in seconds into an MP4 whose index is at its end."""
    data = path.read_bytes()
    head = data.index(b"elst") - 4
    begin = struct.unpack(">i", data[head + 20 : head + 24])[0]
    with av.open(str(path)) as container:
        base = int(1 / container.streams.video[0].time_base)
    entries = [struct.pack(">Iihh", (end - start) * 1000, begin + start * base, 1, 0) for start, end in parts]
    body = struct.pack(">II", 0, len(entries)) + b"".join(entries)
    old = struct.unpack(">I", data[head : head + 4])[0]
    data = data[:head] + struct.pack(">I", len(body) + 8) + b"elst" + body + data[head + old :]
    for name in (b"moov", b"trak", b"edts"):
        at = data.index(name) - 4
        size = struct.unpack(">I", data[at : at + 4])[0] + len(body) + 8 - old
        data = data[:at] + struct.pack(">I", size) + data[at + 4 :]
    length = data.index(b"mvhd") + 20
    seconds = sum(end - start for start, end in parts)
    path.write_bytes(data[:length] + struct.pack(">I", 1000 * seconds) + data[length + 4 :])
