"""Files whose header, streams or joints are unusual are read as players show them."""

import io
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from PIL import Image

from embedded.recordings import beeps, make
from ingest.common.errors import ObjectError
from ingest.media.container import declared_duration
from ingest.media.extraction import FRAMES_FILE, extract
from ingest.media.single_frame import frame_at
from read_media import BLUE, RATE, RED, SETTINGS, WHITE, pictures, read, recording


def centre(folder):
    """The colour in the middle of the first key frame."""
    return np.fromfile(folder / FRAMES_FILE, np.uint8).reshape(-1, 32, 32, 3)[0, 16, 16]


def test_a_cut_off_wav_file_is_read_in_part(tmp_path):
    whole = recording(tmp_path, "a.wav", "pcm_s16le")
    media, tones = read(tmp_path, "cut.wav", whole[: len(whole) // 2])
    assert media.metadata["partly_read"].startswith("it is cut off at 2 s; ")
    assert tones == pytest.approx([0.5], abs=0.03)
    assert "partly_read" not in read(tmp_path, "whole.wav", whole)[0].metadata


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "pcm_s16le"), ("a.mkv", "flac")])
@pytest.mark.parametrize("before", [b"ID3\3\0\0\0\0\x08\0" + bytes(1024), b"\r\n" * 10], ids=["tag", "lines"])
def test_media_behind_something_else_is_found(name, codec, before, tmp_path):
    _, tones = read(tmp_path, name, before + recording(tmp_path, f"b{name}", codec))
    assert tones == pytest.approx([0.5, 2.5], abs=0.03)


@pytest.mark.parametrize("length", [0, 32_000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_file_that_declares_a_wrong_length_is_read_to_its_end(length, tmp_path):
    whole = recording(tmp_path, "a.wav", "pcm_s16le")
    at = whole.index(b"data") + 4
    media, tones = read(tmp_path, "b.wav", whole[:at] + length.to_bytes(4, "little") + whole[at + 4 :])
    assert tones == pytest.approx([0.5, 2.5], abs=0.03)
    assert media.duration == pytest.approx(4, abs=0.01)
    assert "partly_read" not in media.metadata


def test_chunks_behind_the_samples_of_a_wav_file_are_no_sound(tmp_path):
    whole = recording(tmp_path, "a.wav", "pcm_s16le")
    media, _ = read(tmp_path, "b.wav", whole + b"LIST" + (9000).to_bytes(4, "little") + b"x" * 9000)
    assert media.duration == pytest.approx(4, abs=0.01)


def test_the_sample_rate_of_raw_aac_may_rise(tmp_path):
    joined = recording(tmp_path, "a.aac", "aac") + recording(tmp_path, "b.aac", "aac", rate=44_100)
    media, tones = read(tmp_path, "c.aac", joined)
    assert tones == pytest.approx([0.55, 2.55, 4.6, 6.6], abs=0.1)
    assert media.duration == pytest.approx(8.1, abs=0.1)


@pytest.mark.parametrize(("size", "believed"), [(8710, None), (4300, 5.6)])
def test_a_duration_that_the_bytes_of_an_mp3_file_last_for_may_be_an_estimate(size, believed):
    """The first is one of 4 s with a tag at its end, the second one that was cut off."""
    stream = SimpleNamespace(codec_context=SimpleNamespace(bit_rate=12_000))
    container = SimpleNamespace(
        format=SimpleNamespace(name="mp3", flags=0), duration=5_600_000, size=size, streams=[stream]
    )
    assert declared_duration(container) == believed


def test_a_cut_off_segment_of_an_mp4_file_is_noticed(tmp_path):
    options = {"movflags": "frag_keyframe+empty_moov"}
    noise = [Image.effect_noise((64, 48), 90).convert("RGB") for _ in range(30)]
    whole = Path(make(tmp_path / "a.mp4", pictures=[noise], options=options)).read_bytes()
    assert "partly_read" in read(tmp_path, "cut.mp4", whole[: len(whole) // 2])[0].metadata
    assert "partly_read" not in read(tmp_path, "whole.mp4", whole)[0].metadata


def write(path, codec, pixel_format, images, still=None):
    """A video of these images, behind a still picture that nothing marks as one."""
    with av.open(str(path), "w") as container:
        streams = [(container.add_stream("mjpeg", rate=10), "yuvj420p", [still])] if still else []
        streams.append((container.add_stream(codec, rate=10), pixel_format, images))
        for stream, name, shown in streams:
            (stream.width, stream.height), stream.pix_fmt = shown[0].size, name
        for stream, _, shown in streams:
            for number, image in enumerate(shown):
                frame = av.VideoFrame.from_ndarray(np.asarray(image), "rgba" if image.mode == "RGBA" else "rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 10)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def test_a_still_picture_before_the_film_is_not_the_film(tmp_path):
    cover = Image.new("RGB", (64, 48), RED)
    path = write(tmp_path / "a.mkv", "mpeg4", "yuv420p", pictures(BLUE), cover)
    read(tmp_path, "a.mkv", path.read_bytes())
    assert centre(tmp_path) == pytest.approx(BLUE, abs=20)
    assert frame_at(str(path), 0.3).getpixel((32, 24)) == pytest.approx(BLUE, abs=20)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format"), [("a.mov", "qtrle", "argb"), ("a.webm", "libvpx-vp9", "yuva420p")]
)
@pytest.mark.parametrize(("hidden", "drawn", "ground"), [(RED, BLUE, WHITE), (WHITE, WHITE, (0, 0, 0))])
def test_transparent_frames_are_shown_on_white_or_on_black_if_they_are_white(
    name, codec, pixel_format, hidden, drawn, ground, tmp_path
):
    image = Image.new("RGBA", (64, 48), (*hidden, 0))
    image.paste((*drawn, 255), (0, 0, 16, 48))
    path = write(tmp_path / name, codec, pixel_format, [image] * 10)
    read(tmp_path, name, path.read_bytes())
    shown = frame_at(str(path), 0.3)
    for colour in (centre(tmp_path), shown.getpixel((40, 24))):
        assert colour == pytest.approx(ground, abs=8)
    assert shown.getpixel((4, 24)) == pytest.approx(drawn, abs=20)


def test_a_frame_of_joined_files_is_found(tmp_path):
    first, second = (Path(make(tmp_path / f"{c}.mkv", pictures=[pictures(c, 20)])).read_bytes() for c in (RED, BLUE))
    path = tmp_path / "joined.mkv"
    path.write_bytes(first + second)
    assert frame_at(str(path), 3.0).getpixel((32, 24)) == pytest.approx(BLUE, abs=20)


def test_pictures_that_a_camera_sends_over_http_are_a_video(tmp_path):
    out = io.BytesIO()
    Image.new("RGB", (64, 48), BLUE).save(out, "JPEG")
    part = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (
        len(out.getvalue()),
        out.getvalue(),
    )
    media, _ = read(tmp_path, "a.mjpeg", part * 10)
    assert media.frame_times
    assert centre(tmp_path) == pytest.approx(BLUE, abs=20)


def made(folder, name):
    """The bytes of six seconds of film, a picture each two seconds, with tones at 1 s and 5 s."""
    noise = np.random.default_rng(1).integers(0, 256, (3, 48, 64, 3), np.uint8)
    film = [Image.fromarray(picture) for picture in noise for _ in range(20)]
    codec, sound = ("mpeg2video", "mp2") if name.endswith("mpg") else ("libx264", "aac")
    path = make(
        folder / name, pictures=[film], sounds=[beeps(6, 44_100, [1, 5])], rate=44_100, codec=codec, sound_codec=sound
    )
    return Path(path).read_bytes()


@pytest.mark.parametrize("filling", [b"\0", b"\xff"], ids=["zeros", "ones"])
@pytest.mark.parametrize("name", ["a.mkv", "a.ts", "a.flv", "a.mpg"])
def test_a_file_that_was_given_its_size_before_its_content_is_read_in_part(name, filling, tmp_path):
    whole = made(tmp_path, name)
    half = len(whole) // 2
    media, tones = read(tmp_path, f"cut.{name}", whole[:half] + filling * (len(whole) - half))
    assert "of its bytes were never written" in media.metadata["partly_read"]
    assert tones == pytest.approx([1], abs=0.05)
    assert "partly_read" not in read(tmp_path, f"whole.{name}", whole)[0].metadata


def test_a_hole_in_a_file_is_named(tmp_path):
    whole = made(tmp_path, "a.ts")
    third = len(whole) // 3
    media, tones = read(tmp_path, "b.ts", whole[:third] + bytes(third) + whole[2 * third :])
    assert "of its bytes were never written" in media.metadata["partly_read"]
    assert tones == pytest.approx([1, 5], abs=0.05)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.tta", "tta"), ("a.flac", "flac"), ("a.wv", "wavpack")]
)
def test_silence_is_no_filler(name, codec, tmp_path):
    assert "partly_read" not in read(tmp_path, f"b{name}", recording(tmp_path, name, codec))[0].metadata


def test_a_hole_in_mp3_is_named(tmp_path):
    whole = recording(tmp_path, "a.mp3", "libmp3lame")
    media, _ = read(tmp_path, "b.mp3", whole[: len(whole) // 2] + bytes(len(whole) // 2))
    assert "of its bytes were never written" in media.metadata["partly_read"]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"


@pytest.mark.parametrize(("name", "codec"), [("a.flac", "flac"), ("a.wav", "pcm_s16le"), ("a.m4a", "aac")])
def test_media_behind_the_headers_of_a_download_is_found(name, codec, tmp_path):
    media, tones = read(tmp_path, f"b{name}", HEAD + recording(tmp_path, name, codec))
    assert tones == pytest.approx([0.5, 2.5], abs=0.03)
    assert media.duration == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize(("name", "codec", "rate"), [("a.amr", "libopencore_amrnb", 8000), ("a.flv", "aac", 44_100)])
def test_recordings_that_were_joined_are_read_to_the_end(name, codec, rate, tmp_path):
    media, tones = read(tmp_path, f"b{name}", 2 * recording(tmp_path, name, codec, rate))
    assert tones == pytest.approx([0.5, 2.5, 4.5, 6.5], abs=0.15)
    assert "skipped_packets" not in media.metadata


@pytest.mark.parametrize("first", [pictures((0, 0, 0), 20), pictures(RED, 1)], ids=["black", "picture"])
def test_the_film_is_found_behind_a_track_that_shows_nothing(first, tmp_path):
    path = Path(make(tmp_path / "a.mkv", pictures=[first, pictures(BLUE, 20)]))
    extract(str(path), str(tmp_path), SETTINGS)
    assert centre(tmp_path) == pytest.approx(BLUE, abs=20)


def test_a_black_first_track_is_not_shown(tmp_path):
    path = make(tmp_path / "a.mkv", pictures=[pictures((0, 0, 0), 20), pictures(BLUE, 20)])
    assert frame_at(path, 0.3).getpixel((32, 24)) == pytest.approx(BLUE, abs=20)


def test_a_frame_of_joined_animations_is_found(tmp_path):
    images = [Image.new("RGB", (64, 48), colour) for colour in (BLUE, RED)]
    images[0].save(content := io.BytesIO(), "GIF", save_all=True, append_images=images[1:], duration=1000)
    (tmp_path / "a.gif").write_bytes(2 * content.getvalue())
    assert frame_at(str(tmp_path / "a.gif"), 2.0).getpixel((32, 24)) == pytest.approx(BLUE, abs=20)


@pytest.mark.parametrize("matrix", ["YCgCo", "bt2020c", "ICtCp"])
def test_frames_of_colours_that_ffmpeg_does_not_convert_are_shown(matrix, tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"x264-params": f"bframes=0:colormatrix={matrix}"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for image in pictures(RED):
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode(None))
    extract(str(path), str(tmp_path), SETTINGS)
    assert centre(tmp_path) == pytest.approx(RED, abs=20)
    assert frame_at(str(path), 0.0).getpixel((32, 24)) == pytest.approx(RED, abs=20)


def test_a_part_of_five_frames_is_not_lost_where_files_were_joined(tmp_path):
    first = Path(make(tmp_path / "a.ts", pictures=[pictures(RED, 5)])).read_bytes()
    second = Path(make(tmp_path / "b.ts", pictures=[pictures(BLUE, 20)])).read_bytes()
    media, _ = read(tmp_path, "c.ts", first + second)
    assert media.duration == pytest.approx(2.5, abs=0.2)  # 2.0 if both began at 0


def test_a_cover_that_is_marked_as_nothing_does_not_make_a_recording_longer(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        for packet in [*cover.encode(av.VideoFrame.from_image(pictures(RED)[0])), *cover.encode(None)]:
            packet.duration *= 700
            container.mux(packet)
        samples = av.AudioFrame.from_ndarray(beeps(4, RATE, [0.5, 2.5]), "s16", "mono")
        samples.sample_rate = RATE
        for packet in [*sound.encode(samples), *sound.encode(None)]:
            container.mux(packet)
    media = extract(str(tmp_path / "a.mp4"), str(tmp_path), SETTINGS)
    assert media.duration == pytest.approx(4, abs=0.1)
    assert "partly_read" not in media.metadata


def test_an_avi_file_whose_list_of_packets_is_whole_is_not_cut_off_whatever_its_header_declares(tmp_path):
    path = tmp_path / "sound.avi"
    make(path, sounds=[beeps(3, 8000, [1])], rate=8000, sound_codec="pcm_s16le")
    data = bytearray(path.read_bytes())
    head = data.index(b"strh")
    data[head + 40 : head + 44] = (900_000_000).to_bytes(4, "little")  # the stream's length, in samples
    path.write_bytes(data)
    assert "partly_read" not in extract(str(path), str(tmp_path), SETTINGS).metadata
    path.write_bytes(data[: len(data) // 2])
    assert "truncated" in extract(str(path), str(tmp_path), SETTINGS).metadata


def test_a_webp_image_under_the_name_of_a_video_is_named(tmp_path):
    path = tmp_path / "photo.mp4"
    Image.new("RGB", (8, 8)).save(path, "WEBP")
    with pytest.raises(ObjectError, match="but an image"):
        extract(str(path), str(tmp_path), SETTINGS)


@pytest.mark.parametrize("tag", [b"ID3\3\0\0\0\0\x08\0" + bytes(1024), b"ID3\4\0\0\0\0\0\x0aTIT2\0\0\0\2\0\0\0a"])
def test_a_tag_without_sound_is_named(tag, tmp_path):
    (tmp_path / "a.mp3").write_bytes(tag)
    with pytest.raises(ObjectError, match=r"holds a tag \(ID3\) and no sound") as caught:
        extract(str(tmp_path / "a.mp3"), str(tmp_path), SETTINGS)
    assert caught.value.failure == "Damaged"
