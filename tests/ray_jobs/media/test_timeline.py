"""One timeline for frames and speech, and a measured duration, whatever the time stamps and the header say."""

import struct
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.format import Flags
from PIL import Image

from embedded.recordings import beeps, make, onsets
from ingest.common.errors import ObjectError
from ingest.media.extraction import AUDIO_FILE, MediaSettings, extract
from ingest.media.single_frame import frame_at
from ingest.media.timeline import Timeline

SETTINGS = MediaSettings(image_size=32, max_seconds=600)
RED, GREEN = (200, 30, 30), (30, 160, 60)
SECOND = 10
"""Packets of a stream."""


def scenes():
    """Two seconds of red and two of green."""
    return [Image.new("RGB", (64, 48), colour) for colour in (RED, GREEN) for _ in range(20)]


@pytest.fixture(scope="module")
def segment(tmp_path_factory):
    """Four seconds of MPEG-TS: two scenes, tones at 0.5 s and 2.5 s."""
    path = tmp_path_factory.mktemp("segment") / "a.ts"
    make(path, pictures=[scenes()], sounds=[beeps(4, 16_000, [0.5, 2.5])])
    return path.read_bytes()


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """The same in Matroska."""
    path = tmp_path_factory.mktemp("recording") / "a.mkv"
    make(path, pictures=[scenes()], sounds=[beeps(4, 16_000, [0.5, 2.5])])
    return path.read_bytes()


def stream(kind, stamps, *, index=0, length=0.1, shown=None):
    """Packets of 0.1 s of a stream with time stamps in seconds."""
    base = Fraction(1, 1000)

    def ticks(stamp):
        return None if stamp is None else round(stamp * 1000)

    return [
        SimpleNamespace(
            stream_index=index, time_base=base, dts=ticks(stamp), pts=ticks((shown or stamps)[number]),
            duration=round(length * 1000), kind=kind, is_discard=False,
        )
        for number, stamp in enumerate(stamps)
    ]  # fmt: skip


def placed(*streams, start=None, jumps=True):
    """The times, in seconds, of packets that are stored side by side, by kind, and the end of the timeline."""
    container = SimpleNamespace(
        format=SimpleNamespace(flags=Flags.ts_discont.value if jumps else 0),
        start_time=None if start is None else round(start * av.time_base), streams=[],
    )  # fmt: skip
    timeline, times = Timeline(container), {}
    for together in zip(*streams, strict=True):
        for packet in together:
            timeline.place(packet)
            stamp = packet.dts if packet.pts is None else packet.pts
            times.setdefault(packet.kind, []).append(stamp / 1000)
    return times, timeline.end


def steps(start, count):
    return [round(start + number / SECOND, 3) for number in range(count)]


@pytest.mark.parametrize(
    "second",
    [0.0, 100.0, 3004.0, -500.0, -(2**33) / 90_000],
    ids=["restart", "a jump", "50 minutes", "backward", "wrapped"],
)
def test_an_epoch_follows_the_one_before(second):
    stamps = steps(0, 40) + steps(second, 40)
    times, end = placed(stream("video", stamps), stream("audio", stamps, index=1))
    assert times["video"] == pytest.approx(steps(0, 80), abs=0.11)
    assert times["audio"] == pytest.approx(times["video"], abs=0.11)
    assert end == pytest.approx(8.0, abs=0.11)


def test_a_stream_that_follows_its_epoch_later_keeps_its_distance():
    video = stream("video", steps(0, 40) + steps(0, 40))
    late = stream("audio", steps(0, 44) + steps(0.4, 36), index=1)
    times, _ = placed(video, late)
    assert times["audio"][44:] == pytest.approx([video[44 + number].dts / 1000 for number in range(36)], abs=0.11)


def test_a_pause_in_one_stream_is_no_jump():
    times, end = placed(stream("video", steps(0, 400)), stream("audio", steps(0, 10) + steps(1, 390), index=1))
    video = steps(0, 400)
    audio = stream("audio", [*steps(0, 100), *steps(30, 100)], index=1)
    assert end == pytest.approx(40, abs=0.11)
    container = SimpleNamespace(format=SimpleNamespace(flags=Flags.ts_discont.value), start_time=0, streams=[])
    timeline = Timeline(container)
    waiting = list(audio)
    for packet in stream("video", video):
        timeline.place(packet)
        while waiting and waiting[0].dts <= packet.dts:
            timeline.place(waiting.pop(0))
    assert audio[100].dts == 30_000
    assert times["audio"][-1] == pytest.approx(39.9)


def test_a_pause_of_some_minutes_is_kept_where_time_stamps_do_not_jump():
    stamps = steps(0, 10) + steps(120, 10)
    times, _ = placed(stream("video", stamps), stream("audio", stamps, index=1), jumps=False)
    assert times["video"] == pytest.approx(stamps)


def test_streams_with_clocks_of_their_own_begin_together():
    times, _ = placed(stream("video", steps(0, 40)), stream("audio", steps(5000, 40), index=1), start=0)
    assert times["audio"] == pytest.approx(times["video"], abs=0.3)


def test_times_count_from_the_start_of_the_container():
    times, end = placed(stream("video", steps(20_000, 20)), start=20_000)
    assert times["video"] == pytest.approx(steps(0, 20))
    assert end == pytest.approx(2.0)


def test_packets_without_time_stamps_follow_one_another():
    times, end = placed(stream("video", [None] * 20))
    assert times["video"] == pytest.approx(steps(0, 20))
    assert end == pytest.approx(2.0)


def test_reordered_frames_are_no_jump():
    shown = [round(at + delay, 3) for at, delay in zip(steps(0, 40), [0.1, 0.4, 0.1, -0.1] * 10, strict=True)]
    times, _ = placed(stream("video", steps(0, 40), shown=shown))
    assert times["video"] == pytest.approx(shown)
    only_shown = stream("video", [None] * 40, shown=shown)
    assert placed(only_shown)[0]["video"] == pytest.approx(shown)


def test_a_packet_that_is_stored_too_late_moves_no_others():
    stamps = [*steps(0, 20), 0.5, *steps(2.1, 19)]
    times, end = placed(stream("video", stamps))
    assert times["video"][21:] == pytest.approx(stamps[21:])
    assert end == pytest.approx(4.0)


@pytest.mark.parametrize("kind", ["audio", "video"])
def test_a_single_time_ahead_of_its_neighbours_moves_no_others(kind, recording, tmp_path):
    whole, bent = tmp_path / "whole.mkv", tmp_path / "bent.mkv"
    whole.write_bytes(recording)
    with av.open(str(whole)) as source, av.open(str(bent), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        count = 0
        for packet in source.demux():
            if packet.dts is None:
                continue
            count += packet.stream.type == kind
            if packet.stream.type == kind and count == 15:
                packet.pts += round(8 / packet.time_base)
            packet.stream = streams[packet.stream_index]
            target.mux(packet)
    assert_one_timeline(bent, tmp_path, 1)


def assert_one_timeline(path, folder, segments):
    media = extract(str(path), str(folder), SETTINGS)
    starts = [4.1 * number for number in range(segments)]
    assert media.duration == pytest.approx(4.1 * segments, abs=0.3)
    tones = [media.audio_start + tone for tone in onsets(folder / AUDIO_FILE)]
    assert tones == pytest.approx([start + at for start in starts for at in (0.5, 2.5)], abs=0.3)
    expected = [start + at for start in starts for at in (0.0, 2.0)]
    assert media.frame_times == pytest.approx(expected, abs=0.7)
    assert all(later > earlier for earlier, later in pairwise(media.frame_times))
    assert "partly_read" not in media.metadata
    return media


def test_joined_segments_have_one_timeline(segment, tmp_path):
    path = tmp_path / "joined.ts"
    path.write_bytes(3 * segment)
    media = assert_one_timeline(path, tmp_path, 3)
    for time, colour in zip(media.frame_times, 3 * [RED, GREEN], strict=True):
        assert frame_at(str(path), time).getpixel((32, 24)) == pytest.approx(colour, abs=20)


def test_joined_matroska_files_have_one_timeline(recording, tmp_path):
    path = tmp_path / "joined.mkv"
    path.write_bytes(2 * recording)
    assert_one_timeline(path, tmp_path, 2)


def test_joined_mp3_files_are_whole(tmp_path):
    one = tmp_path / "one.mp3"
    make(one, sounds=[beeps(4, 44_100, [0.5, 2.5])], rate=44_100, sound_codec="libmp3lame")
    (tmp_path / "joined.mp3").write_bytes(2 * one.read_bytes())
    media = extract(str(tmp_path / "joined.mp3"), str(tmp_path), SETTINGS)
    assert media.duration == pytest.approx(8.1, abs=0.1)
    assert "partly_read" not in media.metadata


def test_a_duration_that_matroska_declares_wrongly_is_measured(recording, tmp_path):
    at = recording.index(b"\x44\x89\x88") + 3
    path = tmp_path / "hours.mkv"
    path.write_bytes(recording[:at] + struct.pack(">d", 36_000_000.0) + recording[at + 8 :])
    media = extract(str(path), str(tmp_path), SETTINGS)
    assert media.duration == pytest.approx(4.0, abs=0.1)
    assert "partly_read" not in media.metadata


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.aac", "aac")])
def test_a_duration_that_is_estimated_from_a_bit_rate_is_measured(name, codec, tmp_path):
    # Silence first: its bit rate says nothing about the rest.
    sound = np.random.default_rng(0).normal(0, 6000, 6 * 44_100).clip(-32_000, 32_000).astype(np.int16)
    sound[: 3 * 44_100] = 0
    quality = {"write_xing": "0"} if codec == "libmp3lame" else {}
    path = tmp_path / name
    make(path, sounds=[sound[None]], rate=44_100, sound_codec=codec, options=quality)
    if codec == "libmp3lame":  # as of a variable bit rate: frames of another one first
        low = tmp_path / "low.mp3"
        make(
            low,
            sounds=[0 * sound[None, : 2 * 44_100]],
            rate=44_100,
            sound_codec=codec,
            options=quality,
            bit_rate=32_000,
        )
        path.write_bytes(low.read_bytes() + path.read_bytes())
    with av.open(str(path)) as container:
        assert container.duration / av.time_base > 10
    media = extract(str(path), str(tmp_path), MediaSettings(max_seconds=9.9))
    assert media.duration == pytest.approx(8.1 if codec == "libmp3lame" else 6.0, abs=0.2)
    assert "truncated" not in media.metadata


def encode(container, video, images):
    """Encode images, ten per second, into the only stream of a container that has packets."""
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_image(image)
        frame.pts, frame.time_base = number, Fraction(1, 10)
        container.mux(video.encode(frame))
    container.mux(video.encode(None))


def test_a_raw_stream_without_time_stamps_has_times(tmp_path):
    path = tmp_path / "a.h264"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"bf": "0", "threads": "1"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        encode(container, video, scenes())
    media = extract(str(path), str(tmp_path), SETTINGS)
    assert media.duration == pytest.approx(4.0, abs=0.1)
    assert media.frame_times == pytest.approx([0.0, 2.0], abs=0.7)
    assert frame_at(str(path), media.frame_times[1]).getpixel((32, 24)) == pytest.approx(GREEN, abs=20)


def test_a_file_whose_jumps_hide_its_length_is_refused_at_the_limit(segment, tmp_path):
    path = tmp_path / "long.ts"
    path.write_bytes(3 * segment)
    with pytest.raises(ObjectError) as caught:
        extract(str(path), str(tmp_path), MediaSettings(max_seconds=10.0))
    assert caught.value.failure == "TooLong"


def test_a_track_without_samples_has_lost_nothing(tmp_path):
    path = tmp_path / "muted.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10, options={"threads": "1"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        container.add_stream("aac", rate=16_000, layout="mono")
        encode(container, video, scenes())
    media = extract(str(path), str(tmp_path), SETTINGS)
    assert media.metadata["streams"] == {"video": 1, "audio": 1}
    assert (media.audio_seconds, len(media.frame_times)) == (0.0, 2)
    assert not {"partly_read", "not_decodable"} & set(media.metadata)
