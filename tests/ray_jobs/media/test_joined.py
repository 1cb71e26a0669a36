"""Recordings that were joined byte by byte are read to the end, or what is left out is named."""

from pathlib import Path

import av
import pytest

from embedded.recordings import beeps, make
from ingest.media.joints import joined_files
from ingest.media.single_frame import frame_at
from read_media import BLUE, RATE, RED, pictures, read, recording

SOUNDS = [
    ("a.wav", "pcm_s16le"), ("a.wav", "adpcm_ima_wav"), ("a.aiff", "pcm_s16be"), ("a.aiff", "pcm_s24be"),
    ("a.caf", "pcm_s16be"), ("a.w64", "pcm_s16le"), ("a.au", "pcm_s16be"), ("a.tta", "tta"), ("a.mka", "flac"),
    ("a.flac", "flac"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "codec"), SOUNDS)
def test_three_files_of_sound_that_were_joined_are_read_to_the_end(name, codec, tmp_path):
    parts = [recording(tmp_path, name, codec, tones=tones) for tones in ((0.5, 2.5), (1.5,), (1, 3))]
    media, tones = read(tmp_path, f"b{name}", b"".join(parts))
    assert tones == pytest.approx([0.5, 2.5, 5.5, 9, 11], abs=0.2)
    assert media.duration == pytest.approx(12, abs=0.3)


@pytest.mark.parametrize(("name", "codec"), [("a.ogg", "libopus"), ("a.aac", "aac"),
                                             ("a.mp3", "libmp3lame"), ("a.ac3", "ac3")])  # fmt: skip
def test_what_ffmpeg_reads_on_behind_a_joint_is_left_to_it(name, codec, tmp_path):
    rate = 48_000
    parts = [recording(tmp_path, name, codec, rate, tones) for tones in ((0.5, 2.5), (1.5,), (1, 3))]
    media, tones = read(tmp_path, f"b{name}", b"".join(parts))
    assert tones == pytest.approx([0.5, 2.5, 5.5, 9, 11], abs=0.2)
    assert "partly_read" not in media.metadata
    assert joined_files(str(tmp_path / f"b{name}")) == []


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_joined_wav_files_that_declare_no_length_have_no_clicks(length, tmp_path):
    whole = recording(tmp_path, "a.wav", "pcm_s16le")
    at, declared = whole.index(b"data") + 4, length.to_bytes(4, "little")
    one = whole[:4] + declared + whole[8:at] + declared + whole[at + 4 :]
    media, tones = read(tmp_path, "b.wav", 3 * one)
    assert tones == pytest.approx([0.5, 2.5, 4.5, 6.5, 8.5, 10.5], abs=0.03)
    assert media.duration == pytest.approx(12, abs=0.01)
    assert "partly_read" not in media.metadata


def test_a_wav_file_of_another_rate_behind_the_first_is_named(tmp_path):
    first, second = (recording(tmp_path, f"{rate}.wav", "pcm_s16le", rate) for rate in (16_000, 44_100))
    media, tones = read(tmp_path, "b.wav", first + second)
    assert media.metadata["partly_read"].startswith("another recording is joined behind its end")
    assert tones == pytest.approx([0.5, 2.5], abs=0.03)


def test_an_ogg_file_of_another_codec_behind_the_first_is_named(tmp_path):
    first, second = recording(tmp_path, "a.ogg", "libopus", 48_000), recording(tmp_path, "b.ogg", "flac")
    media, tones = read(tmp_path, "c.ogg", first + second)
    assert media.metadata["partly_read"].startswith("another recording is joined behind its end")
    assert tones == pytest.approx([0.5, 2.5], abs=0.03)
    assert "partly_read" not in read(tmp_path, "d.ogg", 2 * first)[0].metadata


def test_the_last_of_joined_wav_files_may_be_cut_off(tmp_path):
    whole = recording(tmp_path, "a.wav", "pcm_s16le")
    media, tones = read(tmp_path, "b.wav", 2 * whole + whole[: len(whole) // 2])
    assert tones == pytest.approx([0.5, 2.5, 4.5, 6.5, 8.5], abs=0.03)
    assert media.metadata["partly_read"].startswith("it is cut off at 10 s")


def test_a_whole_file_is_not_searched_for_headers(tmp_path):
    """A sampler may keep a file of sound in a chunk of its own."""
    whole = recording(tmp_path, "a.wav", "pcm_s16le")
    chunk = b"samp" + len(whole).to_bytes(4, "little") + whole
    (tmp_path / "b.wav").write_bytes(b"RIFF" + (len(whole) - 8 + len(chunk)).to_bytes(4, "little") + whole[8:] + chunk)
    assert joined_files(str(tmp_path / "b.wav")) == []


def test_mp4_files_that_were_joined_are_read_to_the_end(tmp_path):
    whole = recording(tmp_path, "a.m4a", "aac")
    media, tones = read(tmp_path, "b.m4a", 3 * whole)
    assert tones == pytest.approx([0.5, 2.5, 4.5, 6.5, 8.5, 10.5], abs=0.3)
    assert media.duration == pytest.approx(12, abs=0.4)
    assert "partly_read" not in media.metadata
    assert media.metadata["container"].startswith("mov")


def test_a_frame_of_the_second_of_joined_mp4_files_is_found(tmp_path):
    parts = [
        Path(make(tmp_path / f"{name}.mp4", pictures=[pictures(colour, 20)], sounds=[beeps(4, RATE, [1])], rate=RATE,
                  sound_codec="aac")).read_bytes()
        for name, colour in (("a", RED), ("b", BLUE))
    ]  # fmt: skip
    media, tones = read(tmp_path, "joined.mp4", b"".join(parts))
    assert media.duration == pytest.approx(8, abs=0.3)
    assert tones == pytest.approx([1, 5], abs=0.3)
    assert len(media.frame_times) == 2
    shown = frame_at(str(tmp_path / "joined.mp4"), media.frame_times[1])
    assert shown.getpixel((32, 24)) == pytest.approx(BLUE, abs=20)


def test_an_mp4_file_of_another_format_behind_the_first_is_named(tmp_path):
    first, second = (recording(tmp_path, f"{rate}.m4a", "aac", rate) for rate in (16_000, 44_100))
    media, tones = read(tmp_path, "b.m4a", first + second)
    assert media.metadata["partly_read"].startswith("another recording is joined behind its end")
    assert tones == pytest.approx([0.5, 2.5], abs=0.03)
    assert "partly_read" not in read(tmp_path, "c.m4a", first)[0].metadata


def test_a_joined_mp4_file_that_is_cut_off_is_named(tmp_path):
    sound, path = beeps(20, RATE, [0.5]), tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        samples = av.AudioFrame.from_ndarray(sound, "s16", "mono")
        samples.sample_rate = RATE
        for packet in [*stream.encode(samples), *stream.encode(None)]:
            container.mux(packet)
    whole = path.read_bytes()
    media, _ = read(tmp_path, "b.mp4", whole + whole[: len(whole) * 2 // 3])
    assert "partly_read" in media.metadata
