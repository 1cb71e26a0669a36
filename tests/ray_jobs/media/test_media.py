"""Extraction of audio and key frames: files made here, and a corpus of real files where it is present."""

import json
import re
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from embedded.recordings import beeps, make, onsets
from embedded.scenes import Scene, Video, photo, still, write
from ingest.common.errors import ObjectError
from ingest.common.failures import is_retried
from ingest.media.extraction import AUDIO_FILE, FRAMES_FILE, MediaSettings, extract
from ingest.media.single_frame import frame_at

SETTINGS = MediaSettings(image_size=64)
RAY_JOBS = Path(__file__).parents[3] / "ray_jobs"


def images(*seeds, size=(160, 120)):
    """One second of each photo."""
    return [photo(seed).resize(size) for seed in seeds for _ in range(10)]


def failure(path, folder, settings=SETTINGS):
    with pytest.raises(ObjectError) as caught:
        extract(str(path), str(folder), settings)
    error = caught.value
    assert error.failure.stage == "parse"
    assert error.message.count("\n") == 0
    assert str(path) not in error.message
    return error


def test_a_video_has_audio_and_key_frames(tmp_path):
    path = make(tmp_path / "a.mp4", pictures=[images(1, 2)], sounds=[beeps(2, 16_000, [0.5, 1.5])])
    media = extract(path, str(tmp_path), SETTINGS)
    assert media.duration == pytest.approx(2.0, abs=0.1)
    assert media.audio_seconds == pytest.approx(2.0, abs=0.1)
    assert onsets(tmp_path / AUDIO_FILE) == pytest.approx([0.5, 1.5], abs=0.02)
    frames = np.fromfile(tmp_path / FRAMES_FILE, np.uint8).reshape(-1, 64, 64, 3)
    assert len(frames) == len(media.frame_times) == 2
    expected = np.asarray(images(2)[0].resize((85, 64), Image.Resampling.BICUBIC).crop((10, 0, 74, 64)), int)
    assert np.abs(frames[1] - expected).mean() < 6
    assert media.metadata == {
        "container": "mov,mp4,m4a,3gp,3g2,mj2", "streams": {"video": 1, "audio": 1}, "width": 160, "height": 120,
        "fps": 10.0, "rotation": 0, "video_codec": "h264", "audio_codec": "aac",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.mp3", "libmp3lame", 44_100), ("a.flac", "flac", 48_000), ("a.wav", "pcm_s16le", 8_000),
     ("a.m4a", "aac", 44_100), ("a.ogg", "libopus", 48_000), ("a.aiff", "pcm_s16be", 22_050)],
)  # fmt: skip
def test_the_times_of_audio_files_are_exact(name, codec, rate, tmp_path):
    path = make(tmp_path / name, sounds=[beeps(3, rate, [1.0, 2.5])], rate=rate, sound_codec=codec)
    media = extract(path, str(tmp_path), SETTINGS)
    assert media.frame_times == []
    found = [media.audio_start + time for time in onsets(tmp_path / AUDIO_FILE)]
    assert found == pytest.approx([1.0, 2.5], abs=0.03)
    assert media.audio_seconds == pytest.approx(3.0, abs=0.1)


def test_a_video_may_have_no_audio(tmp_path):
    media = extract(make(tmp_path / "a.mp4", pictures=[images(1)]), str(tmp_path), SETTINGS)
    assert (media.audio_seconds, len(media.frame_times)) == (0, 1)


def test_a_cover_is_no_video_stream(tmp_path):
    path = make(tmp_path / "a.mp3", sounds=[beeps(1, 44_100)], rate=44_100, sound_codec="libmp3lame", cover=photo(1))
    with av.open(path) as container:
        assert len(container.streams.video) == 1
    assert extract(path, str(tmp_path), SETTINGS).frame_times == []


def test_the_first_stream_of_each_kind_is_used(tmp_path):
    sounds = [beeps(2, 16_000, [0.5]), beeps(2, 16_000, [1.5])]
    path = make(tmp_path / "a.mkv", pictures=[images(1, 1), images(2, 3)], sounds=sounds)
    media = extract(path, str(tmp_path), SETTINGS)
    assert onsets(tmp_path / AUDIO_FILE) == pytest.approx([0.5], abs=0.03)
    assert len(media.frame_times) == 1
    assert media.metadata["streams"] == {"video": 2, "audio": 2}


def test_times_count_from_the_start_of_the_container(tmp_path):
    path = make(tmp_path / "a.ts", pictures=[images(1, 2)], sounds=[beeps(2, 16_000, [0.5])], late=(5.0, 5.4))
    with av.open(path) as container:
        assert container.start_time > 4_000_000
    media = extract(path, str(tmp_path), SETTINGS)
    assert media.audio_start == pytest.approx(0.4, abs=0.1)  # AAC adds silence at the beginning
    assert media.audio_start + onsets(tmp_path / AUDIO_FILE)[0] == pytest.approx(0.9, abs=0.06)
    assert media.frame_times[0] == pytest.approx(0.0, abs=0.3)
    assert 1.0 <= media.frame_times[1] < 2.0


def test_a_gap_in_the_audio_becomes_silence(tmp_path):
    path = str(tmp_path / "a.mkv")
    with av.open(path, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for start in (0.0, 3.0):
            frame = av.AudioFrame.from_ndarray(beeps(1, 16_000, [0.5]), "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, int(start * 16_000), Fraction(1, 16_000)
            container.mux(stream.encode(frame))
    assert extract(path, str(tmp_path), SETTINGS).audio_seconds == pytest.approx(4.0, abs=0.01)
    assert onsets(tmp_path / AUDIO_FILE) == pytest.approx([0.5, 3.5], abs=0.01)


def test_times_are_exact_with_a_variable_frame_rate(tmp_path):
    stamps = [0, 3, 7, 40, 41, 43, 300, 310, 370, 500]
    path = make(tmp_path / "a.mkv", pictures=[images(1)[:6] + images(2)[:4]], pts=stamps)
    first, second = extract(path, str(tmp_path), SETTINGS).frame_times
    assert first < 3.0 <= second


TURNS = {
    "as it is": ((1, 0, 0, 1), None),
    "clockwise": ((0, 1, -1, 0), Image.Transpose.ROTATE_90),
    "upside down": ((-1, 0, 0, -1), Image.Transpose.ROTATE_180),
    "counter-clockwise": ((0, -1, 1, 0), Image.Transpose.ROTATE_270),
    "mirrored": ((-1, 0, 0, 1), Image.Transpose.FLIP_LEFT_RIGHT),
    "flipped": ((1, 0, 0, -1), Image.Transpose.FLIP_TOP_BOTTOM),
    "transposed": ((0, 1, 1, 0), Image.Transpose.TRANSPOSE),
    "transversed": ((0, -1, -1, 0), Image.Transpose.TRANSVERSE),
}
"""The numbers of the display matrix by which a player shows a picture, and how it is stored then."""


def display_matrix(a, b, c, d):
    return struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize("name", TURNS)
def test_a_turned_or_mirrored_video_is_upright(tmp_path, name):
    matrix, stored = TURNS[name]
    shown = Image.new("RGB", (120, 160), (20, 20, 200))
    shown.paste((220, 30, 30), (0, 0, 120, 80))
    shown.paste((30, 220, 30), (0, 0, 60, 80))
    picture = shown if stored is None else shown.transpose(stored)
    plain = Path(make(tmp_path / "a.mp4", pictures=[[picture] * 10])).read_bytes()
    identity = display_matrix(1, 0, 0, 1)
    at = plain.index(identity, plain.index(b"tkhd"))
    path = tmp_path / "turned.mp4"
    path.write_bytes(plain[:at] + display_matrix(*matrix) + plain[at + len(identity) :])
    extract(str(path), str(tmp_path), SETTINGS)
    (frame,) = np.fromfile(tmp_path / FRAMES_FILE, np.uint8).reshape(-1, 64, 64, 3)
    whole = np.asarray(frame_at(str(path), 0.0).resize((64, 64)))
    for pixels in (frame, whole):
        corners = [pixels[5, 5], pixels[5, -5], pixels[-5, 5], pixels[-5, -5]]
        assert [int(corner.argmax()) for corner in corners] == [1, 0, 2, 2]


def test_the_readable_part_of_a_cut_off_file_is_extracted(tmp_path):
    whole = make(tmp_path / "a.mkv", pictures=[images(1, 2, 3, 4)], sounds=[beeps(4, 16_000, [0.5, 3.5])])
    path = tmp_path / "cut.mkv"
    data = Path(whole).read_bytes()
    path.write_bytes(data[: len(data) // 2])
    media = extract(str(path), str(tmp_path), SETTINGS)
    assert media.metadata["truncated"] is True
    assert media.duration < 3.5
    assert len(media.frame_times) < 4
    assert onsets(tmp_path / AUDIO_FILE) == pytest.approx([0.5], abs=0.03)
    assert re.match(r"it is cut off at \d s", media.metadata["partly_read"])
    assert not {"truncated", "partly_read"} & set(extract(whole, str(tmp_path), SETTINGS).metadata)


def test_corrupt_packets_are_skipped_and_counted(tmp_path):
    whole, path = make(tmp_path / "a.mkv", sounds=[beeps(4, 16_000, [0.5, 3.5])]), str(tmp_path / "bad.mkv")
    with av.open(whole) as source, av.open(path, "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for number, packet in enumerate(packet for packet in source.demux() if packet.size):
            copy = av.Packet(b"\xff" * packet.size) if number in (20, 21, 22) else packet
            copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
            copy.stream = stream
            target.mux(copy)
    media = extract(path, str(tmp_path), SETTINGS)
    assert media.metadata["skipped_packets"] == 3
    assert media.metadata["partly_read"].startswith("3 of its packets are corrupt; ")
    assert onsets(tmp_path / AUDIO_FILE) == pytest.approx([0.5, 3.5], abs=0.03)


def test_a_file_longer_than_the_limit_is_refused(tmp_path):
    path = make(tmp_path / "a.flac", sounds=[beeps(3, 16_000)], sound_codec="flac")
    error = failure(path, tmp_path, MediaSettings(max_seconds=2.0))
    assert (error.failure, error.limit) == ("TooLong", 2.0)


def test_a_file_without_a_declared_duration_is_refused_at_the_limit(tmp_path):
    path = make(tmp_path / "a.mkv", sounds=[beeps(3, 16_000)], sound_codec="flac", options={"live": "1"})
    with av.open(path) as container:
        assert container.duration is None
    assert failure(path, tmp_path, MediaSettings(max_seconds=2.0)).failure == "TooLong"


def test_an_encrypted_file_is_refused(tmp_path):
    key = "00112233445566778899aabbccddeeff"
    # Exact: with some of FFmpeg's random initial values, the encrypted packets happen to be decodable.
    options = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": key, "encryption_kid": key, "fflags": "bitexact"}
    path = make(tmp_path / "a.mp4", pictures=[images(1)], sounds=[beeps(1, 16_000, [0.2])], options=options)
    assert failure(path, tmp_path).failure == "Encrypted"


def test_a_file_with_only_subtitles_has_no_media(tmp_path):
    path = str(tmp_path / "a.mkv")
    with av.open(path, "w") as container:
        stream = container.add_stream("ass")
        stream.codec_context.subtitle_header = b"[Script Info]\n"
        packet = av.Packet(b"0,0,Default,,0,0,0,,hello")
        packet.stream, packet.pts, packet.dts, packet.duration, packet.time_base = stream, 0, 0, 900, Fraction(1, 1000)
        container.mux(packet)
    assert failure(path, tmp_path).failure == "NoMedia"


@pytest.mark.parametrize(
    ("data", "error_type"),
    [
        (b"", "Empty"),
        (b"minutes of the meeting\n" * 100, "NotMedia"),
        (b"<html><body>Not found</body></html>", "NotMedia"),
        (b"\x00" * 5000, "NotMedia"),
        (b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + b"\x00\x00\x10\x00mdat" + b"x" * 900, "Damaged"),
        (b"\x00\x00\x00\x18stypmsdh\x00\x00\x00\x00msdhmsix" + b"\x00\x00\x00\x10moof" + b"x" * 900, "Damaged"),
        (b"RIFF\x84\x03\x00\x00WEBPVP8 " + b"x" * 900, "NotMedia"),
        (b"#EXTM3U\n#EXTINF:10,\nsecret.mp4\n#EXT-X-ENDLIST\n", "NotMedia"),
        (b"ffconcat version 1.0\nfile secret.wav\n", "NotMedia"),
    ],
    ids=["empty", "text", "html", "nulls", "no index", "segment", "picture", "playlist", "list of files"],
)
def test_a_file_that_is_no_media_is_refused(data, error_type, tmp_path):
    make(tmp_path / "secret.wav", sounds=[beeps(1, 16_000)], sound_codec="pcm_s16le")
    path = tmp_path / "a.mp4"
    path.write_bytes(data)
    assert failure(path, tmp_path).failure == error_type


def test_an_image_is_no_video(tmp_path):
    photo(1).save(tmp_path / "a.jpg")
    assert failure(tmp_path / "a.jpg", tmp_path).failure == "NotMedia"


def test_ffmpeg_prints_nothing(tmp_path, capfd):
    path = Path(make(tmp_path / "a.mp4", pictures=[images(1, 2)], sounds=[beeps(2, 16_000, [0.5])]))
    data = bytearray(path.read_bytes())
    data[200:4000:37] = bytes(len(data[200:4000:37]))
    path.write_bytes(data)
    try:
        assert extract(str(path), str(tmp_path), SETTINGS).metadata["skipped_packets"]
    except ObjectError as error:
        assert error.failure == "Damaged"
    assert capfd.readouterr() == ("", "")


MEMORY = """
import resource, sys
from ingest.media.extraction import MediaSettings, extract
extract(sys.argv[1], sys.argv[3], MediaSettings())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
media = extract(sys.argv[2], sys.argv[3], MediaSettings())
print(media.duration, media.audio_seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.nightly
def test_two_hours_need_no_more_memory_than_ten_seconds(tmp_path):
    paths = []
    for seconds in (10, 7200):
        path = tmp_path / f"{seconds}.mkv"
        with av.open(str(path), "w") as container:
            video = container.add_stream("mpeg4", rate=1, options={"g": "10"})
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            audio = container.add_stream("pcm_u8", rate=8000, layout="mono")
            image = av.VideoFrame.from_image(photo(1).resize((64, 48)))
            for second in range(seconds):
                frame = av.AudioFrame.from_ndarray(np.full((1, 8000), 128, np.uint8), "u8", "mono")
                frame.sample_rate, frame.pts, frame.time_base = 8000, 8000 * second, Fraction(1, 8000)
                image.pts, image.time_base = second, Fraction(1, 1)
                container.mux(video.encode(image))
                container.mux(audio.encode(frame))
            container.mux(video.encode(None))
        paths.append(str(path))
    child = subprocess.run(
        [sys.executable, "-c", MEMORY, *paths, str(tmp_path)],
        env={"PYTHONPATH": str(RAY_JOBS), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    duration, audio_seconds, grown = map(float, child.stdout.split())
    assert (duration, audio_seconds) == pytest.approx((7200, 7200), abs=2)
    kilobyte = 1 if sys.platform == "linux" else 1024
    assert grown / kilobyte < 20_000


def test_each_scene_has_a_key_frame(tmp_path):
    path = tmp_path / "a.mp4"
    spans = write(path, [Scene(1.2, still(photo(seed))) for seed in range(3)], Video("libx264", 10))
    times = extract(str(path), str(tmp_path), SETTINGS).frame_times
    assert [[start <= time < end for start, end in spans].index(True) for time in times] == [0, 1, 2]


@pytest.mark.nightly
def test_all_good_files_of_the_corpus_are_extracted(corpus, tmp_path):
    rows = [json.loads(line) for line in (corpus / "truth_av.jsonl").read_text().splitlines()]
    spoken = {row["file"] for row in rows}
    files = [file for folder in ("audio/misc", "video/codec", "video/real")
             for file in sorted(corpus.glob(f"{folder}/*"))]  # fmt: skip
    assert len(files) > 35
    for file in files:
        media = extract(str(file), str(tmp_path), SETTINGS)
        name = str(file.relative_to(corpus))
        assert media.frame_times or name.startswith("audio/"), name
        assert media.audio_seconds or name not in spoken, name
        assert "truncated" not in media.metadata, name
        assert "skipped_packets" not in media.metadata, name


@pytest.mark.nightly
def test_every_bad_file_of_the_corpus_is_extracted_or_fails_with_an_object_error(corpus, tmp_path):
    outcomes = {}
    for file in sorted(corpus.glob("bad/video/*")):
        try:
            metadata = extract(str(file), str(tmp_path), SETTINGS).metadata
            outcomes[file.name] = "partly" if "partly_read" in metadata else "ok"
        except ObjectError as error:
            outcomes[file.name] = error.failure
    assert outcomes["trunc.mkv"] == "partly"
    assert outcomes["zero.mp4"] == "Empty"
    assert outcomes["text.mp4"] == outcomes["jpeg_named.mp4"] == "NotMedia"
    assert outcomes["bitrot.mkv"] == "partly"


def test_a_full_disk_is_retried(tmp_path):
    (tmp_path / AUDIO_FILE).symlink_to("/dev/full")
    path = tmp_path / "sound.wav"
    make(path, sounds=[beeps(5, 16_000)], sound_codec="pcm_s16le")
    with pytest.raises(ObjectError) as caught:
        extract(str(path), str(tmp_path), SETTINGS)
    assert caught.value.failure == "NoSpace"
    assert is_retried(caught.value.failure, attempts=1)
