"""What tests and the demo ingest: the made images, films and speech are what they claim to be."""

import io
import re
from itertools import pairwise

import pytest

from embedded.images import make_odd_images, make_photos
from embedded.speech import say
from embedded.videos import FILMS, FRAME_RATE, ODD_FILMS, TOUR, Film, film, make_broken_films, make_films


@pytest.mark.nightly
def test_images_are_the_same_each_time():
    assert make_photos() == make_photos()
    assert make_odd_images() == make_odd_images.__wrapped__()


def test_odd_images_are_shown_in_the_size_they_claim():
    import pillow_heif
    from PIL import Image, ImageOps

    pillow_heif.register_heif_opener()
    images = {name: image for name, image in make_odd_images().items() if image.shown}
    found = {name: ImageOps.exif_transpose(Image.open(io.BytesIO(image.data))).size for name, image in images.items()}
    claimed = {name: image.shown for name, image in images.items()}
    assert found == claimed
    assert len(claimed) >= 15


@pytest.mark.parametrize("name", [name for name, image in make_odd_images().items() if image.shown is None])
def test_pillow_refuses_a_broken_image(name, monkeypatch):
    from PIL import Image

    # Its default: what decodes images in this process may have taken it off.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1024 * 1024 * 1024 // 4 // 3)
    with pytest.raises((OSError, Image.DecompressionBombError)):
        Image.open(io.BytesIO(make_odd_images()[name].data)).load()


def test_speech_is_the_same_each_time():
    assert say("Good morning.") == say("Good morning.") != say("Good evening.")


@pytest.mark.nightly  # the pipeline's own tests see what it finds in these films
@pytest.mark.parametrize("made", [*FILMS, *ODD_FILMS], ids=lambda made: made.file)
def test_a_film_has_its_streams_and_cuts(made: Film):
    import av
    import numpy as np

    with av.open(io.BytesIO(make_films([made])[made.file])) as container:
        assert len(container.streams.audio) == len(made.sound)
        assert len(container.streams.video) == bool(made.scenes)
        if not made.scenes:
            return
        frames = list(container.decode(video=0))
    assert {frame.rotation for frame in frames} == {made.rotation}
    times = [frame.time - frames[0].time for frame in frames]
    pictures = [frame.to_ndarray(format="gray").astype(int) for frame in frames]
    jumps = [abs(after - before).mean() for before, after in pairwise(pictures)]
    cuts = [times[number + 1] for number in np.flatnonzero(np.array(jumps) > 20)]
    assert cuts == pytest.approx(made.scene_starts[1:], abs=1.1 / FRAME_RATE)
    distances = {round(after - before, 2) for before, after in pairwise(times)}
    assert len(distances) > 1 or not made.dropped


def test_broken_films_are_broken():
    import av

    read = {}
    for name, data in make_broken_films().items():
        try:
            with av.open(io.BytesIO(data)) as container:
                read[name] = len(list(container.decode(video=0)))
        except av.error.FFmpegError:
            read[name] = 0
    assert 0 < read.pop("cut-off.mp4") < sum(scene.seconds for scene in film("coast-tour.mp4").scenes) * FRAME_RATE
    assert set(read.values()) == {0}


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


@pytest.mark.nightly
def test_whisper_understands_the_speech_and_when_it_is_said(whisper_path):
    from faster_whisper import WhisperModel

    model = WhisperModel(whisper_path, device="cpu", compute_type="int8")
    segments, _ = model.transcribe(io.BytesIO(make_films()["coast-tour.mp4"]), word_timestamps=True)
    heard = [word for segment in segments for word in segment.words]
    text = " ".join(words(" ".join(word.word for word in heard)))
    for phrase in ("lighthouse sounds twice", "on the window", "evening sky above the coast"):
        assert phrase in text, text
    starts = [word.start for word in heard]
    for sentence in TOUR.sentences:
        assert min(abs(start - sentence.start) for start in starts) < 0.5, (sentence, starts)
