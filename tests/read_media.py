"""Small recordings, and what the extraction of media reads of a file, for tests."""

from pathlib import Path

from PIL import Image

from embedded.recordings import beeps, make, onsets
from ingest.media.extraction import AUDIO_FILE, Media, MediaSettings, extract

SETTINGS = MediaSettings(image_size=32)
RATE = 16_000
RED, BLUE, WHITE = (200, 30, 30), (30, 30, 200), (255, 255, 255)


def recording(folder: Path, name: str, codec: str, rate: int = RATE, tones: tuple[float, ...] = (0.5, 2.5)) -> bytes:
    """The bytes of four seconds of sound with tones at these seconds."""
    return Path(make(folder / name, sounds=[beeps(4, rate, tones)], sound_codec=codec, rate=rate)).read_bytes()


def pictures(colour: tuple[int, int, int], number: int = 10, size: tuple[int, int] = (64, 48)) -> list[Image.Image]:
    return [Image.new("RGB", size, colour)] * number


def read(folder: Path, name: str, data: bytes) -> tuple[Media, list[float]]:
    """The result for a file of these bytes, and when its tones begin, in seconds."""
    (folder / name).write_bytes(data)
    media = extract(str(folder / name), str(folder), SETTINGS)
    sound = folder / AUDIO_FILE
    return media, onsets(sound) if sound.exists() else []
