"""Dark scenes: slides with small grey type have a key frame each, and the noise of a dark picture has none."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from embedded.scenes import HEIGHT, WIDTH, Scene, Video, still, write
from ingest.media.extraction import MediaSettings, extract
from ingest.media.keyframes import THUMBNAIL, SceneDetector

LINES = ("the harbour at dusk", "keeper of the lamp", "ledger of the tide", "rope and wick")


def dark_slide(number, background, type_, lines, size=10):
    image = Image.new("RGB", (WIDTH, HEIGHT), (background,) * 3)
    for line in range(lines):
        text = f"{LINES[(number + line) % len(LINES)]} {number}"
        ImageDraw.Draw(image).text((20, 30 + 20 * line), text, fill=(type_,) * 3, font_size=size)
    return image


def thumbnail(image, noise=0.0, seed=0):
    small = np.asarray(image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX), float)
    grain = np.random.default_rng(seed).normal(0, noise, (THUMBNAIL, THUMBNAIL, 1))
    return np.clip(small + grain, 0, 255).astype(np.uint8)


def key_frame_times(thumbnails):
    """Times of the key frames in a sequence of thumbnails, four per second."""
    detector, found = SceneDetector(threshold=0.02, min_interval=0.5, max_interval=60.0), []
    for number, picture in enumerate(thumbnails):
        found += detector.add_frame(number / 4, picture, False, lambda t=picture: t)
    return [frame.time for frame in [*found, *detector.finish()]]


@pytest.mark.parametrize(
    ("background", "type_", "lines", "size"),
    [(8, 70, 3, 10), (0, 60, 1, 10), (0, 40, 3, 10), (16, 90, 3, 9), (20, 120, 5, 12)],
)
@pytest.mark.parametrize("noise", [0.0, 0.15])
def test_each_dark_slide_has_a_key_frame(background, type_, lines, size, noise):
    slides = [dark_slide(number, background, type_, lines, size) for number in range(4)]
    times = key_frame_times(thumbnail(slide, noise, seed) for slide in slides for seed in range(12))
    assert [int(time // 3) for time in times] == [0, 1, 2, 3]


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
def test_noise_in_the_dark_is_no_scene(noise):
    picture = dark_slide(1, 10, 80, 3)
    assert len(key_frame_times(thumbnail(picture, noise, seed) for seed in range(480))) <= 2


def test_a_black_frame_with_noise_shows_nothing():
    black, red = Image.new("RGB", (WIDTH, HEIGHT), (3, 3, 3)), Image.new("RGB", (WIDTH, HEIGHT), (200, 30, 30))
    pictures = [red] * 8 + [black] * 8 + [red] * 8
    assert len(key_frame_times(thumbnail(picture, 0.5, seed) for seed, picture in enumerate(pictures))) == 1


def test_a_video_of_dark_slides_has_a_key_frame_for_each(tmp_path):
    path = tmp_path / "dark.mp4"
    options = {"x264-params": "scenecut=0:keyint=250", "preset": "ultrafast"}
    scenes = [Scene(2, still(dark_slide(number, 8, 70, 3))) for number in range(3)]
    spans = write(path, scenes, Video("libx264", 10, options))
    times = extract(str(path), str(tmp_path), MediaSettings(image_size=32)).frame_times
    assert [[start <= time < end for start, end in spans].index(True) for time in times] == [0, 1, 2]
