"""Pictures of high dynamic range look like ordinary ones: as stills and as key frames of videos."""

import io
import struct
import zlib
from threading import Event

import av
import numpy as np
import pillow_heif
import pytest
from PIL import Image

from embedded.scenes import photo
from ingest.common.hdr import HLG, PQ, as_shown
from ingest.image.opening import open_picture, prepare_images
from ingest.media.sampling import Sampling
from ingest.media.single_frame import frame_at
from ingest.media.video import extract_frames

WIDTH, HEIGHT = 96, 64
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
TRANSFERS = pytest.mark.parametrize("transfer", [PQ, HLG])


def original():
    return np.asarray(photo(3).resize((WIDTH, HEIGHT)))


def encoded(transfer):
    """The photo in the values of a transfer, from 0 to 1: white paper has 203 of 1,000 or 10,000 cd/m2 (BT.2408)."""
    values = original() / 255
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4) @ TO_BT2020.T
    if transfer == PQ:
        power = (light * 203 / 10_000) ** (2610 / 16384)
        return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)
    light = light * 203 / 1000
    scene = light * np.maximum(light @ [0.2627, 0.6780, 0.0593], 1e-9)[..., None] ** (1 / 1.2 - 1)
    logarithm = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), logarithm)


def assert_like_the_original(pixels):
    expected = original().astype(int)
    assert np.abs(pixels.astype(int) - expected).mean() < 10
    assert pixels.std() > 0.9 * expected.std()


def png(transfer):
    out = io.BytesIO()
    Image.fromarray((255 * encoded(transfer)).round().astype(np.uint8)).save(out, "PNG")
    data, chunk = out.getvalue(), b"cICP" + bytes((9, transfer, 0, 1))
    return data[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]


def heif(transfer):
    values = (65535 * encoded(transfer)).round().astype("<u2").tobytes()
    out = io.BytesIO()
    pillow_heif.from_bytes(mode="RGB;16", size=(WIDTH, HEIGHT), data=values).save(
        out, quality=95, color_primaries=9, transfer_characteristics=transfer, matrix_coefficients=9, full_range_flag=1
    )
    return out.getvalue()


@pytest.mark.parametrize("make", [png, heif])
@TRANSFERS
def test_a_still_looks_like_the_original(make, transfer):
    prepare_images()
    assert_like_the_original(np.asarray(open_picture(make(transfer), 10**6, 64).image))


@TRANSFERS
def test_a_key_frame_looks_like_the_original(tmp_path, transfer):
    pixels = (255 * encoded(transfer)).round().astype(np.uint8)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"qp": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv444p"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = transfer, 9, 1, 1
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv444p", dst_colorspace=1)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    frames = extract_frames(str(path), str(tmp_path / "f"), Sampling(64, 0.02, 0.5, 60.0, 10, 60.0), Event())
    assert len(frames.times) == 1
    crop = np.fromfile(tmp_path / "f", np.uint8).reshape(64, 64, 3)
    left = (WIDTH - HEIGHT) // 2
    assert np.abs(crop.astype(int) - original()[:, left : left + 64].astype(int)).mean() < 10
    assert_like_the_original(np.asarray(frame_at(str(path), 0.0)))


def test_ordinary_pixels_stay_as_they_are():
    pixels = original()
    assert as_shown(pixels, 1) is pixels
