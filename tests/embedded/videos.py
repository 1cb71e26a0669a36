"""Makes videos and audio files for tests and the demo with PyAV: photos as scenes, synthetic speech as their sound.

What is in them is known: when the scene changes, what is said and when. Small and short, 320 x 240 at 10 frames/s.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedded.images import photo
from embedded.speech import SAMPLE_RATE, VOICE, say, silence

if TYPE_CHECKING:
    from PIL.Image import Image

WIDTH, HEIGHT, FRAME_RATE = 320, 240, 10
KEY_FRAME_DISTANCE = 5 * FRAME_RATE  # at most, in frames; x264 sets one at a cut, too
DRIFT = 4  # pixels per second by which the camera moves over a photo
PAUSE = 0.8  # seconds of silence behind a sentence
FRENCH = "fr"


@dataclass(frozen=True)
class Scene:
    """A photo of `embedded.images.PHOTOS` that is seen for some seconds."""

    photo: str
    seconds: float


@dataclass(frozen=True)
class Sentence:
    """A sentence of a soundtrack, from `start` to `end` in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Soundtrack:
    """Sentences, one after the other, spoken by one voice."""

    texts: tuple[str, ...]
    voice: str = VOICE

    @property
    def samples(self) -> bytes:
        """16 bits, mono, at `embedded.speech.SAMPLE_RATE`."""
        return b"".join(_spoken(text, self.voice) + silence(PAUSE) for text in self.texts)

    @property
    def sentences(self) -> list[Sentence]:
        """When each is said."""
        found, now = [], 0.0
        for text in self.texts:
            seconds = len(_spoken(text, self.voice)) / 2 / SAMPLE_RATE
            found.append(Sentence(text, now, now + seconds))
            now += seconds + PAUSE
        return found


@dataclass(frozen=True)
class Film:
    """A video or audio file to make: its scenes, its soundtracks, and how it is written.

    container: PyAV's name of the format. rotation: by which players turn the picture, in degrees counter-clockwise.
    dropped: of every so many frames one is left out, so that the frame rate varies; 0: none. options: of the container.
    """

    file: str
    container: str
    scenes: tuple[Scene, ...] = ()
    sound: tuple[Soundtrack, ...] = ()
    video_codec: str = "libx264"
    audio_codec: str = "aac"
    rotation: int = 0
    dropped: int = 0
    options: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def scene_starts(self) -> list[float]:
        """When each scene begins, in seconds."""
        return [sum(scene.seconds for scene in self.scenes[:number]) for number in range(len(self.scenes))]


TOUR = Soundtrack(
    (
        "The fog signal of the lighthouse sounds twice every minute.",
        "A cat sleeps on the window sill and waits for the morning.",
        "The rocket climbs into the evening sky above the coast.",
    )
)
BREAKFAST = Soundtrack(
    (
        "Let the bread rest for twenty minutes before you cut it.",
        "Drink your coffee slowly and look at the palace across the river.",
    )
)
VALLEY = Soundtrack(
    ("The lake behind the glacier holds enough water to flood the whole valley.", "Bees leave the hive in the spring.")
)
# Long enough that its speech becomes several passages.
LECTURE = Soundtrack(
    (
        "Welcome to a short tour of the coast.",
        "The old palace on the hill was built by a merchant three hundred years ago.",
        "In front of it are gardens with red flowers, which open in the morning and close at night.",
        "You can reach the coast by train, or ride a motorcycle along the narrow road.",
        "Please drive slowly, because sheep often sleep on the warm stones of the road.",
        "Halfway to the harbour there is a small coffee house with a view of the sea.",
        "The owner roasts the coffee herself and bakes apple cake every Sunday.",
        "In summer, photographers come to take pictures of the cliffs in the evening light.",
        "The best place to stand is the wooden bridge below the lighthouse.",
        "The lighthouse keeper has an old cat, which likes to sit on the window sill.",
        "Behind the lighthouse a farmer keeps forty hives of bees.",
        "The honey is taken from the hives in August and sold at the market.",
        "At the end of the tour you can see the launch site across the bay.",
        "Once a month a rocket climbs into the sky and carries a satellite into orbit.",
        "Thank you for listening, and have a safe journey home.",
    )
)
BONJOUR = Soundtrack(("Bonjour, le chat dort devant la fenêtre et il attend le matin.",), FRENCH)

TOUR_SCENES = (Scene("palace.jpg", 4), Scene("cat.jpg", 4), Scene("rocket.jpg", 4))
BREAKFAST_SCENES = (Scene("coffee.jpg", 4), Scene("flower.jpg", 4))
LECTURE_SCENES = tuple(
    Scene(each, 10)
    for each in (
        "palace.jpg",
        "flower.jpg",
        "motorcycle.jpg",
        "coffee.jpg",
        "photographer.jpg",
        "cat.jpg",
        "rocket.jpg",
    )
)

# The demo's: what they say and show is asked for there.
FILMS = (
    Film("coast-tour.mp4", "mp4", TOUR_SCENES, (TOUR,)),
    Film("breakfast.mkv", "matroska", BREAKFAST_SCENES, (BREAKFAST,), audio_codec="libopus"),
    Film("lecture.mp4", "mp4", LECTURE_SCENES, (LECTURE,)),
    Film("valley-report.mp3", "mp3", sound=(VALLEY,), audio_codec="libmp3lame"),
)
ODD_FILMS = (
    Film("no-audio.mp4", "mp4", TOUR_SCENES),
    Film("no-video.mp4", "mp4", sound=(BREAKFAST,)),
    Film("turned.mp4", "mp4", BREAKFAST_SCENES, rotation=90),
    Film("varying-rate.mkv", "matroska", TOUR_SCENES, (TOUR,), dropped=3),
    Film("two-sounds.mkv", "matroska", BREAKFAST_SCENES, (BREAKFAST, BONJOUR)),
    Film("mpeg4.avi", "avi", BREAKFAST_SCENES, (BREAKFAST,), video_codec="mpeg4", audio_codec="libmp3lame"),
    Film("vp9.webm", "webm", BREAKFAST_SCENES, (BREAKFAST,), video_codec="libvpx-vp9", audio_codec="libopus"),
    Film("stream.ts", "mpegts", BREAKFAST_SCENES, (BREAKFAST,)),  # its times begin at 0.2 seconds
    Film("index-first.mp4", "mp4", TOUR_SCENES, (TOUR,), options={"movflags": "faststart"}),
    Film("speech.wav", "wav", sound=(BREAKFAST,), audio_codec="pcm_s16le"),
    Film("speech.flac", "flac", sound=(BREAKFAST,), audio_codec="flac"),
    Film("speech.m4a", "ipod", sound=(BREAKFAST,)),
    Film("speech.mp3", "mp3", sound=(BREAKFAST,), audio_codec="libmp3lame"),
    Film("french.ogg", "ogg", sound=(BONJOUR,), audio_codec="libopus"),
)


def film(file: str) -> Film:
    """What the file of that name holds."""
    (found,) = (each for each in (*FILMS, *ODD_FILMS) if each.file == file)
    return found


def make_films(films: Sequence[Film] = FILMS) -> dict[str, bytes]:
    """Files of films, by name."""
    return {each.file: _file(each) for each in films}


def make_broken_films() -> dict[str, bytes]:
    """Files that cannot be read, or only in part, by name: cut off behind the index, before it, empty, and no video."""
    first, last = _file(film("index-first.mp4")), _file(film("coast-tour.mp4"))
    return {
        "cut-off.mp4": first[: len(first) * 2 // 3],
        "without-index.mp4": last[: len(last) * 2 // 3],
        "empty.mp4": b"",
        "text.mp4": b"This is a text and no video.\n",
    }


@cache
def _spoken(text: str, voice: str) -> bytes:
    return say(text, voice)


@cache
def _file(film: Film) -> bytes:
    import av

    # Without the date and random identifiers that containers get.
    options = {"fflags": "+bitexact", **film.options}
    with tempfile.TemporaryDirectory() as folder:  # an index is moved to the front of files alone
        path = Path(folder) / film.file
        with av.open(path, "w", format=film.container, options=options) as container:
            # All streams are declared before the first packet is written.
            packets = _video_packets(container, film) if film.scenes else []
            for sound in film.sound:
                packets += _audio_packets(container, film.audio_codec, sound)
            for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
                container.mux(packet)
        return path.read_bytes()


def _video_packets(container: Any, film: Film) -> list[Any]:
    import av

    output = container.add_stream(film.video_codec, rate=FRAME_RATE, options={"threads": "1", "flags": "+bitexact"})
    output.width, output.height, output.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    output.gop_size = KEY_FRAME_DISTANCE
    if film.rotation:
        output.set_display_rotation(film.rotation)
    packets: list[Any] = []
    for number, image in enumerate(_frames(film.scenes)):
        if film.dropped and number % film.dropped == 1:
            continue
        frame = av.VideoFrame.from_image(image)
        frame.pts, frame.time_base = number, 1 / output.codec_context.framerate
        packets += output.encode(frame)
    return packets + output.encode(None)


def _frames(scenes: Sequence[Scene]) -> "Iterator[Image]":
    """The pictures of scenes: the camera moves over each photo."""
    for scene in scenes:
        image = photo(scene.photo, WIDTH + 100)
        if image.height < HEIGHT:
            image = photo(scene.photo, 560)
        for number in range(round(scene.seconds * FRAME_RATE)):
            left = DRIFT * number // FRAME_RATE
            yield image.crop((left, 0, left + WIDTH, HEIGHT))


def _audio_packets(container: Any, codec: str, sound: Soundtrack) -> list[Any]:
    import av
    import numpy as np

    rate = 48_000 if codec == "libopus" else SAMPLE_RATE  # the only one of Opus that is near
    output = container.add_stream(codec, rate=rate, layout="mono", options={"flags": "+bitexact"})
    frame = av.AudioFrame.from_ndarray(np.frombuffer(sound.samples, np.int16)[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE, 0
    resampler = av.AudioResampler(format=output.format, layout="mono", rate=rate, frame_size=output.frame_size or 1024)
    packets: list[Any] = []
    for each in [*resampler.resample(frame), *resampler.resample(None)]:
        packets += output.encode(each)
    return packets + output.encode(None)
