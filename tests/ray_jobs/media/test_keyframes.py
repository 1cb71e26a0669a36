"""Key frames: each known scene has one, and few frames are decoded."""

import itertools
import json
from threading import Event

import av
import numpy as np
import pytest
from PIL import Image

from embedded.scenes import (
    HEIGHT,
    WIDTH,
    Scene,
    Video,
    flashing,
    grainy,
    pan,
    photo,
    slide,
    still,
    talking,
    write,
    zoom,
)
from ingest.media.keyframes import THUMBNAIL, SceneDetector
from ingest.media.sampling import Sampling
from ingest.media.video import ExtractedFrames, center_crop, extract_frames

SAMPLING = Sampling(224, 0.02, 0.5, 60.0, 1000, 3600.0)
NO_SCENE_CUTS = Video("libx264", options={"x264-params": "scenecut=0:keyint=250", "preset": "ultrafast"})
MPEG2 = Video("mpeg2video", options={"g": "15"})


def key_frames(path, sampling=SAMPLING) -> ExtractedFrames:
    return extract_frames(str(path), str(path.with_suffix(".rgb")), sampling, Event())


def assert_each_scene_has_one(spans, times):
    inside = [[time for time in times if start <= time < end] for start, end in spans]
    assert all(inside), (spans, times)
    assert len(times) <= 2 * len(spans), (spans, times)


def key_frame_times(thumbnails, **settings):
    """Times of the key frames in a sequence of thumbnails, four per second."""
    detector = SceneDetector(**{"threshold": 0.02, "min_interval": 0.5, "max_interval": 60.0, **settings})
    found = []
    for number, thumbnail in enumerate(thumbnails):
        found += detector.add_frame(number / 4, thumbnail, False, lambda t=thumbnail: t)
    return [frame.time for frame in [*found, *detector.finish()]]


@pytest.mark.parametrize(
    "paint", [zoom, talking, pytest.param(grainy, marks=pytest.mark.nightly)], ids=lambda paint: paint.__name__
)
def test_a_scene_that_moves_has_its_key_frame_soon_after_its_cut(paint, tmp_path):
    pictures = [photo(seed) for seed in range(3)]
    moving = [zoom(each) if paint is zoom else paint(still(each), seed) for seed, each in enumerate(pictures)]
    spans = write(tmp_path / "a.mkv", [Scene(3, each) for each in moving], Video("libx264"))
    times = key_frames(tmp_path / "a.mkv").times
    assert all(any(start <= time < start + 0.5 for time in times) for start, _ in spans), times
    assert len(times) == len(spans)


def single_colour(*colour):
    return np.full((THUMBNAIL, THUMBNAIL, 3), colour or 0, np.uint8)


@pytest.mark.parametrize(
    "paint",
    [
        lambda seed: still(photo(seed)),
        lambda seed: zoom(photo(seed)),
        lambda seed: pan(photo(seed)),
        lambda seed: grainy(still(photo(seed)), seed),
        lambda seed: flashing(still(photo(seed))),
        lambda seed: talking(still(photo(seed)), seed),
        slide,
    ],
    ids=["still", "zoom", "pan", "grainy", "flash", "talking", "slide"],
)
@pytest.mark.parametrize(
    "video", [NO_SCENE_CUTS, pytest.param(MPEG2, marks=pytest.mark.nightly)], ids=["h264 without scene cuts", "mpeg2"]
)
def test_each_scene_of_at_least_a_second_has_a_key_frame(paint, video, tmp_path):
    path = tmp_path / "video.mkv"
    spans = write(path, [Scene(seconds, paint(seed)) for seed, seconds in enumerate((1.4, 1.0, 2.6, 1.0))], video)
    assert_each_scene_has_one(spans, key_frames(path).times)


@pytest.mark.parametrize(
    ("codec", "name", "pixel_format"),
    [("libx264", "mp4", "yuv420p"), ("mpeg4", "avi", "yuv420p"), ("libvpx-vp9", "webm", "yuv420p"),
     ("libx265", "mkv", "yuv420p"), ("mjpeg", "avi", "yuvj420p")],
)  # fmt: skip
def test_each_scene_has_a_key_frame_in_every_codec(codec, name, pixel_format, tmp_path):
    options = {"libx265": {"preset": "ultrafast", "x265-params": "log-level=none"}}
    options["libvpx-vp9"] = {"deadline": "realtime", "cpu-used": "8"}
    path = tmp_path / f"video.{name}"
    scenes = [Scene(1.5, still(photo(seed))) for seed in range(3)]
    spans = write(path, scenes, Video(codec, 12, options.get(codec, {}), pixel_format))
    assert_each_scene_has_one(spans, key_frames(path).times)


def test_a_dissolve_is_no_scene(tmp_path):
    path = tmp_path / "video.mp4"
    spans = write(path, [Scene(3, still(photo(seed)), 0.8 if seed else 0) for seed in range(4)], NO_SCENE_CUTS)
    times = key_frames(path).times
    assert_each_scene_has_one(spans, times)
    assert len(times) == 4


def test_a_still_video_has_one_key_frame(tmp_path):
    path = tmp_path / "video.mp4"
    write(path, [Scene(8, still(photo(1)))], NO_SCENE_CUTS)
    assert len(key_frames(path).times) == 1


def test_few_frames_of_still_scenes_are_decoded(tmp_path):
    path = tmp_path / "video.mp4"
    write(path, [Scene(4, still(photo(seed))) for seed in range(3)], Video("libx264"))  # x264 begins a GOP at each cut
    pictures = key_frames(path)
    assert (pictures.damage.packets, len(pictures.times)) == (300, 3)
    assert pictures.decoded < 10


def test_a_recording_that_begins_within_a_gop_has_key_frames_from_its_first_whole_picture_on(tmp_path):
    whole, cut = tmp_path / "whole.avi", tmp_path / "cut.avi"
    spans = write(whole, [Scene(4, pan(photo(seed))) for seed in (1, 2)], Video("mpeg4", 10, {"g": "30"}))
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if number > 10 and packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    found = key_frames(cut)  # FFmpeg gives the last packet before the first key packet the time of the end of the file
    assert_each_scene_has_one([(3.0, spans[0][1]), spans[1]], found.times)
    assert len(found.times) == 2


def test_a_scene_whose_key_packet_is_damaged_is_a_loss(tmp_path):
    path = tmp_path / "video.ts"
    scenes = [Scene(3, still(photo(seed))) for seed in (1, 2, 3)]
    first, _, last = write(path, scenes, Video("libx264", 10, {"x264-params": "bframes=0"}))
    with av.open(str(path)) as container:
        second = [packet for packet in container.demux(video=0) if packet.is_keyframe][1]
    data = bytearray(path.read_bytes())
    for place in range(second.pos + 188, second.pos + second.size, 188):  # in each packet of the transport stream
        data[place + 20 : place + 60] = bytes(40)
    path.write_bytes(data)
    found = key_frames(path)
    assert_each_scene_has_one([first, last], found.times)
    assert len(found.times) == 2
    assert found.damage.skipped > 25


def test_each_minute_of_a_film_may_take_as_long_as_a_short_file(tmp_path, monkeypatch):
    reported = []
    monkeypatch.setattr("ingest.media.video.report_progress", lambda: reported.append(True))
    write(tmp_path / "a.mp4", [Scene(200, still(photo(1)))], Video("libx264", 1))
    key_frames(tmp_path / "a.mp4")
    assert len(reported) == 3


def test_a_repeated_scene_has_another_key_frame(tmp_path):
    path = tmp_path / "video.mp4"
    first, second = still(photo(1)), still(photo(2))
    spans = write(path, [Scene(2, first), Scene(2, second), Scene(2, first)], NO_SCENE_CUTS)
    assert_each_scene_has_one(spans, key_frames(path).times)


def test_too_many_key_frames_are_thinned_out(tmp_path):
    path = tmp_path / "video.mp4"
    write(path, [Scene(1, still(photo(seed))) for seed in range(9)], Video("libx264", 10))
    every = key_frames(path).times
    pictures = key_frames(path, Sampling(224, 0.02, 0.5, 60.0, 4, 3600.0))
    assert len(every) == 9
    assert 2 <= len(pictures.times) <= 4
    assert set(pictures.times) <= set(every)
    stored = np.fromfile(path.with_suffix(".rgb"), np.uint8).reshape(-1, 224, 224, 3)
    assert len(stored) == len(pictures.times)
    assert not any(np.array_equal(a, b) for a, b in itertools.pairwise(stored))


def test_a_flash_is_no_key_frame():
    picture, white = single_colour(90, 120, 40), single_colour(250, 250, 250)
    assert key_frame_times([picture] * 6 + [white] + [picture] * 6) == [0.25]


def test_a_black_frame_is_a_key_frame_only_if_there_is_no_other():
    black = single_colour(2, 2, 2)
    red, green = single_colour(200, 30, 30), single_colour(30, 200, 30)
    assert key_frame_times([red] * 6 + [black] * 6 + [green] * 6) == [0.25, 3.25]
    assert key_frame_times([black] * 6) == [0.25]


def test_key_frames_keep_the_minimum_interval():
    colours = [single_colour(20 * number % 250, 80, 255 - 20 * number % 250) for number in range(40) for _ in range(2)]
    times = key_frame_times(colours, min_interval=2.0)
    assert all(later - earlier >= 2.0 for earlier, later in itertools.pairwise(times))
    assert len(times) > 5


def test_a_long_changing_scene_has_several_key_frames():
    slow = [single_colour(60 + number // 8, 60, 60) for number in range(240)]
    assert len(key_frame_times(slow, max_interval=10.0)) > 3
    assert len(key_frame_times([single_colour(60, 60, 60)] * 240, max_interval=10.0)) == 1


@pytest.mark.nightly
@pytest.mark.parametrize("size", [(WIDTH, HEIGHT), (181, 320), (224, 224), (100, 90), (227, 225)])
def test_the_center_crop_equals_that_of_open_clip(size):
    from open_clip import image_transform

    image = photo(3).resize(size)
    frame = av.VideoFrame.from_image(image)
    transform = image_transform(224, is_train=False, mean=(0, 0, 0), std=(1, 1, 1))
    expected = (transform(image).numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0)
    assert np.array_equal(center_crop(frame, 224), expected)


def test_the_pixel_aspect_ratio_is_applied():
    image = Image.new("RGB", (360, 288))
    image.paste((255, 0, 0), (0, 0, 180, 288))
    frame = av.VideoFrame.from_image(image)
    narrow, wide = center_crop(frame, 100), center_crop(frame, 100, 16 / 9)
    assert narrow.shape == wide.shape == (100, 100, 3)
    # The square shows less of the width: 288 of 640 pixels instead of 360.
    corner = Image.new("RGB", (360, 288))
    corner.paste((255, 255, 255), (0, 0, 60, 288))
    assert center_crop(av.VideoFrame.from_image(corner), 100)[:, 0].mean() > 200
    assert center_crop(av.VideoFrame.from_image(corner), 100, 16 / 9)[:, 0].mean() < 50


@pytest.mark.nightly
def test_every_scene_of_the_corpus_has_a_key_frame(corpus, tmp_path):
    rows = [json.loads(line) for line in (corpus / "truth_av.jsonl").read_text().splitlines()]
    rows = [row for row in rows if "scenes" in row and not row.get("hard")]
    assert len(rows) == 10
    for row in rows:
        pictures = extract_frames(str(corpus / row["file"]), str(tmp_path / "frames"), SAMPLING, Event())
        assert_each_scene_has_one([(scene["t0"], scene["t1"]) for scene in row["scenes"]], pictures.times)
        assert pictures.decoded < pictures.damage.packets / 4
