"""The picture that people see of a moment: its own frame, in the proportions of a player."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from ingest.media.single_frame import frame_at


def film(path, brightness, rate=Fraction(25), ratio=None):
    """A film of even frames, each as bright as the list says."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
        if ratio is not None:
            stream.codec_context.sample_aspect_ratio = ratio
        for value in brightness:
            frame = av.VideoFrame.from_image(Image.new("RGB", (128, 64), (value, value, value)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


@pytest.mark.parametrize("rate", [Fraction(24000, 1001), Fraction(60000, 1001), Fraction(60), Fraction(100)])
def test_a_moment_has_its_own_frame_at_every_rate(tmp_path, rate):
    path = film(tmp_path / "film.mp4", [60, 100, 140, 180, 220], rate)
    seen = [int(np.asarray(frame_at(path, round(float(number / rate), 3))).mean()) for number in range(5)]
    assert np.allclose(seen, [60, 100, 140, 180, 220], atol=8)


@pytest.mark.parametrize(
    ("ratio", "size"), [(None, (128, 64)), (Fraction(4, 3), (171, 64)), (Fraction(1, 2), (128, 128))]
)
def test_a_picture_has_square_pixels(tmp_path, ratio, size):
    assert frame_at(film(tmp_path / "film.mp4", [200], ratio=ratio), 0).size == size
