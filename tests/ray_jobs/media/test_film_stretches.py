"""A film that is divided into stretches has the key frames of one that is not, to the last pixel."""

import errno
from dataclasses import asdict

import av
import numpy as np
import pytest

from embedded.scenes import HEIGHT, WIDTH, Scene, Video, write
from films_in_stretches import AT_ONCE, LONG_GOPS, scenes
from ingest.common.errors import ObjectError
from ingest.media import film_stretches, stretch_reading
from ingest.media.extraction import FRAMES_FILE, Media, MediaSettings, extract
from ingest.media.film_stretches import IndivisibleError, Sharing
from ingest.media.shared_film import BegunFilm, begin_film, finish_film, read_film

CUTS = Video("libx264", 25, {"preset": "superfast"})
SHORT_GOPS = Video("libx264", 25, {"x264-params": "scenecut=0:keyint=20", "preset": "ultrafast"})
OPEN_GOPS = Video("libx264", 25, {"x264-params": "scenecut=0:keyint=50:open-gop=1:bframes=3", "preset": "veryfast"})
X265 = {"x265-params": "keyint=50:log-level=none", "preset": "ultrafast"}
VP9 = Video("libvpx-vp9", 10, {"deadline": "realtime", "g": "25"})
AV1 = Video("libsvtav1", 10, {"preset": "12", "g": "25"})
SETTINGS = MediaSettings(image_size=64)


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch):
    monkeypatch.setattr(film_stretches, "_LEAST", 1.0)


def whole(path, settings):
    folder = path.parent / "whole"
    folder.mkdir()
    media = extract(str(path), str(folder), settings)
    return asdict(media), (folder / FRAMES_FILE).read_bytes()


def divided(path, settings):
    """The same in stretches, which are read in any order, and their number."""
    folder = path.parent / "divided"
    folder.mkdir()
    media, count = begin_film(str(path), str(folder), settings, AT_ONCE), 0
    if isinstance(media, BegunFilm):
        count = len(media.frames.files)
        for number in reversed(range(count)):
            read_film(media, str(folder), number, settings)
        media = finish_film(media, str(folder), settings)
    return (asdict(media), (folder / FRAMES_FILE).read_bytes()), count


def assert_equal(path, settings=SETTINGS, stretches=3):
    """Compare the key frames of a film with and without stretches; returns what is known of it."""
    expected = whole(path, settings)
    found, count = divided(path, settings)
    assert count >= stretches
    assert found[0] == expected[0]
    assert found[1] == expected[1]
    return expected[0]


@pytest.mark.parametrize(
    ("name", "video"),
    [
        ("cuts.mp4", CUTS),
        pytest.param("long.mp4", LONG_GOPS, marks=pytest.mark.nightly),
        pytest.param("long.mkv", LONG_GOPS, marks=pytest.mark.nightly),
        pytest.param("long.ts", LONG_GOPS, marks=pytest.mark.nightly),
        pytest.param("open.ts", OPEN_GOPS, marks=pytest.mark.nightly),
        pytest.param("open.mkv", OPEN_GOPS, marks=pytest.mark.nightly),
        pytest.param("short.mp4", SHORT_GOPS, marks=pytest.mark.nightly),
        pytest.param("vp9.webm", VP9, marks=pytest.mark.nightly),
        pytest.param("av1.mkv", AV1, marks=pytest.mark.nightly),
    ],
)
def test_the_key_frames_are_those_of_the_whole_film(tmp_path, name, video):
    write(tmp_path / name, scenes(14), video)
    assert len(assert_equal(tmp_path / name)["frame_times"]) > 9


@pytest.mark.nightly
def test_gops_that_are_buffered_in_parts_are_read_by_one_process(tmp_path):
    video = Video("libx264", 5, {"x264-params": "scenecut=0:keyint=100", "preset": "ultrafast"})
    write(tmp_path / "a.mkv", scenes(16, 5.0), video)
    assert len(assert_equal(tmp_path / "a.mkv")["frame_times"]) > 12


@pytest.mark.parametrize("most", [3, pytest.param(6, marks=pytest.mark.nightly)])
def test_too_many_key_frames_are_thinned_out_as_in_the_whole_film(tmp_path, most):
    """GOPs of 0.8 s are read to their end until then, and from then on their key packets alone."""
    write(tmp_path / "a.mp4", scenes(14), SHORT_GOPS)
    known = assert_equal(tmp_path / "a.mp4", MediaSettings(image_size=64, max_frames=most))
    assert 1 < len(known["frame_times"]) <= most


@pytest.mark.nightly
def test_joined_films_of_other_formats_have_the_same_key_frames_in_stretches(tmp_path):
    path = tmp_path / "a.ts"
    write(tmp_path / "first.ts", scenes(6), LONG_GOPS)
    write(tmp_path / "second.ts", scenes(12)[6:], Video("libx264", 25, {**LONG_GOPS.options, "bf": "0"}, "yuv444p"))
    path.write_bytes((tmp_path / "first.ts").read_bytes() + (tmp_path / "second.ts").read_bytes())
    assert len(assert_equal(path)["frame_times"]) > 8


@pytest.mark.nightly
def test_damaged_packets_are_counted_as_in_the_whole_film(tmp_path):
    path = tmp_path / "a.mkv"
    write(path, scenes(14), LONG_GOPS)
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.pos]
    for place in places[60::40]:
        data[place + 30 : place + 60] = bytes(30)
    path.write_bytes(data)
    assert_equal(path)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(
    ("name", "video"),
    [("a.ts", OPEN_GOPS), ("a.mp4", LONG_GOPS), ("a.webm", VP9), ("a.mkv", AV1)],
    ids=["open", "long", "vp9", "av1"],
)
def test_mutated_films_have_the_same_key_frames_in_stretches(tmp_path, name, video, seed):
    """So it is not with HEVC, VP8 and MPEG-1 to MPEG-4: one in twenty mutants has other pictures."""
    write(tmp_path / name, scenes(8), video)
    data, random = bytearray((tmp_path / name).read_bytes()), np.random.default_rng(seed)
    for place in random.integers(0, len(data) - 200, 4):
        data[place : place + 100] = random.bytes(100)
    (tmp_path / name).write_bytes(data)
    try:
        assert_equal(tmp_path / name, stretches=0)
    except ObjectError:
        pytest.skip("nothing can be read")


@pytest.mark.nightly
def test_a_film_that_is_black_is_read_again_for_the_sake_of_its_other_stream(tmp_path):
    path = tmp_path / "a.mkv"
    write(tmp_path / "film.mkv", scenes(4), LONG_GOPS)
    write(tmp_path / "black.mkv", [Scene(12, lambda time: np.zeros((HEIGHT, WIDTH, 3), np.uint8))], LONG_GOPS)
    names = [str(tmp_path / "black.mkv"), str(tmp_path / "film.mkv")]
    with av.open(names[0]) as black, av.open(names[1]) as film, av.open(str(path), "w") as target:
        streams = [target.add_stream_from_template(source.streams.video[0]) for source in (black, film)]
        for source, stream in zip((black, film), streams, strict=True):
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
    assert len(assert_equal(path)["frame_times"]) > 2


@pytest.mark.parametrize(
    "video",
    [
        Video("mpeg4", 10, {"g": "25"}),
        pytest.param(Video("mpeg2video", 25, {"g": "15"}), marks=pytest.mark.nightly),
        pytest.param(Video("libx265", 25, X265), marks=pytest.mark.nightly),
        pytest.param(Video("libvpx", 10, {"deadline": "realtime", "g": "25"}), marks=pytest.mark.nightly),
        pytest.param(Video("mjpeg", 10, pixel_format="yuvj420p"), marks=pytest.mark.nightly),
        pytest.param(Video("ffv1", 10), marks=pytest.mark.nightly),
    ],
    ids=lambda video: video.codec,
)
def test_a_film_whose_frames_depend_on_more_than_its_key_packets_is_not_divided(tmp_path, video):
    write(tmp_path / "a.mkv", scenes(4), video)
    assert isinstance(begin_film(str(tmp_path / "a.mkv"), str(tmp_path), SETTINGS, AT_ONCE), Media)


@pytest.mark.nightly
@pytest.mark.parametrize("error", [IndivisibleError(), OSError(errno.ENOSPC, "no space")], ids=["packets", "space"])
def test_a_film_whose_packets_cannot_be_copied_is_read_by_one_process(tmp_path, monkeypatch, error):
    write(tmp_path / "a.mkv", scenes(6), LONG_GOPS)
    expected = whole(tmp_path / "a.mkv", SETTINGS)

    def refuse(*_):
        raise error

    monkeypatch.setattr(film_stretches, "_written_packets", refuse)
    found = begin_film(str(tmp_path / "a.mkv"), str(tmp_path), SETTINGS, AT_ONCE)
    assert (asdict(found), (tmp_path / FRAMES_FILE).read_bytes()) == expected
    assert not list(tmp_path.glob("stretch-*"))


@pytest.mark.nightly
def test_a_short_film_is_not_divided(tmp_path):
    write(tmp_path / "a.mkv", scenes(6), LONG_GOPS)
    assert isinstance(begin_film(str(tmp_path / "a.mkv"), str(tmp_path), SETTINGS, Sharing()), Media)


@pytest.mark.nightly
def test_what_its_reader_has_not_kept_is_decoded_again(tmp_path, monkeypatch):
    write(tmp_path / "a.mkv", scenes(10), LONG_GOPS)
    original = stretch_reading.pickle.dump

    def forget(found, file, protocol):
        if isinstance(found, list):  # of a reader
            for gop in found:
                for frame in gop.frames:
                    frame.thumbnail = frame.picture = None
        original(found, file, protocol)

    monkeypatch.setattr(stretch_reading.pickle, "dump", forget)
    assert_equal(tmp_path / "a.mkv")


@pytest.mark.nightly
def test_the_films_of_the_corpus_have_the_same_key_frames_in_stretches(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(film_stretches, "_LEAST", 0.1)
    divided_films = 0
    for number, path in enumerate(sorted(corpus.glob("video/*/*"))):
        folders = [tmp_path / f"{kind}-{number}" for kind in ("whole", "divided")]
        for folder in folders:
            folder.mkdir()
        expected = asdict(extract(str(path), str(folders[0]), SETTINGS))
        begun = begin_film(str(path), str(folders[1]), SETTINGS, AT_ONCE)
        if isinstance(begun, BegunFilm):
            divided_films += 1
            for stretch in range(len(begun.frames.files)):
                read_film(begun, str(folders[1]), stretch, SETTINGS)
            begun = finish_film(begun, str(folders[1]), SETTINGS)
        assert asdict(begun) == expected, path.name
        contents = [folder.joinpath(FRAMES_FILE).read_bytes() for folder in folders]
        assert contents[0] == contents[1], path.name
    assert divided_films > 10
